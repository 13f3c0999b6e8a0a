"""Known mistakes, and equations, in the words of a diagnosis."""

from collections.abc import Sequence

from verifier.contracts.mlp.claims import Claims
from verifier.counting import counted
from verifier.diagnosis.mlp.departure import Departure
from verifier.diagnosis.mlp.hints import hint_for
from verifier.diagnosis.mlp.matching import Match
from verifier.diagnosis.mlp.variation import Fault
from verifier.results.report import Diagnosis

_ALTERNATIVES = 4
EQUATION_WORDS = {
    "loss": "the loss L",
    "forward": "the forward pass, zˡ = Wˡ aˡ⁻¹ + bˡ and aˡ = σ(zˡ)",
    "output-delta": "the output's δ, δᴸ = ∇ₐL ⊙ σ'(zᴸ)",
    "hidden-delta": "the recursion δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ)",
    "weight-gradient": "the weight gradient ∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ",
    "bias-gradient": "the bias gradient ∂L/∂bˡ = δˡ",
    "update": "the update Wˡ ← Wˡ - η ∂L/∂Wˡ",
}


def name_matches(matches: Sequence[Match], departure: Departure, claims: Claims) -> tuple[Diagnosis, ...]:
    """One diagnosis a mistake; of one mistake in several scopes the narrowest."""
    found: list[Diagnosis] = []
    kinds: set[str] = set()
    fixed = all(fault.constant is None for fault in matches[0].hypothesis.faults)
    for match in matches:
        faults = match.hypothesis.faults
        if fixed and any(fault.constant is not None for fault in faults):
            continue  # with a constant to choose it may mimic what the first predicts without one
        kind = " + ".join(fault.kind or fault.id for fault in faults)
        if kind not in kinds:
            kinds.add(kind)
            found.append(_matched(match, departure, claims))
    return tuple(found[: 1 + _ALTERNATIVES])


def name_fault(fault: Fault) -> Diagnosis:
    """The diagnosis of a known mistake without a constant to fit: its equation, explanation and hint."""
    return Diagnosis(fault.id, fault.equation, f"{fault.explanation} {fault.hint}")


def name_stage(equation: str) -> Diagnosis:
    """The diagnosis where gradients are right and a stage that is shown is not; `equation`: that of the first wrong one."""
    text = f"The gradients are right; of the stages shown, the first that is wrong belongs to {EQUATION_WORDS[equation]}."
    return Diagnosis("wrong-stage", equation, text)


def _matched(match: Match, departure: Departure, claims: Claims) -> Diagnosis:
    faults, constants = match.hypothesis.faults, match.hypothesis.constants
    words = [_filled(fault.explanation, constant) for fault, constant in zip(faults, constants, strict=True)]
    hint = hint_for(faults[0].id, faults[0].hint, claims)
    explanation = f"{words[0]} {hint}" if len(faults) == 1 else " And: ".join(words)
    equations = [fault.equation for fault in faults]
    equation = next((equation for equation in departure.equations if equation in equations), equations[0])
    if equation == "output-delta" and departure.equations and departure.equations[0] == "hidden-delta":
        equation = "hidden-delta"  # a wrong σ' everywhere, where the output's is 1
    evidence = f"It predicts every gradient on {counted(match.asked, 'network')}; on {match.shown_on} of them it shows."
    return Diagnosis(match.hypothesis.id, equation, explanation, evidence)


def _filled(words: str, constant: float) -> str:
    return words.replace("{c}", f"{constant:.6g}")
