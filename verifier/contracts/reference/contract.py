"""The record of the contract `reference`."""

from verifier.contracts.contract import Contract
from verifier.contracts.reference.claims import KEYS, claims_from

CONTRACT = Contract(
    id="reference",
    summary="any function beside the same one in plain PyTorch, which its test's author names",
    keys=KEYS,
    claims_from=claims_from,
    judging="verifier.verification.reference.judging",
    entry="reference",
)
