"""The assignment: a TOML file of whoever judges, which fixes what is claimed, the limits and what may not be imported.

activations = ["sigmoid"]            # the manifest's claims, at top level
losses = ["half_squared_error"]
forbid = ["torch", "autograd"]       # packages that a candidate may not import
allow = { bias = ["vector", "none"] }  # what it may say of its layout; without it, all that hides no kind of mistake

[limits]
memory = "1 GiB"
wall_seconds = 5
"""

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verifier.candidates.toml_document import TomlDocument, read_toml
from verifier.contracts.catalogue import DEFAULT, contract_by_keys, contract_ids, contract_of
from verifier.contracts.contract import Contract
from verifier.contracts.keys import Key, TableError, described, did_you_mean, number, printable, read_table, text, texts, whole, word
from verifier.errors import RequestError

UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LEAST_MEMORY = 256 * 2**20  # Python with NumPy needs 134 MB of address space with one BLAS thread, 175 MB with two
MOST_BYTES = 2**50
CANDIDATES_OWN = ("name", "module")
TABLES = ("allow", "limits", "score")


@dataclass(frozen=True)
class Assignment:
    """What whoever judges has fixed.

    Attributes:
        path: the file, as the user named it.
        claims: the claims that it states, as in a manifest; all others are the contract's defaults.
        allow: by key, what a candidate may say of its layout; where a key is missing, all that hides no kind of mistake.
        limits: the limits that it states, by name: memory and output_bytes in bytes, seconds, counts.
        forbid: top-level packages that a candidate may not import; None where it says nothing of them.
        entry: the function that is asked where a candidate names none; None for `backprop`.
        requires: "backpropagation" where a gradient that costs a forward pass a parameter fails, right or not; else "".
        weights: what the parts of a score weigh, as far as it says so.
        hints: how much a student is shown: "verdict", "equation" or "line".
        message: what every student is shown.
    """

    path: str
    contract: str = DEFAULT
    claims: Mapping[str, Any] = field(default_factory=dict)
    allow: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    limits: Mapping[str, int | float] = field(default_factory=dict)
    forbid: tuple[str, ...] | None = None
    entry: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    hints: str = "line"
    message: str = ""
    requires: str = ""

    @property
    def left_open(self) -> str:
        """What a submission may leave out at no cost, such as "layers"; "" where the assignment names all that is asked."""
        contract = contract_of(self.contract)
        return contract.left_open(contract.claims_from(self.claims))

    @property
    def references(self) -> tuple[Path, ...]:
        """Files beside it that hold right answers."""
        contract = contract_of(self.contract)
        return tuple(Path(self.path).parent / file for file in contract.references(contract.claims_from(self.claims)))

    @property
    def text(self) -> str:
        """All that it says: its file's text, and those of its references. Raises OSError."""
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in (Path(self.path), *self.references))

    @property
    def shown(self) -> str:
        """The file's name for a message."""
        return printable(self.path)


def read_assignment(path: str) -> Assignment:
    """The assignment in the file. Raises RequestError where it cannot be read or says what it may not: file, line, key, what is allowed."""
    document = read_toml(Path(path), path, "assignment")
    tables = document.tables()
    contract = _contract_of(document, tables)
    _refuse_unknown(document, tables, contract)
    limits, weights, allow = tables.pop("limits", {}), tables.pop("score", {}), tables.pop("allow", {})
    try:
        for name, table in (("limits", limits), ("score", weights), ("allow", allow)):
            if not isinstance(table, Mapping):
                raise TableError(name, f"must be a table: write [{name}].")
        if "requires" in tables and contract.id != DEFAULT:
            raise TableError("requires", f'is for the contract "{DEFAULT}".')
        own = read_table({key: value for key, value in tables.items() if key in ASSIGNMENT_KEYS}, ASSIGNMENT_KEYS)
        claims = {key: value for key, value in tables.items() if key not in ASSIGNMENT_KEYS}
        references = contract.references(contract.claims_from(claims))
        allowed = _read_allowed(allow, contract)
        absent = next((file for file in references if not (Path(path).parent / file).is_file()), None)
        if absent is not None:
            raise TableError("reference", f"names {printable(absent)}, which is no file beside the assignment.")
    except TableError as error:
        raise document.error_of(error) from None
    return Assignment(
        path,
        contract.id,
        claims,
        allowed,
        _read_limits(document, limits, contract),
        own.get("forbid"),
        own.get("entry"),
        _read_weights(document, weights),
        own.get("hints", "line"),
        own.get("message", ""),
        own.get("requires", ""),
    )


def read_limits(limits: Sequence[str] | Mapping[str, int | float | str]) -> dict[str, int | float]:
    """Limits as a mapping, or as options NAME=VALUE; names and values are those of an assignment's [limits]. Raises RequestError."""
    if isinstance(limits, Mapping):
        try:
            return read_table({str(name): value for name, value in limits.items()}, LIMIT_KEYS)
        except TableError as error:
            raise RequestError(f'the limit "{printable(error.key)}" {error.says}') from None
    return read_limit_options(limits)


def read_limit_options(options: Sequence[str]) -> dict[str, int | float]:
    """The limits of `--limit NAME=VALUE`, each as in an assignment's [limits]; bytes with a unit need no quotes. Raises RequestError."""
    limits: dict[str, int | float] = {}
    for option in options:
        name, _, value = option.partition("=")
        try:
            limits |= read_table({name.strip(): _plain_value(value.strip())}, LIMIT_KEYS)
        except TableError as error:
            raise RequestError(f'--limit {printable(option)}: the limit "{printable(error.key)}" {error.says}') from None
    return limits


def _plain_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _read_allowed(allow: Mapping[str, Any], contract: Contract) -> dict[str, tuple[Any, ...]]:
    """The table `allow`: for keys of the layout, lists of values that the contract knows."""
    allowed = {}
    for key, values in allow.items():
        if key not in contract.candidates_own:
            own = ", ".join(contract.candidates_own) or "none in this contract"
            raise TableError("allow", f'holds "{printable(key)}", which no candidate may say; it may hold {own}.')
        if not isinstance(values, list) or not values:
            raise TableError("allow", f"has {described(values)} for {printable(key)}; it takes a list of values.")
        try:
            allowed[key] = tuple(contract.keys[key].read(key, value) for value in values)
        except TableError as error:
            raise TableError("allow", f"has for {printable(key)} what {error.says}") from None
    return allowed


def _read_limits(document: TomlDocument, limits: Mapping[str, Any], contract: Contract) -> dict[str, int | float]:
    try:
        misplaced = [key for key in limits if key in contract.keys or key in ASSIGNMENT_KEYS]
        if misplaced:
            raise TableError(misplaced[0], "is no limit: write it at top level, above [limits].")
        return read_table(limits, LIMIT_KEYS)
    except TableError as error:
        raise document.error_of(error, below="limits") from None


def _read_weights(document: TomlDocument, weights: Mapping[str, Any]) -> dict[str, float]:
    try:
        read = {name: float(value) for name, value in read_table(weights, SCORE_KEYS).items()}
        if read and not any(value for name, value in {**dict.fromkeys(SCORE_KEYS, 1.0), **read}.items() if name != "points"):
            raise TableError(next(iter(read)), "is 0 like all the others: nothing would be worth a point.")
        return read
    except TableError as error:
        raise document.error_of(error, below="score") from None


def _contract_of(document: TomlDocument, tables: Mapping[str, Any]) -> Contract:
    try:
        usual = contract_by_keys([key for key in tables if key not in (*ASSIGNMENT_KEYS, *TABLES)])
        return contract_of(ASSIGNMENT_KEYS["contract"].read("contract", tables.get("contract", usual)))
    except TableError as error:
        raise document.error_of(error) from None


def _refuse_unknown(document: TomlDocument, tables: Mapping[str, Any], contract: Contract) -> None:
    known = [*ASSIGNMENT_KEYS, *TABLES, *contract.keys]
    for key in tables:
        if key in CANDIDATES_OWN:
            raise document.error_of(TableError(key, "belongs in the manifest of a candidate, not in the assignment."))
        if key in ("claims", "tool"):
            raise document.error_of(TableError(key, "is not known: claims are written at top level, without a table of their own."))
        if key in LIMIT_KEYS:
            raise document.error_of(TableError(key, "is a limit: write it below [limits]."))
        if key not in known:
            raise document.error_of(TableError(key, f"is not known.{did_you_mean(key, known) or ' Known are ' + ', '.join(known) + '.'}"))


def _memory(least: int) -> Key:
    """A key that takes a number of bytes, as an integer or with a unit."""
    allowed = f'bytes, or a string as "512 MiB", of at least {least:,} bytes'

    def read(key: str, value: Any) -> int:
        parts = re.fullmatch(r"([0-9]{1,15}) ?(KiB|MiB|GiB)", value) if isinstance(value, str) else None
        size = int(parts[1]) * UNITS[parts[2]] if parts else value
        if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= MOST_BYTES:
            raise TableError(key, f"is {described(value)}; it takes {allowed}.")
        return size

    return Key(read, allowed)


def _package(key: str, value: Any) -> tuple[str, ...]:
    packages: tuple[str, ...] = texts(r"[^\W\d]\w*", "names of top-level packages, as they are imported").read(key, value)
    if "numpy" in packages:
        raise TableError(key, 'holds "numpy", without which no candidate can be called.')
    own = next((package for package in packages if package in sys.stdlib_module_names), None)
    if own is not None:
        raise TableError(key, f'holds "{own}", which is a part of Python and cannot be kept from a candidate.')
    return packages


LIMIT_KEYS: Mapping[str, Key] = {
    "memory": _memory(LEAST_MEMORY),
    **{
        name: number("seconds above 0", lambda value: value > 0)
        for name in ("wall_seconds", "cpu_seconds", "load_seconds", "all_wall_seconds", "all_cpu_seconds")
    },
    "threads": whole(1, 10_000),
    "open_files": whole(16, 100_000),
    "output_bytes": _memory(0),
    "scratch_bytes": _memory(0),
}
SCORE_KEYS: Mapping[str, Key] = {
    "points": number("points above 0", lambda value: value > 0),
    **{name: number("a share of at least 0", lambda value: value >= 0) for name in ("weights", "biases", "loss", "others")},
}
ASSIGNMENT_KEYS: Mapping[str, Key] = {
    "contract": Key(lambda key, value: word(*contract_ids()).read(key, value), "the name of a contract"),
    "forbid": Key(_package, "a list of names of top-level packages"),
    "entry": text(r"[^\W\d]\w*(\.[^\W\d]\w*)*", 'the name of a function, or "object.function"'),
    "hints": word("verdict", "equation", "line"),
    "requires": word("backpropagation"),
    "message": text(r"(?s).{1,2000}", "up to 2,000 characters"),
}
