"""Faults of a gradient that is clipped, or divided by its norm."""

from collections.abc import Callable

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.variation import Constant, Context, Fault, FinishPiece, Gradients
from verifier.problems.program import Program
from verifier.textbook import Applied, Back, Sweep

_W = "weight-gradient"
_NORM_EPSILONS = (1e-8, 1e-6, 1e-12, 1e-7, 1e-10, 1e-5, 1e-9, 1e-4, 1e-16)


def _clipped_by_value(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
    return {name: np.clip(gradient, -context.constant, context.constant) for name, gradient in gradients.items()}


def _clipped_delta(applied: Applied, found: Back, context: Context) -> Back:
    if not applied.node.output.startswith("activations[") or found[0] is None:
        return found
    return (np.clip(found[0], -context.constant, context.constant), *found[1:])


def _norms(gradients: Gradients) -> tuple[dict[str, FloatArray], FloatArray]:
    """Σ g² of each tensor (copies keep their axis), and of all."""
    axes = {name: 2 if name.startswith("weights") else 1 for name in gradients}
    squares = {name: (gradient**2).sum(axis=tuple(range(-axes[name], 0))) for name, gradient in gradients.items()}
    return squares, np.asarray(sum(squares.values()))


def _shrunk(gradient: FloatArray, factor: FloatArray, name: str) -> FloatArray:
    return gradient * factor[..., None, None] if name.startswith("weights") else gradient * factor[..., None]


def _by_norm(factor: Callable[[FloatArray, Context], FloatArray], each: bool = False) -> FinishPiece:
    """The gradient times a factor that depends on its norm; `each`: every tensor by its own."""

    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        squares, total = _norms(gradients)
        return {
            name: _shrunk(gradient, factor(np.sqrt(squares[name] if each else total), context), name)
            for name, gradient in gradients.items()
        }

    return finish


def _limited(epsilon: float = 0.0) -> Callable[[FloatArray, Context], FloatArray]:
    """c / (norm + ε) where that is below 1, else 1."""

    def factor(norm: FloatArray, context: Context) -> FloatArray:
        return np.where(norm + epsilon > context.constant, context.constant / (norm + epsilon), 1.0)

    return factor


def _to_one(norm: FloatArray, context: Context) -> FloatArray:
    return np.asarray(1 / (norm + context.constant))


CLIPPING_FAULTS: tuple[Fault, ...] = (
    Fault(
        "clipped-by-value",
        _W,
        "Every element of the gradient is clipped to [-{c}, {c}].",
        "Clip in the step, not in the gradient.",
        finish=_clipped_by_value,
        constant=Constant("bound", "largest"),
    ),
    Fault(
        "clipped-by-norm",
        _W,
        "The whole gradient is scaled down where its norm is larger than {c}.",
        "Clip in the step, not in the gradient.",
        finish=_by_norm(_limited()),
        constant=Constant("bound", "norm"),
        couples=True,
    ),
    Fault(
        "clipped-by-norm-each",
        _W,
        "Each tensor's gradient is scaled down where its norm is larger than {c}.",
        "Clip in the step, not in the gradient.",
        finish=_by_norm(_limited(), each=True),
        constant=Constant("bound", "norm_each"),
    ),
    Fault(
        "delta-clipped",
        "output-delta",
        "δ of every layer is clipped to [-{c}, {c}], and is carried down so.",
        "Clip in the step, not on the way.",
        back=_clipped_delta,
        constant=Constant("bound", "choices", (1.0, 5.0, 0.5, 0.1, 10.0, 2.0, 0.05, 0.01, 100.0, 3.0, 0.2, 0.25)),
        unfused=True,
    ),
    *(
        Fault(
            f"{name}-with-epsilon",
            _W,
            f"{words} is scaled by {{c}} / (norm + 1e-6) where its norm is larger, as PyTorch's clip_grad_norm_ has it.",
            "Clip in the step, not in the gradient.",
            finish=_by_norm(_limited(1e-6), each=each),
            constant=Constant("bound", "norm_each" if each else "norm"),
            couples=not each,
        )
        for name, words, each in (
            ("clipped-by-norm", "The whole gradient", False),
            ("clipped-by-norm-each", "Each tensor's gradient", True),
        )
    ),
    *(
        Fault(
            f"{name}{'-with-epsilon' if epsilon else ''}",
            _W,
            f"{words} is divided by its norm{' + {c}' if epsilon else ''}.",
            "Leave its length as it is.",
            finish=_by_norm(_to_one, each=each),
            constant=Constant("ε", "choices", _NORM_EPSILONS) if epsilon else None,
            couples=not each,
        )
        for name, words, each in (("normalised", "The whole gradient", False), ("normalised-each", "Each tensor's gradient", True))
        for epsilon in (False, True)
    ),
)
