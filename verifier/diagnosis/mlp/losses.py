"""A wrong loss beside right gradients: a factor between the loss that came back and the claimed one, recognised by its law."""

from collections.abc import Callable, Sequence

from verifier.contracts.mlp.network import architecture_of
from verifier.oracles.reference import Answered
from verifier.results.report import Diagnosis

_LAWS: tuple[tuple[str, str, Callable[[int, int], float]], ...] = (
    ("loss-not-averaged", "(batch size) times", lambda batch, outputs: batch),
    ("loss-averaged", "1/(batch size) times", lambda batch, outputs: 1 / batch),
    ("loss-twice", "twice", lambda batch, outputs: 2.0),
    ("loss-half", "half", lambda batch, outputs: 0.5),
    ("loss-not-averaged-over-outputs", "(number of outputs) times", lambda batch, outputs: outputs),
    ("loss-averaged-over-outputs", "1/(number of outputs) times", lambda batch, outputs: 1 / outputs),
    ("loss-of-another-reduction", "(batch size × number of outputs) times", lambda batch, outputs: batch * outputs),
    ("loss-of-another-reduction", "1/(batch size × number of outputs) times", lambda batch, outputs: 1 / (batch * outputs)),
    ("loss-sign", "minus one times", lambda batch, outputs: -1.0),
)


def explain_the_loss(answered: Sequence[Answered]) -> Diagnosis:
    """The law that the loss obeys on every network; where the loss is right, it is `predict` that is wrong."""
    for fault, words, factor in _LAWS:
        if _obeyed(answered, factor):
            text = f"The loss that comes back is {words} the claimed one, and the gradients are those of the claimed one. "
            return Diagnosis(fault, "loss", text + "Fix the loss, or claim the reduction that it has.")
    if _is_the_root(answered):
        text = "The loss that comes back is the square root of the claimed one, and the gradients are those of the claimed one."
        return Diagnosis("loss-root", "loss", f"{text} Return the loss without the root, or differentiate the root too.")
    if _obeyed(answered, lambda batch, outputs: 1.0, shown_on=0):
        text = "Loss and gradients are right; `predict` returns other outputs than those of the network. Let it return the last activation."
        return Diagnosis("wrong-predict", "forward", text)
    return Diagnosis("wrong-loss", "loss", "The gradients are those of the claimed loss; the loss that comes back is another one.")


def _is_the_root(answered: Sequence[Answered]) -> bool:
    pairs = [(one.claimed.loss, one.reference.loss, one.reference.loss_tolerance()) for one in answered]
    return all(
        claimed is not None and right is not None and abs(claimed**2 - right) <= 4 * tolerance for claimed, right, tolerance in pairs
    )


def _obeyed(answered: Sequence[Answered], factor: Callable[[int, int], float], shown_on: int = 3) -> bool:
    shown = 0
    for one in answered:
        architecture = architecture_of(one.problem)
        value = factor(architecture.batch, architecture.widths[-1])
        right, claimed = one.reference.loss, one.claimed.loss
        if right is None or claimed is None:
            return False
        if not abs(claimed - value * right) <= (1 + abs(value)) * one.reference.loss_tolerance():
            return False
        shown += value != 1
    return shown >= shown_on
