"""The record of the contract `mlp`."""

from verifier.contracts.contract import Contract
from verifier.contracts.mlp.claims import KEYS, LAYOUT_KEYS, claims_from

CONTRACT = Contract(
    id="mlp",
    summary="a whole multilayer perceptron: backprop(weights, biases, x, y) -> (loss, weight_gradients, bias_gradients)",
    keys=KEYS,
    claims_from=claims_from,
    judging="verifier.verification.networks",
    candidates_own=LAYOUT_KEYS,
    to_be_allowed={"bias": ("none",), "batch": ("single",)},  # never asked for a bias gradient; never for a sum over a batch
)
