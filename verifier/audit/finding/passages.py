"""A hand-written backward pass that was found, and which ones are the project's own."""

import fnmatch
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Passage:
    """One backward pass.

    Attributes:
        name: "module:qualified name", one a pass.
        kind: how it is made known: "autograd.Function", "register_autograd", "custom_vjp", "custom_jvp", "defvjp" or "pattern".
        listen: puts the ear in place; in this process from then on every call is overheard.
        callee: module and attribute that a test calls the forward pass by; None where it has no such name.
        forward: of a pattern, module and attribute of the forward pass beside it.
        outputs: names of the gradients that it is known to have.
        base: whether it is only reached through its subclasses, if nobody calls it.
    """

    name: str
    kind: str
    file: str
    line: int
    listen: Callable[[], None] = field(compare=False, repr=False)
    callee: tuple[str, str] | None = None
    forward: tuple[str, str] | None = None
    outputs: tuple[str, ...] = ()
    base: bool = False


@dataclass(frozen=True)
class Scope:
    """Whose backward passes are meant.

    Attributes:
        root: the project's folder.
        package: only modules of this name, and below it; None: all that lie in the folder, but for its tests.
        tests: names of the modules that hold the tests.
    """

    root: Path
    package: str | None
    tests: frozenset[str] = frozenset()

    def owns(self, module: str | None) -> bool:
        """Whether what is defined in this module is the project's."""
        if module is None:
            return False
        if self.package is not None:
            return any(module == name or module.startswith(f"{name}.") for name in self.package.split(","))
        if module in self.tests or module.startswith("verifier.audit."):
            return False
        file = getattr(sys.modules.get(module), "__file__", None)
        return file is not None and self.holds(file)

    def holds(self, file: str) -> bool:
        """Whether a file lies in the project's folder and not in an environment inside it."""
        path = Path(file).resolve()
        return path.is_relative_to(self.root) and "site-packages" not in path.relative_to(self.root).parts

    def modules(self) -> Iterator[ModuleType]:
        """The project's modules that are loaded."""
        for name, module in sorted(sys.modules.items()):
            if isinstance(module, ModuleType) and self.owns(name):
                yield module


def place_of(function: Any) -> tuple[str, int]:
    """File and line of a definition; ("", 0) where they cannot be had."""
    try:
        target = inspect.unwrap(function) if callable(function) else function
        return inspect.getsourcefile(target) or "", inspect.getsourcelines(target)[1]
    except (OSError, TypeError, ValueError):
        return "", 0


def name_of(owner: Any) -> str:
    """ "module:qualified name"."""
    return f"{getattr(owner, '__module__', '') or ''}:{getattr(owner, '__qualname__', None) or getattr(owner, '__name__', '')}"


def parameter_names(function: Any, skip: int = 0) -> list[str]:
    """Names of the positional parameters after the first `skip`; those of `*args` are left open."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)][skip:]


def named_arguments(names: list[str], values: tuple[Any, ...] | list[Any]) -> dict[str, Any]:
    """The values by name, in order; what has no name of its own is numbered."""
    named = names[: len(values)] + [f"argument {position}" for position in range(len(names), len(values))]
    return dict(zip(named, values, strict=True))


def importable(value: Any, scope: Scope, preferred: str = "") -> tuple[str, str] | None:
    """Module and attribute that hold this very object."""
    modules = [sys.modules[preferred]] if preferred in sys.modules else []
    for module in (*modules, *scope.modules()):
        for name, held in list(vars(module).items()):
            if held is value and name.isidentifier():
                return module.__name__, name
    return None


def selected(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pass's name (or what follows its module) matches one of the patterns; with none, every name."""
    _, _, qualified = name.partition(":")
    return not patterns or any(fnmatch.fnmatchcase(name, one) or fnmatch.fnmatchcase(qualified, one) for one in patterns)


def like(original: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper under the original's name, module and signature."""
    return functools.update_wrapper(wrapper, original)
