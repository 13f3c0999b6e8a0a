"""The candidate's module, loaded inside the worker; its functions; and what it raised, cut to its own frames."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any

from verifier.interpreted import arrange
from verifier.notebook import SUFFIX as NOTEBOOK
from verifier.notebook import split_place
from verifier.worker.notebook import run_notebook
from verifier.worker.signature import parameters
from verifier.worker.stand_ins import SHOWING, restore_float, restore_numpy_names, stand_in

TEXT = 2000  # characters of an exception's text
PACKAGE_FILE = "__init__.py"
FRAMES = 12  # frames of a traceback: the last ones name the place


@dataclass(frozen=True)
class Origin:
    """Where a candidate is: the file of its module or the name of an installed one, its entry, and which paths count as its own code.

    `path`: more folders to import from; `stand_ins`: modules that may be absent; `numpy_aliases`: whether it needs NumPy's old names.
    """

    file: str | None
    module: str | None
    entry: str
    import_root: str | None
    own: tuple[str, ...]
    path: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    numpy_aliases: bool = False

    def owns(self, path: str) -> bool:
        """Whether a source file, or a cell of a notebook, belongs to the candidate."""
        path = os.path.abspath(split_place(path)[0])
        return any(path == place or path.startswith(place.rstrip(os.sep) + os.sep) for place in self.own)


@dataclass(frozen=True)
class Candidate:
    """A loaded candidate: the object whose attributes are its functions (the module, or what stands before the entry's last dot).

    `left_out`: of a notebook, the cells of which something did not run.
    """

    holder: Any
    origin: Origin
    left_out: tuple[int, ...] = ()

    def function(self, name: str) -> Callable[..., Any] | None:
        """The function of this name (its last component: "net.backprop" is looked up on net), or None where it is missing."""
        function = getattr(self.holder, name.rpartition(".")[2], None)
        return function if callable(function) else None

    def functions(self) -> dict[str, int]:
        """Every public callable that is no class -> the line of its definition; 0 where it comes from elsewhere."""
        found = {name: _attribute(self.holder, name) for name in dir(self.holder) if not name.startswith("_")}
        return {name: self._line(value) for name, value in found.items() if callable(value) and not isinstance(value, type | ModuleType)}

    def parameters(self) -> dict[str, list[str]]:
        """Of its own functions, what a call may pass by position."""
        own = [name for name, line in self.functions().items() if line]
        known = {name: parameters(_attribute(self.holder, name)) for name in own}
        return {name: found for name, found in known.items() if found is not None}

    def _line(self, function: Any) -> int:
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        line = getattr(code, "co_firstlineno", 0)
        return line if isinstance(line, int) and self.origin.owns(str(getattr(code, "co_filename", ""))) else 0


def load(origin: Origin) -> Candidate:
    """Run the candidate's module. Whatever it raises passes through; AttributeError where the entry's holder is missing."""
    sys.path[:0] = [*([origin.import_root] if origin.import_root is not None else []), *origin.path]
    own = [] if origin.import_root is None else [origin.import_root]
    stand_in([*origin.stand_ins, *(name for name in SHOWING if not _is_there(name, own))])
    if origin.numpy_aliases:
        restore_numpy_names()
        restore_float()
    holder: Any = None
    left_out: list[int] = []
    if origin.module is not None:
        holder = _import(origin.module, origin.import_root)
    elif str(origin.file).endswith(NOTEBOOK):
        stand_in(["google.colab", *(name for name in ("google", "tqdm") if not _is_there(name))])
        holder = sys.modules["candidate"] = ModuleType("candidate")
        left_out = run_notebook(str(origin.file), holder, origin.entry)
    else:
        holder = _run_file(str(origin.file))
    for part in origin.entry.split(".")[:-1]:
        if not hasattr(holder, part):
            raise AttributeError(f"entry {origin.entry!r}: there is no {part!r} in {getattr(holder, '__name__', type(holder).__name__)}")
        holder = getattr(holder, part)
    arrange()
    return Candidate(holder, origin, tuple(left_out))


def describe_raised(error: BaseException, origin: Origin) -> dict[str, Any]:
    """What a candidate raised, as plain data: type, text, file, line and function of its last own frame, traceback of its own frames."""
    own = [frame for frame in _frames(error.__traceback__) if origin.owns(frame.filename)]
    place: dict[str, Any] = {"file": None, "line": None, "function": None}
    if own:
        place = {"file": own[-1].filename, "line": own[-1].lineno, "function": own[-1].name}
    if isinstance(error, SyntaxError) and error.filename and origin.owns(error.filename):
        place = {"file": error.filename, "line": error.lineno, "function": None}
    text = _text(error)
    lines = [line for frame in own[-FRAMES:] for line in traceback.format_list([frame])]
    closing = "".join(traceback.format_exception_only(error)) if isinstance(error, SyntaxError) else f"{type(error).__name__}: {text}\n"
    return {
        "type": printable(type(error).__name__, 200),
        "text": text,
        **{key: printable(value, 1000) if isinstance(value, str) else value for key, value in place.items()},
        "traceback": printable("".join([*lines, closing]), 8 * TEXT),
    }


def printable(text: str, limit: int) -> str:
    """The text, cut to a length, without what UTF-8 cannot carry."""
    return text[:limit].encode("utf-8", "backslashreplace").decode()


def _import(module: str, root: str | None) -> ModuleType:
    """The module by its dotted name; where `root` may not be listed, its topmost package is loaded by its file and found without."""
    top = module.partition(".")[0]
    if root is not None and top not in sys.modules and not _may_list(root):
        folder = os.path.join(root, top)
        if os.path.isfile(own := os.path.join(folder, PACKAGE_FILE)):
            _run_file(own, top)
        elif os.path.isdir(folder):
            sys.modules[top] = ModuleType(top)
            sys.modules[top].__path__ = [folder]
        else:
            _run_file(f"{folder}.py", top)
    return importlib.import_module(module)


def _is_there(name: str, folders: list[str] | None = None) -> bool:
    """Whether these folders have such a module; by default all that are searched."""
    return importlib.machinery.PathFinder.find_spec(name, folders) is not None


def _may_list(folder: str) -> bool:
    try:
        os.scandir(folder).close()  # os.access knows nothing of Landlock
        return True
    except OSError:
        return False


def _run_file(file: str, name: str | None = None) -> ModuleType:
    folder, base = os.path.split(file)
    package = [folder] if base == PACKAGE_FILE else None
    stem = os.path.basename(folder) if package else os.path.splitext(base)[0]
    taken = stem in sys.modules or stem in sys.stdlib_module_names or not stem.isidentifier()
    name = name or ("candidate" if taken else stem)  # a file called numpy.py must not become NumPy for the others
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=package)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _attribute(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name)
    except Exception:  # a property may raise what it likes; then it is no function
        return None


def _frames(start: TracebackType | None) -> list[traceback.FrameSummary]:
    try:
        return list(traceback.extract_tb(start))
    except Exception:  # __traceback__ and source lines are within the candidate's reach
        return []


def _text(error: BaseException) -> str:
    try:
        return printable(str(error.msg if isinstance(error, SyntaxError) else error), TEXT)  # its place is reported beside it
    except BaseException as unprintable:
        return f"(its text cannot be had: {type(unprintable).__name__})"
