"""The record of the contract `mlp`."""

from verifier.contracts.calling import Calling
from verifier.contracts.contract import Contract
from verifier.contracts.family import Family
from verifier.contracts.mlp import calling, family
from verifier.contracts.mlp.claims import KEYS, LAYOUT_KEYS, claims_from
from verifier.contracts.mlp.starting import starting_candidate

_FAMILY: Family = family  # a module may stand for a protocol
_CALLING: Calling = calling

CONTRACT = Contract(
    id="mlp",
    summary="a whole multilayer perceptron: backprop(weights, biases, x, y) -> (loss, weight_gradients, bias_gradients)",
    keys=KEYS,
    claims_from=claims_from,
    family=_FAMILY,
    calling=_CALLING,
    offers=frozenset({"gradients", "loss", "outputs", "batch", "hidden units", "stages", "step"}),
    explaining="verifier.diagnosis.mlp.explaining",
    costing="verifier.checks.mlp.effort",
    starting=starting_candidate,
    candidates_own=LAYOUT_KEYS,
    to_be_allowed={"bias": ("none",), "batch": ("single",)},  # never asked for a bias gradient; never for a sum over a batch
)
