"""What is known of a gradient, by operation and by the part that its array plays."""

from collections.abc import Mapping

from verifier.diagnosis.layer.formulas import activations, attention, gated, losses, normalisation, recurrent, windows
from verifier.diagnosis.layer.formulas.formula import Formulas

_KNOWN: Mapping[tuple[str, str], Formulas] = {
    **activations.FORMULAS,
    **normalisation.FORMULAS,
    **losses.FORMULAS,
    **recurrent.FORMULAS,
    **gated.FORMULAS,
    **attention.FORMULAS,
    **windows.FORMULAS,
}


def formulas_of(operation: str, part: str) -> Formulas | None:
    """The formulas of this gradient, or None."""
    return _KNOWN.get((operation, part))
