"""Backward passes that HIPS autograd was given by `defvjp`, `defvjp_argnum` or `defvjp_argnums`: they all end in one table."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

from verifier.audit.finding.passages import Passage, Scope, importable, like, named_arguments, parameter_names, place_of
from verifier.audit.kits import BOX
from verifier.audit.listening import Heard, overhear


def find(scope: Scope) -> Iterator[Passage]:
    """The project's own, where it has loaded autograd."""
    core: Any = sys.modules.get("autograd.core")
    if core is None:
        return
    for primitive, maker in list(core.primitive_vjps.items()):
        makers = list(_makers(maker))
        owner = next((one for one in makers if scope.owns(one.__module__)), None)
        if owner is not None:
            yield _of_primitive(primitive, maker, owner, core.primitive_vjps, scope)


def _makers(maker: Any) -> Iterator[Any]:
    """The functions in a project's own module that make the vjp: `defvjp` keeps them in closures of its own."""
    waiting, seen = [maker], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if callable(one) and hasattr(one, "__code__"):
            if getattr(one, "__module__", "autograd.core") != "autograd.core":
                yield one
            waiting += [cell.cell_contents for cell in one.__closure__ or () if _is_set(cell)]
        elif isinstance(one, dict):
            waiting += list(one.values())
        elif isinstance(one, tuple | list):
            waiting += list(one)


def _is_set(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _of_primitive(primitive: Any, maker: Any, owner: Any, table: dict[Any, Any], scope: Scope) -> Passage:
    name = f"{owner.__module__}:{getattr(primitive, '__name__', 'primitive')}"
    names = parameter_names(owner, 1) or parameter_names(primitive)
    file, line = place_of(owner)

    def overheard(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], Any]:
        vjp = maker(argnums, ans, args, kwargs)
        arguments = named_arguments(names, tuple(args)) | dict(kwargs)
        all_names = list(arguments)
        outputs = tuple(all_names[argnum] for argnum in argnums)

        def watched(cotangent: Any) -> tuple[Any, ...]:
            heard = Heard(name, BOX, arguments, (cotangent,), outputs)
            return tuple(overhear(heard, lambda given: list(vjp(given[0]))))

        return watched

    def listen() -> None:
        table[primitive] = like(maker, overheard)

    declared = tuple(names[argnum] for argnum in _argnums(maker) if argnum < len(names))
    return Passage(name, "defvjp", file, line, listen, callee=importable(primitive, scope, "autograd.numpy"), outputs=declared)


def _argnums(maker: Any) -> list[int]:
    """For which arguments `defvjp` was given a vjp that is not None; none where it was given them in another way."""
    for cell in getattr(maker, "__closure__", None) or ():
        held = cell.cell_contents if _is_set(cell) else None
        if isinstance(held, dict) and all(isinstance(key, int) for key in held):
            return sorted(number for number, one in held.items() if getattr(one, "__module__", "") != "autograd.core")
    return []
