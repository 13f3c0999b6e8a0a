"""The manifest of a candidate: found as text, read, and held against the assignment where there is one.

It is the table [tool.verifier] of a Python file's `script` block, or the `verifier.toml` of a folder. Nothing of the candidate runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.candidates.assignment import Assignment
from verifier.candidates.script_block import read_parts, script_block, stray_table_line
from verifier.candidates.toml_document import TomlDocument, read_toml
from verifier.contracts.catalogue import DEFAULT, contract_by_keys, contract_ids, contract_of, knows
from verifier.contracts.contract import Claims, Contract
from verifier.contracts.keys import Key, TableError, did_you_mean, read_table, shown, text, word

FILE_NAME = "verifier.toml"
TABLE = ("tool", "verifier")
NAME_PATTERN = r"(?!\.+$)[A-Za-z0-9._-]{1,100}"
DOTTED_PATTERN = r"[^\W\d]\w*(\.[^\W\d]\w*)*"

CANDIDATE_KEYS: Mapping[str, Key] = {
    "contract": Key(lambda key, value: word(*contract_ids()).read(key, value), "the name of a contract"),
    "name": text(NAME_PATTERN, "up to 100 letters, digits, dots, underscores and hyphens of ASCII, not dots alone"),
    "module": text(r"(?!.*(?:^|/)\.)[^/\\]+(/[^/\\]+)*", "the name of a Python file or module in the folder"),
    "entry": text(DOTTED_PATTERN, 'the name of a function, or "object.function"'),
}


@dataclass(frozen=True)
class Settings:
    """What a manifest says, read: how the candidate is called and what it claims. `document` is None where there is no manifest."""

    contract: str
    name: str | None
    module: str | None
    entry: str
    claims: Claims
    document: TomlDocument | None


def manifest_of_file(path: Path, shown_as: str) -> TomlDocument | None:
    """The manifest in a Python file or in a cell of a notebook, or None where there is none. Raises ManifestError where it is malformed."""
    found = [document for shown, source in read_parts(path, shown_as) if (document := manifest_of_source(source, shown)) is not None]
    if len(found) > 1:
        raise found[1].error_at(
            found[1].first_line - 1, f"a second manifest; the first stands in {found[0].shown}, and only one is allowed."
        )
    return found[0] if found else None


def manifest_of_source(source: str, shown_as: str) -> TomlDocument | None:
    """The manifest in the text of a Python file, or None where there is none. Raises ManifestError where it is malformed."""
    block = script_block(source, shown_as)
    if block is None:
        return None
    document = TomlDocument(shown_as, block.text, block.line + 1, TABLE)
    tables = document.tables()
    _refuse_misplaced(document, tables)
    if "verifier" in tables.get("tool", {}):
        return document
    stray = stray_table_line(source)
    if stray:
        raise document.error_at(stray, f"[tool.verifier] is outside the script block of line {block.line}: move it inside.")
    return None


def manifest_of_folder(folder: Path, shown_as: str) -> TomlDocument:
    """The `verifier.toml` of a folder. Raises ManifestError where it cannot be read."""
    return read_toml(folder / FILE_NAME, shown_as, "manifest")


def read_settings(
    document: TomlDocument | None, assignment: Assignment | None = None, *, usual: Mapping[str, Any] | None = None
) -> Settings:
    """What the manifest says, with the contract's defaults, or the assignment's claims where there is one.

    Args:
        usual: the keys, `contract` among them, that a file without a manifest is judged by.
    Raises:
        ManifestError: it is not TOML, a key is not known, holds what it may not or is fixed by the assignment.
    """
    table = _table_of(document) if document else usual or {}
    try:
        own = read_table({key: value for key, value in table.items() if key in CANDIDATE_KEYS}, CANDIDATE_KEYS)
        said = {key: value for key, value in table.items() if key not in CANDIDATE_KEYS}
        if assignment is not None and own.get("contract", assignment.contract) != assignment.contract:
            raise TableError(
                "contract", f"is {shown(own['contract'])}, but the assignment {assignment.shown} is for {assignment.contract}."
            )
        contract = contract_of(own.get("contract") or (contract_by_keys(said) if assignment is None else assignment.contract))
        _refuse_unknown(said, contract)
        claims = contract.claims_from(said if assignment is None else _under_assignment(said, assignment, contract))
        if assignment is None and contract.references(claims):
            raise TableError("reference", "belongs in an assignment: code that is judged cannot name what it is judged by.")
    except TableError as error:
        if document is None:  # a claim of the assignment alone, which was read before: cannot be
            raise
        raise document.error_of(error) from None
    default_entry = (assignment.entry if assignment is not None else None) or contract.entry
    return Settings(contract.id, own.get("name"), own.get("module"), own.get("entry") or default_entry, claims, document)


def _table_of(document: TomlDocument) -> Mapping[str, Any]:
    table: Any = document.tables()
    for key in document.inside:
        table = table[key]
    if not isinstance(table, Mapping):
        raise document.error_at(document.line_of(), "tool.verifier must be a table: write [tool.verifier].")
    return table


def _refuse_unknown(said: Mapping[str, Any], contract: Contract) -> None:
    known = [*CANDIDATE_KEYS, *contract.keys]
    for key in said:
        if key == "tool":
            raise TableError(key, f"is not known: in {FILE_NAME} the keys are written at top level, without [tool.verifier].")
        if key not in known:
            of = [one for one in contract_ids() if knows(one, [key])]
            elsewhere = f' It is a key of contract = "{of[0]}"; this manifest is read as one of {contract.id}.' if len(of) == 1 else ""
            raise TableError(key, f"is not known.{did_you_mean(key, known) or elsewhere or ' Known are ' + ', '.join(known) + '.'}")


def _under_assignment(said: Mapping[str, Any], assignment: Assignment, contract: Contract) -> dict[str, Any]:
    """The assignment's claims with the candidate's layout; TableError where the candidate says more than that."""
    for key, value in said.items():
        if _says_the_same(key, value, assignment, contract):
            continue
        fixed = f"the assignment {assignment.shown} fixes"
        if key not in contract.candidates_own:
            may = ", ".join([*CANDIDATE_KEYS, *contract.candidates_own])
            raise TableError(key, f"must not be in the manifest: {fixed} it. Remove it (a candidate may state {may}).")
        if assignment.claims.get(key, value) != value:
            raise TableError(key, f"is {shown(value)}, but {fixed} {shown(assignment.claims[key])}.")
        stated = assignment.allow.get(key)
        if value not in stated if stated is not None else value in contract.to_be_allowed.get(key, ()):
            usual = f"; it allows {shown(stated)}" if stated is not None else ""
            raise TableError(key, f"is {shown(value)}, which the assignment {assignment.shown} does not allow{usual}.")
    return {**assignment.claims, **said}


def _says_the_same(key: str, value: Any, assignment: Assignment, contract: Contract) -> bool:
    """Whether a claim changes nothing under the assignment."""
    try:
        return contract.claims_from({**assignment.claims, key: value}) == contract.claims_from(assignment.claims)
    except TableError:
        return False


def _refuse_misplaced(document: TomlDocument, tables: Mapping[str, Any]) -> None:
    """Refuse what is meant as the manifest but stands elsewhere in the block, so that it is never silently the defaults."""
    whole = TomlDocument(document.shown, document.text, document.first_line)
    for key in tables:
        if key in CANDIDATE_KEYS or key in contract_of(DEFAULT).keys:
            raise whole.error_at(whole.line_of(key), f"manifest key {shown(key)} is outside its table: write [tool.verifier] above it.")
        if key in ("verifier", "backprop-verifier"):
            raise whole.error_at(whole.line_of(key), f"a script block allows no table [{key}]: write [tool.verifier].")
    tools = tables.get("tool", {})
    if not isinstance(tools, Mapping):
        raise whole.error_at(whole.line_of("tool"), "tool must be a table: write [tool.verifier].")
    for key in tools:
        if key != "verifier" and did_you_mean(key, ["verifier"]):
            raise whole.error_at(whole.line_of(f"tool.{key}"), f"table [tool.{key}] is not known. Did you mean [tool.verifier]?")
