"""What was found of one layer: every gradient that is wrong, what was left out, and what is worth knowing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from verifier.checks.layer.asking import Answered
from verifier.checks.layer.differences import Differenced
from verifier.checks.layer.raised import Raised
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.layer_operations.kept import Answers


@dataclass(frozen=True)
class Departure:
    """One gradient that is wrong on one problem.

    Attributes:
        check: id of the check that found it.
        tensor: whose gradient.
        problem: on which.
        says: what is wrong, as a sentence without its tensor and problem.
        error, tolerance, claimed, right, index: the numbers, where there are any.
        kind: "differences", "ties", "missing", "shape", "not finite", "raised", "layout".
    """

    check: str
    tensor: str
    problem: LayerProblem
    says: str
    kind: str
    error: float | None = None
    tolerance: float | None = None
    claimed: float | None = None
    right: float | None = None
    index: tuple[int, ...] | None = None
    differenced: Differenced | None = None


@dataclass
class Examined:
    """What was found of one layer.

    Attributes:
        answers: by problem index.
        left_out: problems at which forward raised or was not finite, and what it raised; None where it was not finite.
        departures: everything that is wrong.
        resolves: by array, the smallest relative error that some problem would have shown.
        differenced: how many problems were differenced. `agreed`: those that need not be, by index, as PyTorch says; `compared`: both.
        tied: how many problems with ties or zeros were asked.
        notes: worth knowing, by check.
        broken: why nothing could be asked at all.
        not_done: whether the functions are there but not written; `gap` is what such a one raised, "" where it returned nothing.
        unrepeatable: whether the same pass answers otherwise.
        inside: the type that it is seen to compute in.
        references: what PyTorch says of its operation.
        open: arrays of which a mapping has no gradient, and nothing says whether it need have one.
        unasked: which gradients a mapping does not have, and need not have, as a sentence.
    """

    claims: LayerClaims
    problems: Sequence[LayerProblem] = ()
    answers: dict[int, Answered] = field(default_factory=dict)
    left_out: list[tuple[LayerProblem, Raised | None]] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    resolves: dict[str, float] = field(default_factory=dict)
    differenced: int = 0
    agreed: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)
    tied: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    broken: Raised | None = None
    not_done: bool = False
    gap: str = ""
    unrepeatable: bool = False
    inside: str = "float64"
    references: Answers = field(default_factory=Answers)
    open: tuple[str, ...] = ()
    unasked: str = ""

    def inside_of(self, problem: LayerProblem) -> str:
        """The type that it computes in on this problem."""
        return "float32" if problem.dtype == "float32" else self.inside

    def wrong(self, check: str) -> list[Departure]:
        """The departures that a check found."""
        return [departure for departure in self.departures if departure.check == check]

    def note(self, check: str, text: str) -> None:
        """Keep a note, once."""
        if (check, text) not in self.notes:
            self.notes.append((check, text))
