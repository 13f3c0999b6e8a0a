"""`contract`: does the candidate answer every problem, in the form that its manifest claims?"""

from collections.abc import Callable, Mapping, Sequence

from verifier.checks.examination import Asking, Finding, Item, Unanswered
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Outcome

ID = "contract"
SUMMARY = "the candidate loads, and answers every problem with the right number of arrays and elements"
SHOWN_NOTES = 3


def ask_all(asking: Asking, items: Sequence[Item], before: Callable[[Item, int], None]) -> tuple[Finding, Mapping[int, Evaluation]]:
    """Ask for every problem's gradients: the outcome, and the answers that can be used, by problem index.

    `before` is called with each problem before it is asked, and how many that makes.
    """
    evaluations: dict[int, Evaluation] = {}
    errors: list[tuple[int, str]] = []
    asked = 0
    given_up = False
    for item in items:
        asked += 1
        before(item, asked)
        try:
            evaluations[item.index] = asking.gradients(item.problem, where=item.where)
        except Unanswered as error:
            if item.ordinary:
                errors.append((item.index, str(error)))
            given_up = error.fatal
            if given_up:
                break
    return Finding(_outcome(errors, evaluations, asked, len(items) - asked if given_up else 0)), evaluations


def _outcome(errors: list[tuple[int, str]], evaluations: Mapping[int, Evaluation], asked: int, never_asked: int) -> Outcome:
    notes = list(dict.fromkeys(note for evaluation in evaluations.values() for note in evaluation.notes))
    shown = tuple(notes[:SHOWN_NOTES])
    if not errors:
        return Outcome(ID, "pass", f"Answered all {asked} problems in the claimed form.", problems=asked, notes=shown)
    problem, text = errors[0]
    others = f" So on {len(errors)} of {asked} problems." if len(errors) > 1 else ""
    if never_asked:
        others += f" Then the candidate was given up: {never_asked} problems were never asked."
    return Outcome(ID, "error", text + others, problems=asked, failed=len(errors), problem=problem, notes=shown)
