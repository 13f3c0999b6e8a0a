"""A function of NumPy arrays with the function that claims its gradient, as a `Differentiable`."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable, Outputs, UnusableGradientError
from verifier.results.evaluation import FloatArray

Function = Callable[..., Any]

COTANGENT = "the cotangent"


def plain_function(function: Function, gradient: Function, arguments: Sequence[Any], names: Sequence[str]) -> Differentiable:
    """The function at these arguments; differentiated are the real arrays and numbers among them.

    Where the function returns one number the gradient is called with the same arguments; where it returns arrays, with their cotangents
    (one array, or a tuple where it returns a tuple) after them.

    Raises:
        TypeError: an argument holds arrays where the harness does not look, or none is real.
    """
    call = _Call(function, gradient, arguments, names)
    if not call.types:
        raise TypeError("there is nothing to differentiate: pass at least one array of floating-point numbers.")
    inputs = {name: np.asarray(one, dtype=np.float64) for name, one in zip(names, arguments, strict=True) if name in call.types}
    return Differentiable(
        inputs=inputs,
        epsilon=max(float(np.finfo(dtype).eps) for dtype in call.types.values()),
        values=call.values,
        claim=call.claim,
        rounded=call.rounded,
        takes_cotangent=call.takes_cotangent(inputs),
    )


class _Call:
    """How to call the two functions with other numbers."""

    def __init__(self, function: Function, gradient: Function, arguments: Sequence[Any], names: Sequence[str]) -> None:
        self._function, self._gradient, self._arguments, self._names = function, gradient, tuple(arguments), tuple(names)
        self._is_tuple = False
        self.types: dict[str, np.dtype[Any]] = {}
        for name, argument in zip(names, arguments, strict=True):
            if isinstance(argument, list | tuple | dict):
                raise TypeError(
                    f"{name} is a {type(argument).__name__}: pass its arrays one by one, as in "
                    "assert_gradients(lambda *arrays: loss(list(arrays)), lambda *arrays: gradients(list(arrays)), *arrays)."
                )
            kind = np.asarray(argument).dtype
            if kind.kind == "c" or kind == np.longdouble != np.float64:
                raise TypeError(f"{name} is {kind}; only float64, float32 and float16 can be differentiated.")
            if kind.kind == "f":
                self.types[name] = kind

    def values(self, inputs: Arrays, lifted: bool) -> Outputs:
        arguments = self._fresh(inputs, lifted)
        answer = self._function(*arguments)
        self._is_tuple = isinstance(answer, tuple | list)
        outputs = tuple(np.array(output) for output in (answer if isinstance(answer, tuple | list) else [answer]))
        if not outputs or any(output.dtype.kind != "f" for output in outputs):
            kinds = ", ".join(str(output.dtype) for output in outputs) or "nothing"
            raise TypeError(f"the function returns {kinds}; it must return real numbers: one, an array, or a tuple of arrays.")
        self._refuse_changed("function", arguments, inputs)
        return outputs

    def takes_cotangent(self, inputs: Arrays) -> bool:
        """Whether the gradient is called with cotangents: not where the function returns one number."""
        outputs = self.values(inputs, False)
        if len(outputs) > 1 or outputs[0].size != 1:
            return True
        return outputs[0].ndim > 0 and _accepts(self._gradient, len(self._arguments) + 1)

    def claim(self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool) -> Claim:
        arguments = self._fresh(inputs, lifted)
        given, copies = self._cotangents(inputs, cotangents, lifted)
        answer = self._gradient(*arguments, *given)
        changed = self._changed(arguments, inputs)
        flat = given[0] if given and isinstance(given[0], tuple) else given
        if any(one.tobytes() != copy.tobytes() for one, copy in zip(flat, copies, strict=True)):
            changed.append(COTANGENT)
        return Claim(*self._gradients(answer, inputs), tuple(changed))

    def rounded(self, inputs: Arrays) -> Arrays:
        return {name: array.astype(self.types[name]).astype(np.float64) for name, array in inputs.items()}

    def _fresh(self, inputs: Arrays, lifted: bool) -> list[Any]:
        """Arguments with these numbers: arrays of their own, so that nothing of the user's is written to."""
        fresh: list[Any] = []
        for name, argument in zip(self._names, self._arguments, strict=True):
            if name not in inputs:
                fresh.append(argument.copy() if isinstance(argument, np.ndarray) else argument)
                continue
            array = inputs[name].astype(np.float64 if lifted else self.types[name], order="K")
            fresh.append(array if isinstance(argument, np.ndarray) else array[()])
        return fresh

    def _changed(self, arguments: Sequence[Any], inputs: Arrays) -> list[str]:
        return [
            name
            for name, argument in zip(self._names, arguments, strict=True)
            if name in inputs and not np.array_equal(argument, inputs[name].astype(argument.dtype), equal_nan=True)
        ]

    def _refuse_changed(self, what: str, arguments: Sequence[Any], inputs: Arrays) -> None:
        changed = self._changed(arguments, inputs)
        if changed:
            raise UnusableGradientError(f"the {what} changes {', '.join(changed)}, which it was given. Copy before you write.")

    def _cotangents(
        self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool
    ) -> tuple[tuple[Any, ...], tuple[NDArray[np.floating], ...]]:
        """What is passed after the arguments, and copies of it."""
        if len(cotangents) == 1 and not self.takes_cotangent(inputs):
            return (), ()
        dtype = np.float64 if lifted else min(self.types.values(), key=lambda kind: kind.itemsize)
        arrays = tuple(cotangent.astype(dtype) for cotangent in cotangents)
        return ((arrays,) if self._is_tuple else arrays), tuple(array.copy() for array in arrays)

    def _gradients(self, answer: Any, inputs: Arrays) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """By input, with zeros for None; and the names of those. A tuple has an entry for each real argument, or for each argument."""
        wanted = [name for name in self._names if name in inputs]
        given = list(answer) if isinstance(answer, tuple | list) else [answer]
        if len(given) == len(self._names) and len(given) != len(wanted):
            given = [one for name, one in zip(self._names, given, strict=True) if name in inputs]
        if len(given) != len(wanted):
            raise UnusableGradientError(
                f"the gradient function returns {len(given)} arrays; right is {len(wanted)}, one for each of {', '.join(wanted)}."
            )
        found: dict[str, FloatArray] = {}
        absent = []
        for name, one in zip(wanted, given, strict=True):
            if one is None:
                absent.append(name)
                found[name] = np.zeros(inputs[name].shape)
                continue
            array = np.asarray(one)
            if array.dtype.kind not in "fiu":
                raise UnusableGradientError(f"the gradient of {name} is {array.dtype}, not real numbers.")
            if array.shape != inputs[name].shape:
                raise UnusableGradientError(
                    f"the gradient of {name} has shape {array.shape}; right is {inputs[name].shape}, that of {name}."
                )
            found[name] = array.astype(np.float64)
        return found, tuple(absent)


def _accepts(function: Function, count: int) -> bool:
    """Whether the function can be called with so many positional arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # no signature to be had
        return True
    return True


def argument_names(function: Function, count: int, *, skip: int = 0) -> tuple[str, ...]:
    """Names of the positional arguments as the function's author sees them, but for the first `skip`; "input 0" where there are none."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):
        parameters = []
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return (*named[:count], *(f"input {index}" for index in range(len(named[:count]), count)))
