"""What to look at where a factor is wrong: said of the loss that is claimed, never of another one."""

from verifier.contracts.mlp.claims import Claims

_BY_LOSS = {
    (
        "factor-half",
        "squared_error",
    ): "The derivative of (y - ŷ)² is 2(ŷ - y); that of ½(y - ŷ)² has no 2. Did you mean half_squared_error?",
    ("factor-two", "half_squared_error"): "The derivative of ½(y - ŷ)² is ŷ - y, without a 2.",
    ("factor-two", "squared_error"): "The derivative of (y - ŷ)² is 2(ŷ - y): is the 2 there twice?",
    ("factor-half", "half_squared_error"): "The derivative of ½(y - ŷ)² is ŷ - y: is there a ½ in it too?",
}
_SQUARED = "squared error"
_OF_A_CROSS_ENTROPY = (
    "With a cross-entropy and its own output activation δ of the output is a - y, with no other factor than the reduction's."
)
_OF_ANY = "Look for a factor between the loss and ∂L/∂ŷ."
_OF_A_SUM = "The claimed loss is a sum over the batch: its gradient adds up the samples', and is not multiplied by their number."
_OF_ALL_OUTPUTS = "The claimed loss adds up the outputs: its gradient is not multiplied or divided by their number."


def hint_for(fault: str, hint: str, claims: Claims) -> str:
    """The catalogue's hint, or one for the claimed loss where the catalogue's speaks of another."""
    if fault in ("missing-mean", "sign-without-mean") and claims.reduction == "sum":
        return _OF_A_SUM
    if fault == "factor-outputs" and claims.reduction != "mean_all":
        return _OF_ALL_OUTPUTS
    if fault in ("factor-half", "factor-two"):
        if len(claims.losses) == 1 and (fault, claims.losses[0]) in _BY_LOSS:
            return _BY_LOSS[fault, claims.losses[0]]
        return _OF_A_CROSS_ENTROPY if all("entropy" in loss for loss in claims.losses) else _OF_ANY
    if _SQUARED in hint and not any("squared" in loss for loss in claims.losses):
        return _OF_A_CROSS_ENTROPY
    return hint
