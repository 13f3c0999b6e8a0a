"""The record of the contract `layer`."""

from verifier.contracts.contract import Contract
from verifier.contracts.layer.claims import names_read, references
from verifier.contracts.layer.manifest import KEYS, claims_from, recognised_keys
from verifier.contracts.layer.presets.catalogue import presets
from verifier.contracts.layer.proposing import proposed, seen_in
from verifier.contracts.layer.starting import starting_layer

CONTRACT = Contract(
    id="layer",
    summary="layers, models and optimiser steps, by the statements with which their authors call them",
    keys=KEYS,
    claims_from=claims_from,
    judging="verifier.verification.layer.judging",
    asks_for=names_read,
    left_open=lambda claims: "layers" if claims.partial else "",
    recognised=recognised_keys,
    starting=starting_layer,
    presets=presets,
    seen_in=seen_in,
    proposed=proposed,
    references=references,
)
