"""A candidate as a report has it: what its manifest says, and what it was judged by."""

from types import SimpleNamespace

from verifier.contracts.mlp.claims import Claims
from verifier.verification.record import described

CANDIDATE = SimpleNamespace(name="student", path="student.py", contract="mlp", claims=Claims(activations=("tanh",)))


def test_claims_are_shown_with_their_defaults_unless_others_are_given():
    shown = described(CANDIDATE)
    assert shown.claims["activations"] == ["tanh"] and "losses" in shown.claims
    assert described(CANDIDATE, {"operation": "affine"}).claims == {"operation": "affine"}


def test_what_the_manifest_says_beside_the_defaults_is_kept():
    said = {"activations": ["tanh"]}
    assert described(CANDIDATE, manifest=said).beside_defaults == said
    assert described(CANDIDATE).beside_defaults == {}
