"""The record of the contract `engine`."""

from pathlib import Path

from verifier.contracts.contract import Contract
from verifier.contracts.engine.manifest import KEYS, claims_from
from verifier.contracts.engine.proposing import proposed, seen_in

CONTRACT = Contract(
    id="engine",
    summary="autograd engines, by random graphs over their own operations",
    keys=KEYS,
    claims_from=claims_from,
    judging="verifier.verification.engine.judging",
    entry="operations",
    left_open=lambda claims: "operations",
    adapters={"minitorch": Path(__file__).parent / "presets" / "minitorch_engine.py"},
    seen_in=seen_in,
    proposed=proposed,
)
