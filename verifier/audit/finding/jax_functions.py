"""Backward passes of JAX: `custom_vjp` and `custom_jvp`.

They are traced, so there are no numbers when they run. A `custom_vjp` is overheard through a callback that hands cotangents and gradients
to the host and takes them back; derivatives pass it by, so that second derivatives exist. A `custom_jvp` must stay linear in its tangents
and is edited while it is traced: its mutants are those that need no numbers.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from verifier.audit.finding.passages import Passage, Scope, importable, name_of, named_arguments, parameter_names, place_of
from verifier.audit.kits import HOST, TRACED
from verifier.audit.listening import Heard, Listener, Process, overhear


def find(scope: Scope) -> Iterator[Passage]:
    """The project's own, where it has loaded JAX."""
    jax: Any = sys.modules.get("jax")
    if jax is None or not hasattr(jax, "custom_vjp"):
        return
    for one in [one for one in gc.get_objects() if issubclass(type(one), (jax.custom_vjp, jax.custom_jvp))]:
        function = getattr(one, "fun", None) or getattr(one, "__wrapped__", None)
        if not scope.owns(getattr(function, "__module__", None)):
            continue
        if isinstance(one, jax.custom_vjp):
            if one.bwd is not None and not getattr(one, "symbolic_zeros", False):
                yield _of_vjp(one, function, scope)
        elif one.jvp is not None:
            yield _of_jvp(one, function, scope)


def _of_vjp(one: Any, function: Any, scope: Scope) -> Passage:
    name, names = name_of(function), parameter_names(function)
    fwd, bwd = one.fwd, one.bwd
    static = {number % max(len(names), 1) for number in one.nondiff_argnums}
    file, line = place_of(bwd)

    def forward(*args: Any) -> Any:
        output, residuals = fwd(*args)
        return output, (residuals, tuple(arg for number, arg in enumerate(args) if number not in static))

    def backward(*args: Any) -> Any:
        *fixed, (residuals, differentiated), cotangent = args
        constants = iter(fixed)
        count = len(fixed) + len(differentiated)
        rest = iter(differentiated)
        values = [next(constants) if number in static else next(rest) for number in range(count)]
        ear = _Ear(name, named_arguments(names, values), [n for n in range(count) if n not in static])
        cotangent = ear.cotangent(cotangent)
        return ear.gradients(bwd(*fixed, residuals, cotangent), cotangent)

    def listen() -> None:
        one.fwd, one.bwd = forward, backward

    return Passage(name, "custom_vjp", file, line, listen, callee=importable(one, scope))


class _Ear:
    """Takes one traced call to the host and back."""

    def __init__(self, name: str, arguments: dict[str, Any], differentiated: Sequence[int]) -> None:
        self._name, self._jax = name, sys.modules["jax"]
        self._all = arguments
        keys = list(arguments)
        self._leaves = {f"{keys[n]}{path}": leaf for n in differentiated for path, leaf in self._flat(arguments[keys[n]])}
        self._names = [keys[n] for n in differentiated]
        self._options = {key: arguments[key] for key in keys if key not in self._names}

    def _flat(self, tree: Any) -> list[tuple[str, Any]]:
        util: Any = self._jax.tree_util
        pairs, _ = util.tree_flatten_with_path(tree, is_leaf=lambda leaf: leaf is None)
        return [(util.keystr(path), leaf) for path, leaf in pairs]

    def cotangent(self, tree: Any) -> Any:
        leaves, structure = self._jax.tree_util.tree_flatten(tree)
        places = [place for place, leaf in enumerate(leaves) if _is_real(leaf)]
        if not places or Process.listener is None:
            return tree
        heard = self._through(Process.listener, [leaves[place] for place in places], [])
        for place, leaf in zip(places, heard, strict=True):
            leaves[place] = leaf
        return structure.unflatten(leaves)

    def gradients(self, answer: Any, cotangent: Any) -> Any:
        util: Any = self._jax.tree_util
        leaves, structure = util.tree_flatten(answer, is_leaf=lambda leaf: leaf is None)
        places = [place for place, leaf in enumerate(leaves) if _is_real(leaf)]
        if len(leaves) != len(self._leaves) or not places or Process.listener is None:
            return answer
        outputs = tuple(list(self._leaves)[place] for place in places)
        cotangents = [leaf for leaf in util.tree_leaves(cotangent) if _is_real(leaf)]
        heard = self._through(Process.listener, cotangents, [leaves[place] for place in places], outputs)
        for place, leaf in zip(places, heard, strict=True):
            leaves[place] = leaf
        return structure.unflatten(leaves)

    def _through(self, listener: Listener, cotangents: list[Any], gradients: list[Any], outputs: tuple[str, ...] = ()) -> Sequence[Any]:
        """What the listener makes of the last given: of the gradients, or of the cotangents where there are none."""
        jax, answered = self._jax, gradients or cotangents
        names, inputs = list(self._leaves), [leaf for leaf in self._leaves.values() if hasattr(leaf, "shape")]
        shaped = [name for name in names if hasattr(self._leaves[name], "shape")]
        shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in answered]

        def host(*flat: Any) -> list[Any]:
            arrays = [np.asarray(one) for one in flat]
            known = dict(zip(shaped, arrays, strict=False)) | self._options
            rest = arrays[len(inputs) :]
            heard = Heard(self._name, HOST, known, rest[: len(cotangents)], outputs, pure=False)
            answers = listener.regrade(heard, rest[len(cotangents) :]) if gradients else listener.recast(heard)
            return [np.asarray(one, shape.dtype).reshape(shape.shape) for one, shape in zip(answers, shapes, strict=True)]

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def ear(flat: Any) -> Any:
            return jax.pure_callback(host, shapes, *flat, vmap_method="sequential")

        @ear.defjvp  # type: ignore[untyped-decorator]
        def _pass_by(primals: Any, tangents: Any) -> Any:
            return ear(*primals), list(tangents[0][-len(answered) :])

        answers: Sequence[Any] = ear([*inputs, *cotangents, *gradients])
        return answers


def _is_real(leaf: Any) -> bool:
    """Whether there are numbers to edit: a tangent that is known to be zero, of a `custom_jvp` that asks for such, has none."""
    jax: Any = sys.modules["jax"]
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and np.dtype(dtype).kind == "f" and not isinstance(leaf, jax.custom_derivatives.SymbolicZero)


def _of_jvp(one: Any, function: Any, scope: Scope) -> Passage:
    name, names, jvp = name_of(function), parameter_names(function), one.jvp
    static = {number % max(len(names), 1) for number in one.nondiff_argnums}
    file, line = place_of(jvp)

    def overheard(*args: Any) -> Any:
        util: Any = sys.modules["jax"].tree_util
        output, tangent = jvp(*args)
        *fixed, primals, _ = args
        constants, rest = iter(fixed), iter(primals)
        values = [next(constants) if number in static else next(rest) for number in range(len(fixed) + len(primals))]
        leaves, structure = util.tree_flatten(tangent)
        places = [place for place, leaf in enumerate(leaves) if _is_real(leaf)]
        outputs = tuple("tangent" if len(places) == 1 else f"tangent {number}" for number in range(len(places)))
        heard = Heard(name, TRACED, named_arguments(names, values), (), outputs)
        mutated = overhear(heard, lambda _: [leaves[place] for place in places])
        for place, leaf in zip(places, mutated, strict=True):
            leaves[place] = leaf
        return output, structure.unflatten(leaves)

    def listen() -> None:
        one.jvp = overheard

    return Passage(name, "custom_jvp", file, line, listen, callee=importable(one, scope))
