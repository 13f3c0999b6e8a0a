"""What an engine claims: the variables of its file, as the worker read them, checked and named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.contracts.engine.graph import VARIANT
from verifier.contracts.engine.operations.operation import Operation
from verifier.contracts.engine.operations.table import OPERATIONS, named
from verifier.contracts.keys import did_you_mean
from verifier.errors import AnswerError

OPTION_NAMES: Mapping[str, tuple[str, ...]] = {
    "axis": ("axis", "dim", "axes"),
    "axes": ("axes", "axis", "dims", "order"),
    "keepdims": ("keepdims", "keepdim", "keep_dims"),
    "index": ("index", "key", "idx", "item"),
    "shape": ("shape", "newshape", "size"),
    "min": ("min", "a_min", "low"),
    "max": ("max", "a_max", "high"),
    "correction": ("correction", "ddof"),
}
REAL, COMPLEX = ("float64", "float32"), "complex128"
DEFAULTS: Mapping[str, Any] = {
    "axis": None,
    "keepdims": False,
    "axes": None,
    "correction": 1,
    "min": None,
    "max": None,
    "negative_slope": 0.01,
    "alpha": 1.0,
    "eps": 1e-5,
    "stride": 1,
    "padding": 0,
}


@dataclass(frozen=True)
class Entry:
    """One operation of the engine's table.

    Attributes:
        operation: which one of ours it is.
        name: its key in the engine's table.
        options: our option -> the entry's own keyword.
        needed: those of our options that the entry always has to be given.
    """

    operation: Operation
    name: str
    options: Mapping[str, str]
    needed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Engine:
    """An engine's variables, as far as the harness goes by them (docs/engines.md).

    Attributes:
        entries: by our names of the operations.
        mode: `backward`, `functions` (it differentiates functions) or `directions` (forward mode).
        takes_cotangent: whether its backward pass takes one for an output of any shape.
        ranks: the numbers of dimensions that a leaf may have, as far as is known.
        variants: operation -> the definition that its values follow, where that is not the first of its name.
        in_place: operations that it also does in place, by our names, as entries of their own table.
        unknown: keys of its table that no operation has, each with what was perhaps meant.
    """

    entries: Mapping[str, Entry]
    mode: str = "backward"
    takes_cotangent: bool = False
    accumulates: bool = True
    retain_graph: bool = False
    scalar: bool = False
    has_constant: bool = False
    has_zero_grad: bool = False
    has_no_grad: bool = False
    has_second: bool = False
    has_fresh: bool = False
    in_place: Mapping[str, Entry] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float64",)
    largest: int = 6
    chain: int = 200
    unknown: tuple[str, ...] = ()
    ranks: frozenset[int] = frozenset(range(6))
    variants: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_complex(self) -> bool:
        """Whether it also differentiates complex numbers, from a cotangent."""
        return COMPLEX in self.dtypes and self.takes_cotangent and self.mode != "directions"

    def variant_of(self, operation: str) -> dict[str, str]:
        """The option that says which definition of an operation is meant; none for the first one."""
        return {VARIANT: self.variants[operation]} if operation in self.variants else {}

    def as_claims(self) -> dict[str, Any]:
        """For the report: what was found in the file."""
        return {
            "operations": sorted(self.entries),
            "mode": self.mode,
            "accumulates": self.accumulates,
            "retain_graph": self.retain_graph,
            "scalar": self.scalar,
            "dtypes": list(self.dtypes),
        }


def engine_of(described: Mapping[str, Any]) -> Engine:
    """The engine that the worker described.

    Raises:
        AnswerError: a variable that every engine needs is missing, or one has a value that it may not have; says which.
    """
    functions, flags, table = (_table(described, key) for key in ("functions", "flags", "operations"))
    mode = "functions" if "differentiate" in functions else "directions" if "derivative" in functions else "backward"
    needed = {"functions": ("differentiate",), "directions": ("leaf", "derivative"), "backward": ("leaf", "backward", "gradient")}[mode]
    missing = [name for name in needed if name not in functions]
    if missing:
        raise AnswerError(
            f"the file defines no {' and no '.join(missing)}; an engine has `leaf`, `value`, `backward`, `gradient`, `operations`."
        )
    if not table:
        raise AnswerError("the file has no table `operations` with at least one function.")
    if mode == "backward" and "value" not in functions:
        raise AnswerError("the file defines no value: write value = lambda tensor: … for the array of a tensor.")
    entries, unknown = _entries(table)
    in_place, unknown_too = _entries(_table(described, "in_place"))
    call = functions.get("backward") or functions.get("differentiate") or {}
    return Engine(
        entries=entries,
        mode=mode,
        takes_cotangent=len(_names(call)) - (mode == "functions") >= 2,
        accumulates=_flag(flags, "accumulates", mode == "backward"),
        retain_graph=_flag(flags, "retain_graph", False),
        scalar=_flag(flags, "scalar", False),
        has_constant="constant" in functions,
        has_zero_grad="zero_grad" in functions and mode == "backward",
        has_no_grad="no_grad" in functions and mode != "directions",
        has_fresh="fresh" in functions and mode == "backward",
        has_second="second" in functions and mode != "directions",
        in_place={} if mode == "directions" else in_place,
        dtypes=_dtypes(flags),
        largest=_number(flags, "largest", 6, 2, 64),
        chain=_number(flags, "chain", 200, 1, 5000),
        unknown=tuple(dict.fromkeys(unknown + unknown_too)),
        ranks=frozenset({0}) if _flag(flags, "scalar", False) else frozenset(range(6)),
    )


def _entries(table: Mapping[str, Any]) -> tuple[dict[str, Entry], list[str]]:
    """The entries of a table by our names, and its keys that no operation has."""
    entries: dict[str, Entry] = {}
    unknown = []
    for name, parameters in table.items():
        operation = named(name)
        if operation is None:
            unknown.append(f"{name}{did_you_mean(name, list(OPERATIONS))}")
        else:
            entries[operation.name] = _entry(operation, name, parameters)
    return entries, unknown


def _entry(operation: Operation, name: str, parameters: Any) -> Entry:
    parameters = parameters if isinstance(parameters, Mapping) else {}
    names, defaults = _names(parameters), _table(parameters, "defaults")
    free = parameters.get("any") is True
    options: dict[str, str] = {}
    for option in operation.options:
        own = next((one for one in OPTION_NAMES.get(option, (option,)) if one in names), None)
        if own is not None or free:
            options[option] = own or option
    # Where the entry's own default is another than ours, ours is said.
    needed = frozenset(
        option
        for option, own in options.items()
        if own in names and (own not in defaults or (option in DEFAULTS and defaults[own] != DEFAULTS[option]))
    )
    return Entry(operation, name, options, needed)


def _table(described: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = described.get(key)
    return table if isinstance(table, Mapping) else {}


def _names(parameters: Any) -> list[str]:
    names = parameters.get("names") if isinstance(parameters, Mapping) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _flag(flags: Mapping[str, Any], name: str, default: bool) -> bool:
    value = flags.get(name, default)
    if not isinstance(value, bool):
        raise AnswerError(f"{name} is {value!r}; it must be True or False.")
    return value


def _number(flags: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = flags.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise AnswerError(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return value


def _dtypes(flags: Mapping[str, Any]) -> tuple[str, ...]:
    value = flags.get("dtypes", ["float64"])
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not any(one in REAL for one in value) or any(one not in (*REAL, COMPLEX) for one in value):
        raise AnswerError(f'dtypes is {value!r}; it must be a list of "float64" or "float32", and "{COMPLEX}" beside it.')
    return tuple(sorted(value, key=lambda one: one == COMPLEX))
