"""The harness measured on itself: every fault planted in the textbook, every check asked, found or not, named rightly or not.

Each fault is planted under the first of a few contracts on which it shows on most networks. Networks come from the diagnosis' own drawing,
with the textbook's references: neither PyTorch nor Hypothesis is needed, and no process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from verifier.checks.catalogue import OUR_IDS, check_of
from verifier.checks.examination import Examination, Finding, Item, Unanswered
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.explaining import explain_failure
from verifier.diagnosis.mlp.faults import FAULTS
from verifier.diagnosis.mlp.matching import shows
from verifier.diagnosis.mlp.planted import Planted
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.variation import Fault, predict, single
from verifier.oracles.reference import Answered

NETWORKS = 30
DIFFERENCED = 6
_SQUARE = (3, 3, 3, 3)

CONTRACTS: tuple[tuple[str, Claims], ...] = (
    ("sigmoid, squared error", Claims()),
    ("tanh, squared error", Claims(activations=("tanh",), output_activations=("tanh",))),
    ("sigmoid, binary cross-entropy", Claims(losses=("binary_cross_entropy",))),
    ("ReLU, squared error", Claims(activations=("relu",), output_activations=("relu",))),
    ("leaky ReLU, squared error", Claims(activations=("leaky_relu",), output_activations=("leaky_relu",))),
    ("tanh then softmax, cross-entropy", Claims(activations=("tanh",), output_activations=("softmax",), losses=("cross_entropy",))),
    (
        "sigmoid then softmax, cross-entropy, classes",
        Claims(output_activations=("softmax",), losses=("cross_entropy",), targets="one_hot"),
    ),
    ("tanh then softmax, squared error", Claims(activations=("tanh",), output_activations=("softmax",))),
    ("sigmoid, squared error, l2", Claims(l2=0.05)),
    ("softplus, squared error", Claims(activations=("softplus",), output_activations=("softplus",))),
    ("sigmoid, layers 3-3-3-3", Claims(layers=3, sizes=_SQUARE)),
)
CONSTANTS: Mapping[str, float] = {
    "clipped-by-value": 0.05,
    "delta-clipped": 0.05,
    "clipped-by-norm": 0.1,
    "clipped-by-norm-each": 0.05,
    "clipped-by-norm-with-epsilon": 0.1,
    "clipped-by-norm-each-with-epsilon": 0.05,
    "epsilon-in-gradient-alone": 1e-8,
    "clip-in-gradient-alone": 0.3,
    "clip-below-in-gradient-alone": 0.3,
    "constant-factor": 3.0,
    "error-clipped": 0.5,
}
_NOT_ASKED = {"contract", "stages", "stability"}  # it answers in this process, shows no stages, and meets ordinary networks alone
CHECK_IDS: tuple[str, ...] = tuple(check for check in OUR_IDS if check not in _NOT_ASKED)


@dataclass(frozen=True)
class Trial:
    """One fault under one contract.

    Attributes:
        statuses: by check id.
        named: what the diagnosis named, best first; several where no network tells them apart.
        equation: of the diagnosis.
    """

    fault: str
    contract: str
    statuses: Mapping[str, str]
    named: tuple[str, ...]
    equation: str

    @property
    def found(self) -> bool:
        """Whether any check failed."""
        return "fail" in self.statuses.values()

    @property
    def rightly(self) -> bool:
        """Whether the diagnosis names the fault that was planted."""
        return self.fault in self.named

    @property
    def wrongly(self) -> bool:
        """Named something, and neither the fault itself nor one of a group that holds it."""
        return bool(self.named) and not self.rightly and self.named[0] != "no-known-mistake"


def try_faults(faults: Sequence[Fault] = FAULTS, *, seed: int = 0) -> Iterator[Trial]:
    """Every fault in turn, under the first contract on which it shows."""
    drawn: dict[Claims, list[Item]] = {}

    def items(claims: Claims) -> list[Item]:
        if claims not in drawn:
            drawn[claims] = [Item(i, p, r) for i, (p, r) in enumerate(draw_probes(claims, seed=seed, count=NETWORKS))]
        return drawn[claims]

    for fault in faults:
        chosen = next(((name, claims) for name, claims in CONTRACTS if shows_under(fault, items(claims), claims)), CONTRACTS[0])
        yield _try(fault, chosen[0], chosen[1], items(chosen[1]), seed)


def shows_under(fault: Fault, items: Sequence[Item], claims: Claims) -> bool:
    """Whether a fault is there to be seen on most of these networks."""
    if fault.pattern:
        return claims.sizes is not None if fault.id in ("accumulated-between-calls", "stale-forward-state") else True
    seen = 0
    for item in items[:9]:
        predicted = predict(item.problem, claims, single(fault, constant_of(fault)))
        if predicted is None:
            return False
        seen += shows(predicted, Answered(item.problem, item.reference, item.reference.evaluation))
    return seen >= 5


def constant_of(fault: Fault) -> float:
    """A usual value of a fault's free constant."""
    if fault.constant is None:
        return 0.0
    return CONSTANTS.get(fault.id, fault.constant.choices[0] if fault.constant.choices else 0.25)


def _try(fault: Fault, contract: str, claims: Claims, items: Sequence[Item], seed: int) -> Trial:
    examination = examine(Planted(claims, single(fault, constant_of(fault))), claims, items, seed)
    findings = ask_checks(examination)
    diagnosed = explain_failure(findings, examination)
    named = () if diagnosed is None else tuple(diagnosis.fault for diagnosis in diagnosed.diagnosis)
    equation = "" if diagnosed is None or not diagnosed.diagnosis else diagnosed.diagnosis[0].equation
    return Trial(fault.id, contract, {check: finding.outcome.status for check, finding in findings.items()}, named, equation)


def examine(asking: Planted, claims: Claims, items: Sequence[Item], seed: int) -> Examination:
    """The examination of a candidate that is asked in this process."""
    evaluations = {}
    for item in items:
        try:
            evaluations[item.index] = asking.gradients(item.problem, where=item.where)
        except Unanswered:
            continue
    return Examination(claims, "backprop", items, (), evaluations, asking, seed, DIFFERENCED)


def ask_checks(examination: Examination) -> dict[str, Finding]:
    """Every check's finding."""
    return {check: ask(examination) for check in CHECK_IDS if (ask := check_of(check).ask) is not None}
