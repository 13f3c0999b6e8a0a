"""Folders of Python files: which of them are candidates, and which file of a folder with a manifest is the one to load."""

import contextlib
import io
import keyword
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier.candidates.manifest import FILE_NAME, Settings
from verifier.candidates.script_block import read_source
from verifier.candidates.toml_document import TomlDocument
from verifier.contracts.keys import did_you_mean, printable, shown
from verifier.errors import RequestError
from verifier.notebook import SUFFIX as NOTEBOOK

ENTRIES = ("backprop", "update")
SKIPPED = ("__pycache__", "node_modules", "site-packages")
DEFINITION = re.compile(rf"^(?:async[ \t]+)?def[ \t]+(?:{'|'.join(ENTRIES)})\b|^(?:{'|'.join(ENTRIES)})[ \t]*(?:=(?!=)|:)", re.MULTILINE)
MOST_SOURCE = 4 * 1024 * 1024  # characters that are read of one folder to find the file that is meant: a megabyte may take 3 s
LARGEST_TOKENIZED = 1024 * 1024  # characters; in a longer file a definition inside a string is taken for one
BLANK = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


def search(folder: Path, errors: list[RequestError]) -> Iterator[Path]:
    """The Python files and notebooks below the folder, and the folders that have a manifest (not what is in them), sorted by path.

    Hidden files and folders are left out, so are virtual environments, `site-packages`, `node_modules`, `__pycache__` and every link: a
    submission must not borrow another's file, nor take its place. A folder that cannot be read adds to `errors`.
    """

    def cannot_read(error: OSError) -> None:
        errors.append(RequestError(f"{printable(str(error.filename))}: cannot be read: {error.strerror}."))

    found: list[Path] = []
    waiting = [folder]
    while waiting:  # no recursion: folders may lie a thousand deep in one another
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                there = list(entries)
        except OSError as error:
            cannot_read(error)
            continue
        if here != folder and any(entry.name == FILE_NAME and not entry.is_dir() for entry in there):
            found.append(here)
            continue
        for entry in there:
            if entry.is_dir(follow_symlinks=False):
                waiting += [] if _is_skipped(here / entry.name) else [here / entry.name]
            elif entry.name.endswith((".py", NOTEBOOK)) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                found.append(here / entry.name)
    return iter(sorted(found, key=lambda path: path.parts))


def defines_entry(source: str) -> bool:
    """Whether the text defines `backprop` or `update` at top level: by def or by assignment, not inside a string.

    A file with a syntax error counts by its lines alone, so that it is judged (and its error shown) and not left out. The text is not
    parsed: a tree deep enough would bring this process down.
    """
    if not DEFINITION.search(source):
        return False
    if len(source) > LARGEST_TOKENIZED:
        return True
    try:
        return any(name in ENTRIES for name in _defined_names(source))
    except (tokenize.TokenError, SyntaxError):
        return True


def defined_names(source: str) -> list[str]:
    """The functions, classes and other names that the text defines at top level, in order; what can be read of them where it breaks off."""
    found: list[str] = []
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for name in _defined_names(source[:LARGEST_TOKENIZED]):
            found.append(name)
    return [name for name in dict.fromkeys(found) if not (name.startswith("_") or keyword.iskeyword(name))]


def sources_of(files: Iterable[Path], folder: str) -> Iterator[tuple[Path, str]]:
    """Each file of one folder with its text. Raises RequestError where they are more than whoever judges can look through."""
    left = MOST_SOURCE
    for file in files:
        source = read_source(file, str(file))
        left -= len(source)
        if left < 0:
            raise RequestError(
                f"{printable(folder)}: holds more than {MOST_SOURCE:,} characters of Python, too much to look for the file that is meant; "
                f'leave out what is not yours, or say module = "…" in a {FILE_NAME}.'
            )
        yield file, source


def module_file(folder: Path, settings: Settings) -> tuple[Path, str | None]:
    """The file to load from a folder with a manifest, and its dotted name where it lies in a package of the folder.

    Raises:
        ManifestError: the manifest names none that is there, or names none and it is not clear which is meant.
    """
    assert settings.document is not None
    if settings.module:
        return _named_module(folder, settings.module, settings.document)
    return _only_module(folder, settings.document), None


def lies_within(path: Path, folder: Path) -> bool:
    """Whether the path, its links followed, lies in the folder."""
    return path.resolve().is_relative_to(folder.resolve())


def _named_module(folder: Path, module: str, document: TomlDocument) -> tuple[Path, str | None]:
    dotted = module.removesuffix(".py").replace("/", ".")
    base = folder.joinpath(*dotted.split("."))
    files = [folder / module] if module.endswith(NOTEBOOK) else [base.parent / f"{base.name}.py", base / "__init__.py"]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        near = did_you_mean(module, _names_in(folder, with_suffix=module.endswith(".py"))) or _listing(folder)
        raise document.error_at(
            document.line_of("module"), f'manifest key "module" is {shown(module)}, and no such file is in the folder.{near}'
        )
    if not lies_within(file, folder):
        raise document.error_at(document.line_of("module"), f'manifest key "module" is {shown(module)}, a link out of the folder.')
    imported = dotted != "__init__" and ("." in dotted or file.name == "__init__.py") and file.suffix != NOTEBOOK
    return file, dotted if imported and all(part.isidentifier() for part in dotted.split(".")) else None


def _only_module(folder: Path, document: TomlDocument) -> Path:
    found = sorted(folder.glob("*.py")) or sorted(folder.glob(f"*{NOTEBOOK}"))
    files = [file for file in found if file.is_file() and not file.name.startswith(".") and lies_within(file, folder)]
    entries = [file for file, source in sources_of(files if len(files) > 1 else (), str(folder)) if defines_entry(source)]
    usual = [f"{folder.resolve().name}.py", "backprop.py", "main.py", "__init__.py"]
    for group in (files, entries):
        if len(group) == 1:
            return group[0]
    named = [file for name in usual for file in files if file.name == name]
    if named:
        return named[0]
    raise document.error_at(None, f'it is not clear which file is the candidate; say module = "…".{_listing(folder)}')


def _listing(folder: Path) -> str:
    names = _names_in(folder, with_suffix=True)
    return (
        f" In the folder: {', '.join(printable(name) for name in names[:10])}{', …' if len(names) > 10 else ''}."
        if names
        else (" There is no Python file in the folder.")
    )


def _names_in(folder: Path, *, with_suffix: bool) -> list[str]:
    return [file.name if with_suffix else file.stem for file in sorted(folder.glob("*.py"))]


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in SKIPPED or (folder / "pyvenv.cfg").exists()


def _defined_names(source: str) -> Iterator[str]:
    """The names that statements at top level define by def or by assignment (x = …, x: T = …), read by tokens."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE:
            statement = []
        elif token.type not in BLANK and len(statement) < 3:
            statement.append(token)
            if statement[0].start[1] == 0:
                yield from _defined_by([token.string for token in statement])


def _defined_by(statement: list[str]) -> list[str]:
    match statement:
        case ["def" | "class", name] | ["async", "def", name]:
            return [name]
        case [name, "=" | ":"]:
            return [name]
    return []
