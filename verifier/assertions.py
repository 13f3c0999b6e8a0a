"""`assert_gradients` for people's own tests: is this gradient that of this function? Trusted code, called in the test's own process.

def test_gradient():
    verifier.assert_gradients(loss, gradient_of_loss, weights, x)

def test_custom_function():
    verifier.assert_gradients(MyFunction.apply, x, weight)
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verifier.arrays import element_of
from verifier.counting import wrong_elements
from verifier.errors import Inconclusive
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.functions.differentiable import Differentiable, UnusableGradientError
from verifier.oracles.functions.examine import Examined, examine
from verifier.oracles.functions.plain import argument_names, plain_function
from verifier.tolerance import SOURCE, Comparison

NOTHING = "assert_gradients takes a function, its gradient and arrays, or a function of tensors and tensors."
DIFFERENCE = f"{KAPPA:g} x the error bound of the finite difference"


@dataclass(frozen=True)
class Verified:
    """What a pass excludes.

    Attributes:
        resolves: by input, the smallest error that would have been seen, relative to the largest element of its gradient (relative to
            what the outputs are, where the gradient is zero).
        evaluations: how often the function was called to be differenced; with a reference, at how many drawn points.
        seed: with which the same is drawn again. `draws`: how many points were asked, `axes`: how they departed from a typical test's.
        not_drawn: what was left as it is because nothing was said about it.
        precision: the type that was judged.
        notes: worth knowing, and no wrong gradient.
    """

    resolves: Mapping[str, float]
    evaluations: int
    seed: int | None = None
    draws: int = 0
    axes: tuple[str, ...] = ()
    not_drawn: tuple[str, ...] = ()
    precision: str = ""
    notes: tuple[str, ...] = ()


def assert_gradients(
    function: Callable[..., Any],
    *arguments: Any,
    reference: Callable[..., Any] | None = None,
    shapes: Sequence[str] | Mapping[str, str] | None = None,
    sizes: Mapping[str, Any] | None = None,
    options: Mapping[str, Sequence[Any]] | None = None,
    integers: Mapping[str, str] | None = None,
    masks: Sequence[str] = (),
    require: Sequence[str] = (),
    draw: Mapping[str, Callable[..., Any]] | None = None,
    instead_of: Callable[..., Any] | None = None,
    zero_at: Mapping[str, Any] | None = None,
    precision: str | None = None,
    seed: int | None = None,
    draws: int = 100,
    time_limit: float | None = None,
) -> Verified:
    """Raise AssertionError where a claimed gradient is not that of its function.

    Called in two ways:

    ``assert_gradients(function, gradient, *arrays)``, NumPy: `function(*arrays)` returns a number, and `gradient(*arrays)` an array for
    each real one of the arrays (or the array alone). Where it returns an array or a tuple of them, `gradient(*arrays, cotangent)` is
    given cotangents of the same form and returns the gradients of Σ cotangent · output.

    ``assert_gradients(function, *tensors)``, PyTorch: `function` is a function of tensors, `apply` of a `torch.autograd.Function`, or a
    module, whose parameters are then differentiated too. Of the tensors those that require a gradient are, or all real ones.

    The gradient is held against finite differences of the function itself, projected on signed random cotangents, with a tolerance that
    follows from the function's measured noise and curvature; narrower types are differenced in float64 where the code takes that. The
    number of calls does not grow with the number of elements. Inputs and cotangents must stay unchanged, and a second call must agree.
    The same call gives the same answer.

    Args:
        reference: the same function in plain PyTorch; autograd in float64 gives the right outputs and gradients, and points are drawn.
            What follows says what may be drawn; without it sizes and domains are read off the examples.
        shapes: of each array in named sizes, in order or by name: ("N C *", "C", "N"); `*` is any number of dimensions.
        sizes: by name, one number (fixed), two (an inclusive range), three or more (a list).
        options: keyword arguments with their values, the usual one first: {"reduction": ["mean", "none"]}.
        integers: what whole numbers may be, by name: {"target": "index C, may be -100"}.
        masks: names of arrays that hold masks; they are not differentiated.
        require: conditions on sizes and options: ("L <= T",).
        draw: by name, f(shape, sizes, generator) for what has rules of its own; the generator is a torch.Generator.
        instead_of: a function in PyTorch whose gradient this one is meant to have (straight-through); outputs are then not compared.
        zero_at: by name a mask of where the gradient is meant to be 0 (a padding row).
        precision: for types narrower than float32, where numbers are rounded: "eager", "operands", "kernel", "accumulate".
        seed, draws, time_limit: of the drawing; the seed is new each time where none is given, and said in every failure.
    Returns:
        How small an error was excluded.
    Raises:
        AssertionError: a gradient is wrong; the text says which input, which element, how far, and against which tolerance.
        Inconclusive: nothing is wrong as far as can be seen, but some input could not be decided (a kink, noise, a narrow type). In a
            test under Hypothesis the example is rejected instead, as by `hypothesis.assume`.
        TypeError: the call makes no sense.
    """
    __tracebackhide__ = True
    truth = reference if instead_of is None else instead_of
    if truth is not None:
        # Here and not at the top: who tests NumPy functions does not pay for the import of PyTorch.
        from verifier.oracles.references.asking import Said

        said = Said(shapes, sizes, options, integers, tuple(masks), tuple(require), draw, zero_at, seed, draws, time_limit, precision)
        return _against(function, arguments, truth, said, outputs_too=instead_of is None)
    if any(given is not None for given in (shapes, sizes, options, integers, draw)) or masks or require:
        raise TypeError("what is drawn is held against reference=, the same function in plain PyTorch: pass one.")
    claimed = _asked(function, arguments, zero_at)
    try:
        found = examine(claimed)
    except UnusableGradientError as error:
        raise AssertionError(str(error)) from None
    problem = _wrong(found, claimed)
    if problem is not None:
        raise AssertionError(problem)
    if found.undecided:
        _give_up(_open(found))
    return Verified(found.resolves, found.evaluations, notes=found.notes)


def _against(
    function: Callable[..., Any], arguments: tuple[Any, ...], reference: Callable[..., Any], said: Any, *, outputs_too: bool
) -> Verified:
    """Held against a reference on drawn points."""
    __tracebackhide__ = True
    from verifier.oracles.references.asking import ask, prepare
    from verifier.problems.sizes import GrammarError

    if not arguments:
        raise TypeError(NOTHING)
    try:
        prepared = prepare(function, arguments, reference, said, outputs_too=outputs_too)
    except GrammarError as error:
        raise TypeError(str(error)) from None
    found = ask(prepared, said)
    if found.message:
        raise AssertionError(found.message)
    if found.undecided:
        _give_up(found.undecided)
    return Verified(found.resolves, found.evaluations, found.seed, found.asked, found.axes, found.not_drawn, found.precision, found.notes)


def _asked(function: Callable[..., Any], arguments: tuple[Any, ...], zero_at: Mapping[str, Any] | None) -> Differentiable:
    """The claim, whichever way it is called."""
    __tracebackhide__ = True
    if not arguments:
        raise TypeError(NOTHING)
    plain = callable(arguments[0]) and not _is_tensor(arguments[0])
    values = arguments[1:] if plain else arguments
    try:
        if plain:
            names = argument_names(function, len(values))
            claimed = plain_function(function, arguments[0], values, names)
        else:
            from verifier.oracles.torch_functions import signature_of, torch_function

            readable, skip = signature_of(function)
            names = argument_names(readable, len(values), skip=skip)
            claimed = torch_function(function, values, names)
        masks = {name: np.asarray(mask, dtype=bool) for name, mask in (zero_at or {}).items()}
        return replace(claimed, zero_at=masks) if masks else claimed
    except UnusableGradientError as error:
        raise AssertionError(str(error)) from None


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _wrong(found: Examined, function: Differentiable) -> str | None:
    """What is wrong, or None."""
    if found.claim.changed:
        return f"the gradient changes what it is given: {', '.join(found.claim.changed)} is not as it went in. Copy before you write."
    if found.wrong is not None:
        return _differs(found, function)
    for name, comparison in found.rounding.items():
        if not comparison.within:
            return _departs(f"the gradient of {name}", comparison, "the same code in float64")
    if found.second is not None:
        return f"the gradient of {found.second[0]} is not reliable: {found.second[1]}"
    return None


def _differs(found: Examined, function: Differentiable) -> str:
    """Finite differences contradict the claim."""
    assert found.wrong is not None
    name, claimed, right = found.wrong.tensor, found.wrong.claimed, found.wrong.estimated
    sentences = [
        f"the gradient of {name} is not that of the function: {_place(name, found.wrong.index, function)} = "
        f"{_apart(claimed, right)[0]}, should be {_apart(claimed, right)[1]}{_ratio(claimed, right)}.",
    ]
    if found.relation:
        sentences.append(found.relation)
    if found.wrong_elements is not None and (count := wrong_elements(*found.wrong_elements)):
        sentences.append(f"{count}.")
    if np.isfinite(claimed):
        sentences.append(f"Error {abs(claimed - right):.2g}, tolerance {found.wrong.tolerance:.2g} = {DIFFERENCE}.")
    elif found.cause:
        sentences.append(found.cause)
    if found.also_wrong:
        sentences.append(f"Wrong too: {', '.join(found.also_wrong)}.")
    absent = [one for one in found.claim.absent if one in (name, *found.also_wrong)]
    if absent:
        sentences.append(f"No gradient was given for {', '.join(absent)} (None), which counts as zero.")
    if found.lifted:
        sentences.append("Both were computed in float64 by the same code.")
    if function.takes_cotangent:
        sentences.append("It is the gradient of Σ cotangent · output, cotangents random of size ½ to 1 and of both signs.")
    return " ".join(sentences)


def _departs(what: str, comparison: Comparison, reference: str) -> str:
    claimed, right = comparison.claimed, comparison.reference
    where = f"{what}: element {list(comparison.index)}" if comparison.index else what
    return (
        f"{where} = {_apart(claimed, right)[0]} departs from {reference}, which has {_apart(claimed, right)[1]}{_ratio(claimed, right)}. "
        f"Error {comparison.error:.2g}, tolerance {comparison.tolerance:.2g} = {SOURCE}, seen at inputs moved a little."
    )


def _place(name: str, index: tuple[int, ...], function: Differentiable) -> str:
    part = ""
    if name in function.complex_inputs:
        index, part = index[:-1], (".real", ".imag")[index[-1]]
    return f"{element_of(name, index)}{part}"


def _apart(one: float, other: float) -> tuple[str, str]:
    """Both numbers with as many digits as tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _ratio(claimed: float, right: float) -> str:
    """Claimed ÷ right, where that says something."""
    ratio = f"{claimed / right:.4g}" if right != 0 and claimed != 0 and np.isfinite(claimed) else "1"
    return f" (claimed / right = {ratio})" if ratio != "1" else ""


def _open(found: Examined) -> str:
    """Why nothing can be said."""
    reasons = list(found.reasons)
    for name in found.undecided:
        power = found.resolves.get(name, float("inf"))
        if not power <= DECISIVE and not reasons:
            seen = f"no error below {power:.1g} of its largest element" if np.isfinite(power) else "no error at all"
            reasons.append(f"of {name} {seen} can be seen beside the outputs' last digits and what the function does around the point")
    return f"undecided about {', '.join(found.undecided)}: {'; '.join(reasons)}"


def _give_up(message: str) -> None:
    """In a test under Hypothesis the example is rejected: zeros, which it likes best, are kinks of many functions."""
    __tracebackhide__ = True
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.currently_in_test_context():
        hypothesis.event("assert_gradients could not decide")
        hypothesis.reject()
    raise Inconclusive(f"assert_gradients: {message}")
