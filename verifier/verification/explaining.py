"""What a run asks of the module that explains a contract's failures; a contract without one explains nothing."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Examination, Finding, Item
from verifier.contracts.catalogue import contract_of
from verifier.contracts.convention import Convention
from verifier.oracles.reference import Answered
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.results.report import Diagnosis, OwnLine, Step

Same = Callable[[Answered], bool]


class Diagnosed(Protocol):
    """What is known of a failure."""

    @property
    def diagnosis(self) -> tuple[Diagnosis, ...]:
        """The explanations, best first."""


class Explaining(Protocol):
    """A module that explains. It is imported when a check failed, so that a run that passes does not load it.

    What stands here is the answer where nobody explains.
    """

    def find_convention(self, claims: Any, answered: Sequence[tuple[Item, Evaluation]], *, gradients_agree: bool) -> Convention | None:
        """An undeclared convention under which every loss is right, and every gradient or those of the plain loss."""
        return None

    def explain_failure(self, findings: Mapping[str, Finding], examination: Examination) -> Diagnosed | None:
        """What is wrong, where a check failed that the diagnosis knows of."""
        return None

    def same_mistake(self, diagnosed: Any, examination: Examination) -> Same:
        """Whether a problem shows the mistake that was diagnosed."""
        return any_mistake

    def work_by_hand(self, examination: Examination, answered: Answered, diagnosed: Any) -> tuple[Step, ...]:
        """A problem line by line, the right numbers beside the candidate's."""
        return ()

    def find_layout(self, claims: Any, items: Sequence[Item], ask: Callable[[Problem, Any], Evaluation | None]) -> str:
        """A sentence with the manifest's lines under which a candidate is right that raises by its own; "" where there are none."""
        return ""

    def find_own_lines(
        self,
        candidate: Candidate,
        examination: Examination,
        findings: Mapping[str, Finding],
        diagnosed: Any,
        zygote: Zygote,
        limits: Limits,
    ) -> tuple[OwnLine, ...]:
        """The lines of the candidate's source where another value would put it right."""
        return ()


class _Silent(Explaining):
    """Of a contract whose failures nobody explains."""


def any_mistake(answered: Answered) -> bool:
    """Whatever fails shows it."""
    return True


def explaining_of(contract: str) -> Explaining:
    """The module that explains failures of a contract."""
    path = contract_of(contract).explaining
    return cast(Explaining, import_module(path)) if path else _Silent()
