"""What was found of one layer -> its outcomes, its measurements, and the sentence about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import structs

from verifier.checks.examination import digits_apart
from verifier.checks.layer.asking import LayerAsking
from verifier.checks.layer.beside_author import AskAuthor, beside_author
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.outputs import Beside, beside_reference
from verifier.checks.layer.raised import Raised, is_missing
from verifier.checks.layer.usual import COMPARED
from verifier.contracts.layer.drawing import LayerProblem
from verifier.counting import counted
from verifier.diagnosis.layer.counterexample import smallest_example
from verifier.diagnosis.layer.explaining import explain_layer, where_shown
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.results.outcome import Measurement, Outcome, Status, Verdict
from verifier.results.report import Counterexample, Diagnosis, LayerRecord, Note
from verifier.verification.witnesses import verdict_of

SOURCE = "8 x error bound of the difference"
REFUSALS = ("AssertionError", "NotImplementedError")  # exceptions that say: not these sizes
REDUCTIONS = {"mean": "the mean over the samples", "sum": "the sum over the samples", "all": "the mean over all elements"}
SHOWN = 3  # departures of a layer that become measurements


@dataclass
class Judgement:
    """What is known of one layer: its outcomes, measurements, notes, and the first sentence about it."""

    name: str
    outcomes: list[Outcome] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    diagnosis: list[Diagnosis] = field(default_factory=list)
    example: tuple[Counterexample, bytes] | None = None
    undecided: list[str] = field(default_factory=list)
    sentence: str = ""
    unasked: str = ""
    """Which gradients it does not have, and need not have."""
    reason: str = ""
    not_done: bool = False
    missing: bool = False
    operation: str = ""
    forward: str = "skipped"
    gradients: dict[str, str] = field(default_factory=dict)
    asked: tuple[LayerAsking, str] | None = None
    """Through what, and the type that it computes in."""

    def record(self) -> LayerRecord:
        """What a page shows of it."""
        verdict = "not-done" if self.not_done else self.verdict
        return LayerRecord(self.name, verdict, self.operation, self.forward, self.gradients, self.sentence)

    def add(self, check: str, status: Status, message: str, **more: object) -> None:
        """Add what a check found about this layer."""
        self.outcomes.append(Outcome(check, status, message, layer=self.name, **more))  # type: ignore[arg-type]

    def contradict(self, check: str, why: str) -> None:
        """Take back what a check found right: nothing is decided."""
        self.outcomes = [outcome for outcome in self.outcomes if outcome.id != check]
        self.add(check, "inconclusive", why)
        self.undecided, self.sentence = ["all"], why
        self.gradients = dict.fromkeys(self.gradients, "undecided")

    @property
    def verdict(self) -> Verdict:
        """The verdict that the outcomes so far give."""
        return verdict_of(self.outcomes, self.undecided)


def conclude(judgement: Judgement, examined: Examined, asking: LayerAsking, author: AskAuthor | None = None) -> None:
    """Outcomes from what was found; `author` asks the assignment's own reference."""
    _conclude_contract(judgement, examined)
    judgement.notes = [Note(check, f"{judgement.name}: {text}") for check, text in examined.notes]
    judgement.not_done = examined.not_done
    judgement.missing = examined.broken is not None and is_missing(examined.broken)
    nothing = not examined.answers or examined.not_done
    if nothing or judgement.outcomes[0].status == "error":
        judgement.sentence = judgement.outcomes[0].message
    if nothing:
        return
    if examined.unrepeatable:
        why = "The same pass answers differently each time, although NumPy's generator is seeded: its derivative cannot be judged."
        judgement.add("purity", "inconclusive", why)
        judgement.undecided = ["all"]
        judgement.sentence = why
        return
    beside = beside_reference(examined, asking) if author is None else beside_author(examined, asking, author)
    judgement.forward = "pass" if beside.outputs == "near" else beside.outputs
    if beside.outputs == "near":
        examined.departures = [departure for departure in examined.departures if departure.kind != "differences"]
    least = {name: min(power, examined.resolves.get(name, power)) for name, power in beside.resolves.items()}
    examined.resolves |= beside.resolves if beside.outputs == "near" else least
    _conclude_outputs(judgement, examined, beside)
    judgement.unasked = examined.unasked
    checks = [("finite-difference", len(examined.compared)), ("ties", examined.tied), ("cotangent", min(4, len(examined.answers)))]
    for check, asked in checks:
        wrong = examined.wrong(check)
        if not asked and not wrong:
            continue
        judgement.measurements += [_measurement(departure, judgement.name) for departure in wrong[:SHOWN]]
        if wrong:
            _fail(judgement, check, wrong, asked)
        else:
            resolves = max(examined.resolves.values(), default=None) if check == "finite-difference" else None
            finite = resolves if resolves is not None and np.isfinite(resolves) else None
            judgement.add(check, "pass", _passed(check, examined), problems=asked, resolves=finite)
    faulty = {departure.tensor for departure in examined.departures}
    claimed = list(next(iter(examined.answers.values())).gradients)
    # One that was never differenced, since the forward pass raises wherever it is moved, is as little decided.
    judgement.undecided = [name for name in claimed if examined.resolves.get(name, np.inf) > DECISIVE and name not in faulty]
    if not claimed and judgement.forward != "pass":
        judgement.undecided, judgement.sentence = ["all"], "No gradient is claimed, so there is nothing to judge."
    if examined.open:
        judgement.undecided += examined.open
        judgement.sentence = _of_open(examined)
    raises = any(departure.kind == "raised" for departure in examined.departures)
    judgement.gradients = {
        name: "fail" if raises or name in faulty else "undecided" if name in judgement.undecided else "pass"
        for name in (*claimed, *examined.open)
    }
    failed = [outcome for outcome in judgement.outcomes if outcome.status == "fail"]
    if failed:
        judgement.diagnosis = _which_pass(explain_layer(examined, asking), judgement, beside)
        judgement.sentence = judgement.diagnosis[0].explanation if judgement.diagnosis else failed[0].message
        judgement.example = smallest_example(examined, asking, judgement.diagnosis)


def _of_open(examined: Examined) -> str:
    """A gradient that a mapping does not have, where nothing says that it may."""
    first = examined.open[0]
    shape = examined.claims.shapes[first]
    fixed = " ".join(["real", *shape.text.removeprefix(shape.kind or "").split()])
    also = f", nor of {', '.join(examined.open[1:])}" if examined.open[1:] else ""
    return f'{examined.claims.gradients} has no gradient of {first}{also}. If none is claimed, say it: arrays = {{ {first} = "{fixed}" }}.'


def _which_pass(found: list[Diagnosis], judgement: Judgement, beside: Beside) -> list[Diagnosis]:
    """The explanations with what PyTorch adds: which of the two passes is wrong."""
    if beside.backward:
        forward = next(outcome for outcome in judgement.outcomes if outcome.id == "forward")
        return [Diagnosis("forward", "", forward.message, layer=judgement.name)]
    if beside.reduced is not None:
        of_gradient, of_loss = (REDUCTIONS.get(one, one) for one in beside.reduced)
        says = f"d{found[0].tensor} is the gradient of {of_gradient}, and the loss is {of_loss}"
        says += ": the division by their number is missing." if beside.reduced == ("sum", "mean") else "."
        return [structs.replace(found[0], fault="factor", explanation=says, region="")]
    if beside.outputs != "pass" or not found:
        return found
    outputs = next(outcome.message for outcome in judgement.outcomes if outcome.id == "forward")
    says = f"{outputs.rstrip('.')}: the backward pass is wrong."
    return [structs.replace(found[0], evidence=f"{found[0].evidence} {says}"), *found[1:]]


def _conclude_outputs(judgement: Judgement, examined: Examined, beside: Beside) -> None:
    """What PyTorch says of the outputs; where the gradients are the operation's own, it is the forward pass that is wrong."""
    name = "the reference" if examined.claims.reference else examined.claims.entry.name if examined.claims.entry else ""
    if beside.outputs == "pass":
        chosen = f" ({beside.chosen})" if beside.chosen else ""
        whose = "those of the reference" if examined.claims.reference else f"PyTorch's {name}{chosen}"
        judgement.add("forward", "pass", f"Its outputs are {whose}.", problems=COMPARED)
    if beside.outputs == "near":
        said = (
            f"Its gradients are those of {name} itself; its outputs are too, but for {beside.chosen}. "
            "To declare it: epsilon = 1e-8, or whatever it is."
        )
        if examined.claims.epsilon is None:
            judgement.notes.append(Note("forward", f"{judgement.name}: {said}"))
        judgement.add("forward", "pass", said, problems=COMPARED)
    if beside.outputs != "fail":
        return
    wrong = examined.wrong("forward")
    first = wrong[0]
    own = not any(departure.check != "forward" for departure in examined.departures)
    also = " Its backward pass is right for what it computes." if own else ""
    lead = "The outputs" if not beside.backward else f"The forward pass is wrong, the backward pass is that of {name}: its outputs"
    numbers = ""
    if first.claimed is not None and first.right is not None:
        claimed, right = digits_apart(first.claimed, first.right)
        numbers = f": {claimed}, should be {right}"
    judgement.measurements += [_measurement(departure, judgement.name) for departure in wrong[:SHOWN]]
    judgement.add(
        "forward",
        "fail",
        f"{lead} {first.says}{numbers}, at {first.problem.describe()}.{also}",
        problems=COMPARED,
        failed=len(wrong),
        error=first.error,
        tolerance=first.tolerance,
        problem=first.problem.index,
    )


def _passed(check: str, examined: Examined) -> str:
    agreed = (
        f" Of these problems {examined.differenced} were differenced; on {len(examined.agreed)} outputs and gradients are PyTorch's within "
        "rounding, and no difference could tell them apart."
    )
    return {
        "finite-difference": f"Its gradients are the derivatives of its own forward pass.{agreed if examined.agreed else ''}",
        "ties": "Where elements are equal or zero, its gradients lie between the one-sided slopes.",
        "cotangent": "Its gradients are linear in the cotangent, and do not depend on its layout in memory.",
    }[check]


def _conclude_contract(judgement: Judgement, examined: Examined) -> None:
    raised = [departure for departure in examined.departures if departure.kind == "raised"]
    asked = len(examined.problems)
    if examined.not_done:
        judgement.add("contract", "error", f"It is not written yet: {examined.gap or 'it returns nothing.'}", problems=asked)
    elif examined.broken is not None:
        judgement.add("contract", "error", str(examined.broken), problems=asked)
    elif raised:
        first = raised[0]
        where = where_shown({departure.problem.index for departure in raised}, examined, everywhere=True)
        message = (
            f"The backward pass raises where the forward pass answered{', ' if where else ''}{where}: "
            f"{first.says} At {first.problem.describe()}."
        )
        judgement.add("contract", "fail", message, problems=asked, failed=len(raised), problem=first.problem.index)
    elif (
        examined.answers
        and (examined.claims.reference or (examined.claims.entry is not None and examined.claims.fits))
        and _unexpected(examined)
    ):
        problem, why = _unexpected(examined)[0]
        where = where_shown({problem.index for problem, _ in _unexpected(examined)}, examined, everywhere=True)
        message = f"The forward pass raises{' ' if where else ''}{where}: {why} At {problem.describe()}."
        judgement.add("contract", "fail", message, problems=asked, failed=len(_unexpected(examined)), problem=problem.index)
    elif len(examined.left_out) > asked / 2 or not examined.answers:
        reason = f" {_why(examined)}" if examined.left_out else ""
        judgement.add("contract", "error", f"It answers at {len(examined.answers)} of {counted(asked, 'problem')}.{reason}", problems=asked)
    else:
        judgement.add("contract", "pass", f"It answers at {len(examined.answers)} of {counted(asked, 'problem')}.", problems=asked)
        if examined.left_out:
            examined.note("contract", f"Left out {len(examined.left_out)} of {counted(asked, 'problem')}. {_why(examined)}")


def _unexpected(examined: Examined) -> list[tuple[LayerProblem, Raised]]:
    """Where forward raised in its own code at ordinary sizes, and not to say that it refuses them."""
    return [
        (problem, raised)
        for problem, raised in examined.left_out
        if raised is not None and raised.own and raised.kind not in REFUSALS and problem.stress != "undivided"
    ]


def _why(examined: Examined) -> str:
    problem, raised = examined.left_out[0]
    said = "its outputs are not finite" if raised is None else str(raised).rstrip(".")
    return f"At {problem.describe()}: {said}."


def _fail(judgement: Judgement, check: str, wrong: Sequence[Departure], asked: int) -> None:
    tensors = list(dict.fromkeys(departure.tensor for departure in wrong))
    worst = max(wrong, key=lambda departure: departure.error if departure.error is not None and np.isfinite(departure.error) else 0.0)
    problems = len({departure.problem.index for departure in wrong})
    message = f"d{worst.tensor} {worst.says}: {_numbers(worst)}." if worst.claimed is not None else f"d{worst.tensor} {worst.says}."
    others = [tensor for tensor in tensors if tensor != worst.tensor]
    also = f" Also {', '.join('d' + tensor for tensor in others)}." if others else ""
    judgement.add(
        check,
        "fail",
        f"{message} At {worst.problem.describe()}.{also}",
        problems=asked,
        failed=problems,
        error=worst.error,
        tolerance=worst.tolerance,
        tensor=worst.tensor,
        problem=worst.problem.index,
    )


def _numbers(departure: Departure) -> str:
    place = f"[{', '.join(map(str, departure.index))}]" if departure.index else ""
    return f"d{departure.tensor}{place} = {departure.claimed:.6g}, should be {departure.right:.6g}"


def _measurement(departure: Departure, layer: str) -> Measurement:
    differenced = departure.differenced
    line = differenced.lines[0] if differenced is not None and differenced.lines else None
    return Measurement(
        check=departure.check,
        layer=layer,
        problem=departure.problem.index,
        network=departure.problem.describe(),
        tensor=departure.tensor,
        error=departure.error,
        tolerance=departure.tolerance,
        source=SOURCE,
        status="fail",
        claimed=departure.claimed,
        reference=departure.right,
        index=departure.index,
        steps=() if line is None else line.slope.steps,
        differences=() if line is None else tuple(None if not np.isfinite(one) else one for one in line.slope.differences),
        step=None if line is None or not np.isfinite(line.slope.step) else line.slope.step,
    )
