"""A function of NumPy arrays with the function that claims its gradient, as a `Differentiable`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.coarser import Seen, coarse
from verifier.oracles.functions.coarser import coarser_tensors
from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable, Outputs, UnusableGradientError
from verifier.oracles.functions.layouts import Layout, laid_out
from verifier.oracles.functions.nests import leaves, matched, rebuilt
from verifier.oracles.functions.wandering import FLOAT64_EPSILON

Function = Callable[..., Any]

COTANGENT = "the cotangent"
NAN_CAUSE = (
    "Such a gradient is often 0·∞: from the branch that np.where computes and does not use, or from a root at 0. "
    "Put a harmless number into the argument of that branch (np.sqrt(np.where(x > 0, x, 1))), not only into its result."
)
ELEMENTWISE = (
    "the function returns an array, so its gradient needs a cotangent: gradient(*arrays, cotangent) returns the gradient of "
    "Σ cotangent · output. For a derivative given element by element pass lambda x, cotangent: cotangent * derivative(x)."
)
NARROW = "the function computes in {0} although it is given {1}: pass {0} arrays, or let it compute in {1}{2}."


def plain_function(function: Function, gradient: Function, arguments: Sequence[Any], names: Sequence[str]) -> Differentiable:
    """The function at these arguments; differentiated are the real and complex arrays and numbers among them, in nests too.

    Where the function returns one number the gradient is called with the same arguments; where it returns arrays, with their cotangents
    (one array, or a tuple where it returns a tuple) after them.

    Raises:
        TypeError: there is nothing to differentiate, or the gradient takes no cotangent where it needs one.
    """
    call = _Call(function, gradient, arguments, names)
    if not call.types:
        raise TypeError("there is nothing to differentiate: pass at least one array of floating-point numbers.")
    inputs = {name: _as_real(np.asarray(leaf)) for name, leaf in call.leaves.items() if name in call.types}
    outputs = call.values(inputs, False)
    epsilon = max(float(np.finfo(dtype).eps) for dtype in call.types.values())
    seen = max((float(np.finfo(output.dtype).eps) for output in outputs), default=epsilon)
    return Differentiable(
        inputs=inputs,
        epsilon=max(epsilon, seen),
        values=call.values,
        coarsely=call.coarsely,
        claim=call.claim,
        rounded=call.rounded,
        takes_cotangent=call.takes_cotangent(inputs),
        complex_inputs=frozenset(name for name, dtype in call.types.items() if dtype.kind == "c"),
        cause=lambda inputs, cotangents: NAN_CAUSE,
        narrow_inside=_narrow(function, outputs, call.types) if seen > epsilon else "",
    )


class _Call:
    """How to call the two functions with other numbers."""

    def __init__(self, function: Function, gradient: Function, arguments: Sequence[Any], names: Sequence[str]) -> None:
        self._function, self._gradient, self._arguments, self._names = function, gradient, tuple(arguments), tuple(names)
        self._is_tuple = False
        self._complex_outputs: tuple[bool, ...] = ()
        self.leaves: dict[str, Any] = {}
        self.types: dict[str, np.dtype[Any]] = {}
        self._held: dict[str, tuple[str, ...]] = {}
        for name, argument in zip(names, arguments, strict=True):
            inside = dict(leaves(name, argument))
            self.leaves |= inside
            for one, leaf in inside.items():
                kind = np.asarray(leaf).dtype
                if kind == np.longdouble != np.float64 or kind == np.clongdouble != np.complex128:
                    raise TypeError(f"{one} is {kind}; only float64, float32, float16 and complex numbers can be differentiated.")
                if kind.kind in "fc":
                    self.types[one] = kind
            self._held[name] = tuple(one for one in inside if one in self.types)

    def values(self, inputs: Arrays, lifted: bool) -> Outputs:
        fresh = self._fresh(inputs, lifted)
        before = _bytes_of(fresh)
        answer = self._function(*self._called_with(fresh))
        self._is_tuple = isinstance(answer, tuple | list)
        outputs = tuple(np.array(output) for output in (answer if isinstance(answer, tuple | list) else [answer]))
        if not outputs or any(output.dtype.kind not in "fc" for output in outputs):
            raise TypeError(_what_it_returns(answer, outputs))
        changed = _changed(fresh, before)
        if changed:
            raise UnusableGradientError(f"the function changes {', '.join(changed)} where it should not. Copy before you write.")
        self._complex_outputs = tuple(output.dtype.kind == "c" for output in outputs)
        return tuple(output if output.dtype.kind == "f" else _pairs(output) for output in outputs)

    def coarsely(self, inputs: Arrays, lifted: bool) -> tuple[Outputs, Seen]:
        """The outputs with half of the digits in every result on the way."""
        wide = FLOAT64_EPSILON if lifted else max(float(np.finfo(kind).eps) for kind in self.types.values())
        seen, fresh = Seen(wide), self._fresh(inputs, lifted)
        fresh |= {name: coarse(np.asarray(fresh[name]), seen) for name in inputs}
        with coarser_tensors(seen):
            answer = self._function(*self._called_with(fresh))
        outputs = tuple(np.array(output) for output in (answer if isinstance(answer, tuple | list) else [answer]))
        return tuple(output if output.dtype.kind == "f" else _pairs(output) for output in outputs), seen

    def takes_cotangent(self, inputs: Arrays) -> bool:
        """Whether the gradient is called with cotangents: not where the function returns one real number."""
        outputs = self.values(inputs, False)
        accepted = accepts(self._gradient, len(self._arguments) + 1)
        if len(outputs) == 1 and outputs[0].size == 1 and (outputs[0].ndim == 0 or not accepted):
            return False
        if not accepted:
            raise TypeError(ELEMENTWISE)
        return True

    def claim(self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool, layout: Layout = "contiguous") -> Claim:
        fresh = self._fresh(inputs, lifted)
        before = _bytes_of(fresh)
        given, copies = self._cotangents(inputs, cotangents, lifted, layout)
        answer = self._gradient(*self._called_with(fresh), *given)
        changed = _changed(fresh, before)
        flat = given[0] if given and isinstance(given[0], tuple) else given
        if any(np.ascontiguousarray(one).tobytes() != copy.tobytes() for one, copy in zip(flat, copies, strict=True)):
            changed.append(COTANGENT)
        return Claim(*self._gradients(answer, inputs), tuple(changed))

    def rounded(self, inputs: Arrays) -> Arrays:
        return {name: array.astype(_real_type(self.types[name])).astype(np.float64) for name, array in inputs.items()}

    def _fresh(self, inputs: Arrays, lifted: bool) -> dict[str, Any]:
        """Leaves with these numbers: arrays of their own, so that nothing of the user's is written to."""
        fresh: dict[str, Any] = {}
        for name, leaf in self.leaves.items():
            if name not in inputs:
                fresh[name] = leaf.copy() if isinstance(leaf, np.ndarray) else leaf
                continue
            kind = self.types[name]
            array = inputs[name].astype(np.float64 if lifted else _real_type(kind), order="K")
            array = array[..., 0] + array[..., 1] * array.dtype.type(1) * 1j if kind.kind == "c" else array
            array = array.astype(np.result_type(array, kind) if lifted else kind, order="K", copy=False)
            fresh[name] = array if isinstance(leaf, np.ndarray) else array[()]
        return fresh

    def _called_with(self, fresh: Mapping[str, Any]) -> list[Any]:
        pairs = zip(self._names, self._arguments, strict=True)
        return [rebuilt(name, argument, lambda one, _: fresh[one]) for name, argument in pairs]

    def _cotangents(
        self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool, layout: Layout
    ) -> tuple[tuple[Any, ...], tuple[NDArray[Any], ...]]:
        """What is passed after the arguments, and copies of it."""
        if len(cotangents) == 1 and not self.takes_cotangent(inputs):
            return (), ()
        dtype = np.dtype(np.float64) if lifted else min((_real_type(kind) for kind in self.types.values()), key=lambda kind: kind.itemsize)
        arrays = []
        for cotangent, is_complex in zip(cotangents, self._complex_outputs, strict=True):
            array = cotangent.astype(dtype)
            arrays.append(laid_out(array[..., 0] + 1j * array[..., 1] if is_complex else array, layout))
        copies = tuple(np.array(array, order="C") for array in arrays)
        return ((tuple(arrays),) if self._is_tuple else tuple(arrays)), copies

    def _gradients(self, answer: Any, inputs: Arrays) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """By input, with zeros for None; and the names of those. A tuple has an entry for each real argument, or for each argument."""
        found: dict[str, FloatArray] = {}
        absent = []
        for name, one in self._by_leaf(answer):
            if name not in inputs:
                continue
            if one is None:
                absent.append(name)
                found[name] = np.zeros(inputs[name].shape)
                continue
            found[name] = _usable(name, np.asarray(one), self.types[name], inputs[name].shape)
        return found, tuple(absent)

    def _by_leaf(self, answer: Any) -> list[tuple[str, Any]]:
        arguments = dict(zip(self._names, self._arguments, strict=True))
        wanted = [name for name in self._names if self._held[name]]
        given = list(answer) if isinstance(answer, tuple | list) else [answer]
        nested = isinstance(arguments[wanted[0]], list | tuple)
        if len(wanted) == 1 and nested and not (len(given) == 1 and isinstance(given[0], list | tuple)):
            given = [answer]
        if len(given) == len(self._names) and len(given) != len(wanted):
            given = [one for name, one in zip(self._names, given, strict=True) if name in wanted]
        if len(given) != len(wanted):
            raise UnusableGradientError(
                f"the gradient function returns {len(given)} arrays; right is {len(wanted)}, one for each of {', '.join(wanted)}."
            )
        return [pair for name, one in zip(wanted, given, strict=True) for pair in matched(name, arguments[name], one)]


def _bytes_of(fresh: Mapping[str, Any]) -> dict[str, bytes]:
    """Bytes say whether something was written to; NaN is a number like any other then."""
    return {name: leaf.tobytes() for name, leaf in fresh.items() if isinstance(leaf, np.ndarray) and leaf.dtype != object}


def _changed(fresh: Mapping[str, Any], before: Mapping[str, bytes]) -> list[str]:
    return [name for name, held in before.items() if fresh[name].tobytes() != held]


def _usable(name: str, array: NDArray[Any], kind: np.dtype[Any], shape: tuple[int, ...]) -> FloatArray:
    """One gradient as real numbers of the input's shape."""
    if array.dtype.kind not in ("fiuc" if kind.kind == "c" else "fiu"):
        raise UnusableGradientError(f"the gradient of {name} is {array.dtype}, not real numbers.")
    right = shape[:-1] if kind.kind == "c" else shape
    if array.shape != right:
        raise UnusableGradientError(f"the gradient of {name} has shape {array.shape}; right is {right}, that of {name}.")
    return _pairs(array.astype(np.complex128)) if kind.kind == "c" else array.astype(np.float64)


def _what_it_returns(answer: Any, outputs: Sequence[NDArray[Any]]) -> str:
    kinds = ", ".join(str(output.dtype) for output in outputs) or "nothing"
    if isinstance(answer, Mapping):
        return "the function returns a mapping; it must return real numbers: one, an array, or a tuple of arrays."
    return f"the function returns {kinds}; it must return real numbers: one, an array, or a tuple of arrays."


def _narrow(function: Function, outputs: Outputs, types: Mapping[str, np.dtype[Any]]) -> str:
    narrow = max((output.dtype for output in outputs), key=lambda dtype: np.finfo(dtype).eps)
    wide = max((_real_type(kind) for kind in types.values()), key=lambda kind: kind.itemsize)
    jax = "jax" in type(function).__module__ or any("jax" in str(getattr(function, one, "")) for one in ("__module__", "__wrapped__"))
    return NARROW.format(narrow, wide, ' (jax.config.update("jax_enable_x64", True))' if jax or narrow == np.float32 else "")


def _real_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype({8: np.float32, 16: np.float64}[kind.itemsize]) if kind.kind == "c" else kind


def _as_real(array: NDArray[Any]) -> FloatArray:
    """Real and imaginary part along a last axis where it is complex."""
    return _pairs(array) if array.dtype.kind == "c" else array.astype(np.float64)


def _pairs(array: NDArray[Any]) -> FloatArray:
    return np.stack([array.real, array.imag], axis=-1).astype(np.float64)


def accepts(function: Function, count: int, options: Mapping[str, Any] | None = None) -> bool:
    """Whether the function can be called with so many positional arguments, and these options."""
    try:
        inspect.signature(function).bind(*range(count), **(options or {}))
    except TypeError:
        return False
    except ValueError:  # it has no signature
        return True
    return True


def argument_names(function: Function, count: int, *, skip: int = 0) -> tuple[str, ...]:
    """Names of the positional arguments as the function's author sees them, but for the first `skip`.

    What a `*w` takes is `w[0]`, `w[1]`; "input 0" where there is no name.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):
        parameters = []
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)][:count]
    rest = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), None)
    more = range(len(named), count)
    return (*named, *(f"input {index}" if rest in (None, "args", "arguments") else f"{rest}[{index - len(named)}]" for index in more))
