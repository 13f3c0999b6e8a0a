"""What old code imports and does not need to compute, and the names that NumPy 2 took away: given back where the manifest asks for it."""

import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

GONE: dict[str, Any] = {
    **{"float": float, "int": int, "bool": bool, "object": object, "str": str, "complex": complex, "long": int, "unicode": str},
    **{"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "string_": np.bytes_, "bool8": np.bool_},
    **{"product": np.prod, "cumproduct": np.cumprod, "alltrue": np.all, "sometrue": np.any, "row_stack": np.vstack},
    **{"Inf": np.inf, "Infinity": np.inf, "infty": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan, "round_": np.round},
    **{"in1d": lambda one, many, **options: np.isin(np.asarray(one).ravel(), many, **options)},
    **{"asfarray": lambda values, dtype=np.float64: np.asarray(values, dtype=dtype), "asscalar": lambda array: array.item()},
    **{"msort": lambda array: np.sort(array, axis=0), "trapz": getattr(np, "trapezoid", None), "mat": np.asmatrix},
}
"""NumPy's names that are gone, by what they were."""
SHOWING = ("matplotlib", "seaborn", "plotly", "IPython", "ipywidgets")
"""What draws or shows, and computes nothing. The real ones need folders to write in, which a candidate does not have."""

REAL = float
GIVES = {"plot": 1, "hist": 3, "pie": 3}


class Absent(ModuleType):
    """A module, and anything in it, that is not there: it can be imported from, called, and used as a decorator, and computes nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "xrange":  # past.builtins has it, and loops over it
            return range
        return Absent(f"{self.__name__}.{name}")

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        """A function alone is given back, as decorators do (`@jit`); else another thing that is not there (`@jit(nopython=True)`).

        What a progress bar counts is given back too: it is looped over.
        """
        if self.__name__.startswith("tqdm") and arguments:
            return range(*arguments) if self.__name__.endswith("trange") else arguments[0]
        return arguments[0] if len(arguments) == 1 and callable(arguments[0]) and not isinstance(arguments[0], Absent) else self

    def __iter__(self) -> Iterator["Absent"]:
        """Two, as in `figure, axes = plt.subplots()`, or as many as the function of that name gives."""
        return iter((self,) * GIVES.get(self.__name__.rpartition(".")[2], 2))

    def __getitem__(self, _: Any) -> "Absent":
        return self

    def __enter__(self) -> "Absent":
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds these modules, and whatever is imported from below them, as absent ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        parts = fullname.split(".")
        if not any(".".join(parts[: length + 1]) in self._names for length in range(len(parts))):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []
        vars(module)["__version__"] = "0"  # libraries ask what is installed for it


def stand_in(names: Sequence[str]) -> None:
    """From now on these modules are absent ones."""
    if names:
        for loaded in [loaded for loaded in sys.modules if loaded in names]:
            del sys.modules[loaded]
        sys.meta_path.insert(0, _Finder(names))


def restore_numpy_names() -> None:
    """Give NumPy the names that it had before version 2, where it has none of that name."""
    for name, value in GONE.items():
        if value is not None and name not in vars(np):
            setattr(np, name, value)


class _AsFloat(type):
    """Whoever asks what the stand-in for `float` is, or what is one of it, hears of the real one."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, REAL)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, REAL)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is REAL

    def __hash__(cls) -> int:
        return hash(REAL)


class _Float(float, metaclass=_AsFloat):
    dtype = np.dtype(np.float64)  # what NumPy takes it for

    def __new__(cls, value: Any = 0.0, /) -> Any:
        return REAL(value.item() if isinstance(value, np.ndarray) and value.size == 1 else value)


def restore_float() -> None:
    """From now on `float(b)` takes an array of one element of any shape again, as it did before NumPy 2.4.

    `int` stays: a stand-in for it would have to be one for `is int` too.
    """
    vars(builtins)["float"] = _Float
