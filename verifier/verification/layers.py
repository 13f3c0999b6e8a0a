"""One file of layers -> a report: each layer is drawn for, asked, held against its witnesses and explained, one after another."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import LayerAsking, Raised
from verifier.checks.layer.examining import Departure, Examined, examine, is_missing, is_not_written
from verifier.checks.layer.outputs import COMPARED, compare_outputs
from verifier.checks.layer.steps import walk
from verifier.contracts.layer.claims import Claims, LayerClaims
from verifier.contracts.layer.drawing import LayerProblem, draw_problems
from verifier.diagnosis.layer.explaining import explain_layer, where_shown
from verifier.errors import RequestError
from verifier.problems.sizes import GrammarError
from verifier.results.outcome import Measurement, Outcome, Status, Verdict
from verifier.results.report import SCHEMA_VERSION, CandidateRecord, Diagnosis, LayerRecord, Note, Report
from verifier.verification.exchanging import Exchanging
from verifier.verification.record import Judged, Request, Run, _isolation, environment
from verifier.verification.witnesses import verdict_of

PROBLEMS: Mapping[str, int] = {"quick": 20, "ci": 60, "thorough": 600, "grading": 60}
DIFFERENCED: Mapping[str, int] = {"quick": 20, "ci": 40, "thorough": 600, "grading": 40}
SOURCE = "8 x error bound of the difference"
DECISIVE = 1e-2
REFUSALS = ("AssertionError", "NotImplementedError")  # exceptions that say: not these sizes
SHOWN = 3  # departures of a layer that become measurements
Progress = Callable[[str, int, int], None]


@dataclass
class _Judgement:
    """What is known of one layer: its outcomes, measurements, notes, and the first sentence about it."""

    name: str
    outcomes: list[Outcome] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    diagnosis: list[Diagnosis] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    sentence: str = ""
    not_done: bool = False
    missing: bool = False
    operation: str = ""
    forward: str = "skipped"
    gradients: dict[str, str] = field(default_factory=dict)

    def record(self) -> LayerRecord:
        """What a page shows of it."""
        verdict = "not-done" if self.not_done else self.verdict
        return LayerRecord(self.name, verdict, self.operation, self.forward, self.gradients, self.sentence)

    def add(self, check: str, status: Status, message: str, **more: object) -> None:
        self.outcomes.append(Outcome(check, status, message, layer=self.name, **more))  # type: ignore[arg-type]

    @property
    def verdict(self) -> str:
        return verdict_of(self.outcomes, self.undecided)


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge every layer of a candidate; `found` is called with each outcome at once."""
    return judge_layers(candidate, cast(Claims, candidate.claims), run.zygote, run.limits, run.request, run.progress, found)


def replay(run: Run, problem: Any, file: str, candidate: Candidate) -> Judged:
    """A stored network is no question to a file of layers. Raises RequestError."""
    raise RequestError(f"{file}: holds a network, and {candidate.path} is a file of layers; check it with the seed of its report.")


def judge_layers(
    candidate: Candidate,
    claims: Claims,
    zygote: Zygote,
    limits: Limits,
    request: Request,
    progress: Progress,
    found: Callable[[Outcome], None],
) -> Judged:
    """Judge every layer of a file and write it all down. `found` is called with each outcome at once."""
    began = time.perf_counter()
    judgements: list[_Judgement] = []
    missing: list[str] = []
    with np.errstate(all="ignore"), Exchanging(zygote, candidate, claims, limits) as exchanging:
        try:
            exchanging.load()
        except Unanswered as error:
            judgements = [_unloaded(str(error))]
        else:
            for number, layer in enumerate(claims.layers):
                progress(f"{candidate.name}: {layer.name}", number, len(claims.layers))
                judgement = _judge_layer(layer, exchanging, request)
                if claims.partial and judgement.missing:
                    missing.append(layer.name)
                    continue
                judgements.append(judgement)
                for outcome in judgements[-1].outcomes:
                    found(outcome)
        if not judgements:
            judgements = [_unloaded(f"None of the functions that this manifest names is there ({', '.join(missing)}).")]
        judgements[-1].notes += _notes_on_names(claims, missing)
        return _written(candidate, claims, request, judgements, exchanging, time.perf_counter() - began)


def _notes_on_names(claims: Claims, missing: Sequence[str]) -> list[Note]:
    """By which preset a file was judged, and which of its functions are not there."""
    notes = []
    if "preset" in claims.said:
        notes.append(Note("contract", f"Judged by the names of the preset {claims.said['preset']}.", f'preset = "{claims.said["preset"]}"'))
    if missing:
        notes.append(Note("contract", f"Not there, and not judged: {', '.join(missing)}."))
    return notes


def _unloaded(why: str) -> _Judgement:
    judgement = _Judgement("")
    judgement.outcomes = [Outcome("contract", "error", why)]
    judgement.sentence = why
    return judgement


def _judge_layer(layer: LayerClaims, exchanging: Exchanging, request: Request) -> _Judgement:
    judgement = _Judgement(layer.name, operation=layer.operation or "")
    if layer.optimizer is not None:
        return _judge_step(judgement, layer, exchanging, request)
    try:
        problems = draw_problems(layer, PROBLEMS[request.profile.name], request.seed)
    except GrammarError as error:
        judgement.add("contract", "error", str(error))
        judgement.sentence = str(error)
        return judgement
    asking = LayerAsking(layer, exchanging.exchange, exchanging.describe, seed=request.seed)
    try:
        examined = examine(
            asking,
            problems,
            differences=DIFFERENCED[request.profile.name],
            seed=request.seed,
            every_tensor=request.profile.every_tensor,
            tell=lambda _: None,
        )
    except Unanswered as error:
        judgement.add("contract", "error", str(error))
        judgement.sentence = str(error)
        return judgement
    _conclude(judgement, examined, asking)
    return judgement


def _judge_step(judgement: _Judgement, layer: LayerClaims, exchanging: Exchanging, request: Request) -> _Judgement:
    """A step of an optimiser, along a path beside torch.optim's."""
    assert layer.optimizer is not None
    judgement.operation = layer.optimizer.name
    try:
        paths, strayed = walk(layer, exchanging.exchange, exchanging.describe, seed=request.seed)
    except Unanswered as error:
        judgement.add("contract", "error", str(error))
    except Raised as raised:
        judgement.not_done, judgement.missing = is_not_written(raised), is_missing(raised)
        judgement.add("contract", "error", "It is not written yet: it returns nothing." if judgement.not_done else str(raised))
    else:
        judgement.add("contract", "pass", "Its path was walked.", problems=paths)
        judgement.gradients = {name: "pass" for name in layer.path.gradients}
        if strayed is None:
            judgement.add("update", "pass", f"It walks as torch.optim's {layer.optimizer.name} does, for 50 steps.", problems=paths)
            return judgement
        place = f"{strayed.parameter}[{', '.join(map(str, strayed.index))}]" if strayed.index else strayed.parameter
        departs = (
            f"It departs from {layer.optimizer.name} at step {strayed.step} of 50: {place} = {strayed.claimed:.8g}, "
            f"should be {strayed.right:.8g}."
        )
        message = f"{strayed.twist.says} {departs}" if strayed.twist else departs
        if strayed.twist:
            judgement.diagnosis.append(Diagnosis("optimiser-step", "update", f"{layer.name}: {strayed.twist.says}"))
        apart = abs(strayed.claimed - strayed.right)
        judgement.gradients[strayed.parameter] = "fail"
        judgement.add(
            "update",
            "fail",
            message,
            problems=paths,
            failed=1,
            error=apart if np.isfinite(apart) else None,
            tolerance=strayed.tolerance,
            tensor=strayed.parameter,
        )
    judgement.sentence = judgement.outcomes[-1].message
    return judgement


def _conclude(judgement: _Judgement, examined: Examined, asking: LayerAsking) -> None:
    """Outcomes from what was found."""
    _conclude_contract(judgement, examined)
    judgement.notes = [Note(check, f"{judgement.name}: {text}") for check, text in examined.notes]
    judgement.not_done = examined.not_done
    judgement.missing = examined.broken is not None and is_missing(examined.broken)
    if not examined.answers or examined.not_done:
        judgement.sentence = judgement.outcomes[0].message
        return
    if examined.unrepeatable:
        why = "The same pass answers otherwise each time, although NumPy's generator is seeded: its derivative cannot be asked."
        judgement.add("purity", "inconclusive", why)
        judgement.undecided = ["all"]
        judgement.sentence = why
        return
    judgement.forward = compare_outputs(examined, asking.outputs[0])
    if judgement.forward == "pass":
        assert examined.claims.entry is not None
        judgement.add("forward", "pass", f"Its outputs are PyTorch's {examined.claims.entry.name}.", problems=COMPARED)
    elif judgement.forward == "fail":
        _fail_outputs(judgement, examined)
    checks = [("finite-difference", examined.differenced), ("ties", examined.tied), ("cotangent", min(4, len(examined.answers)))]
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
            judgement.add(check, "pass", _passed(check), problems=asked, resolves=finite)
    judgement.undecided = [
        name for name, power in examined.resolves.items() if power > DECISIVE and not any(d.tensor == name for d in examined.departures)
    ]
    faulty = {departure.tensor for departure in examined.departures}
    raises = any(departure.kind == "raised" for departure in examined.departures)
    judgement.gradients = {
        name: "fail" if raises or name in faulty else "undecided" if name in judgement.undecided else "pass"
        for name in next(iter(examined.answers.values())).gradients
    }
    failed = [outcome for outcome in judgement.outcomes if outcome.status == "fail"]
    if failed:
        judgement.diagnosis = explain_layer(examined, asking)
        judgement.sentence = judgement.diagnosis[0].explanation if judgement.diagnosis else failed[0].message


def _fail_outputs(judgement: _Judgement, examined: Examined) -> None:
    """The forward pass computes something else; whether the backward pass fits it, differences say."""
    wrong = examined.wrong("forward")
    first = wrong[0]
    fits = not any(departure.check != "forward" for departure in examined.departures)
    also = " Its backward pass is right for what it computes." if fits else ""
    judgement.measurements += [_measurement(departure, judgement.name) for departure in wrong[:SHOWN]]
    judgement.add(
        "forward",
        "fail",
        f"The outputs {first.says}: {first.claimed:.6g}, should be {first.right:.6g}, at {first.problem.describe()}.{also}",
        problems=COMPARED,
        failed=len(wrong),
        error=first.error,
        tolerance=first.tolerance,
        problem=first.problem.index,
    )


def _passed(check: str) -> str:
    return {
        "finite-difference": "Its gradients are the derivatives of its own forward pass.",
        "ties": "Where elements are equal or zero, its gradients lie between the one-sided slopes.",
        "cotangent": "Its gradients are linear in the cotangent, and do not depend on its layout in memory.",
    }[check]


def _conclude_contract(judgement: _Judgement, examined: Examined) -> None:
    raised = [departure for departure in examined.departures if departure.kind == "raised"]
    asked = len(examined.problems)
    if examined.not_done:
        judgement.add("contract", "error", "It is not written yet: it returns nothing.", problems=asked)
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
    elif len(examined.left_out) > asked / 2:
        judgement.add("contract", "error", f"It answers at {len(examined.answers)} of {asked} problems. {_why(examined)}", problems=asked)
    elif examined.claims.entry is not None and _unexpected(examined):
        problem, why = _unexpected(examined)[0]
        where = where_shown({problem.index for problem, _ in _unexpected(examined)}, examined, everywhere=True)
        message = f"The forward pass raises{' ' if where else ''}{where}: {why} At {problem.describe()}."
        judgement.add("contract", "fail", message, problems=asked, failed=len(_unexpected(examined)), problem=problem.index)
    else:
        judgement.add("contract", "pass", f"It answers at {len(examined.answers)} of {asked} problems.", problems=asked)
        if examined.left_out:
            examined.note("contract", f"Left out {len(examined.left_out)} of {asked} problems. {_why(examined)}")


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


def _fail(judgement: _Judgement, check: str, wrong: Sequence[Departure], asked: int) -> None:
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


def _written(
    candidate: Candidate, claims: Claims, request: Request, judgements: Sequence[_Judgement], exchanging: Exchanging, seconds: float
) -> Judged:
    outcomes = tuple(outcome for judgement in judgements for outcome in judgement.outcomes)
    verdict = _verdict(judgements)
    report = Report(
        schema_version=SCHEMA_VERSION,
        verdict=verdict,
        summary=_summary(verdict, judgements),
        candidate=CandidateRecord(candidate.name, candidate.path, candidate.contract, claims.as_manifest(defaults=True)),
        profile=request.profile.name,
        seed=request.seed,
        checks=outcomes,
        measurements=tuple(measurement for judgement in judgements for measurement in judgement.measurements),
        notes=tuple(note for judgement in judgements for note in judgement.notes),
        diagnosis=tuple(one for judgement in judgements for one in judgement.diagnosis),
        counterexample=None,
        isolation=_isolation(exchanging.isolation),
        environment=environment(),
        printed=exchanging.printed() if verdict in ("fail", "error") else "",
        only=request.only,
        layers=tuple(judgement.record() for judgement in judgements if judgement.name),
        timings={"layers": round(seconds, 4)},
    )
    return Judged(report, None)


def _verdict(judgements: Sequence[_Judgement]) -> Verdict:
    """The first of fail, error, inconclusive that any layer has; what is not done counts where nothing else is there."""
    verdicts = {judgement.verdict for judgement in judgements}
    written = {judgement.verdict for judgement in judgements if not judgement.not_done}
    verdicts = written if written and any(judgement.not_done for judgement in judgements) else verdicts
    order: Sequence[Verdict] = ("fail", "error", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _summary(verdict: Verdict, judgements: Sequence[_Judgement]) -> str:
    several = len(judgements) > 1
    told = [judgement for judgement in judgements if judgement.verdict == verdict]
    if verdict == "pass":
        problems = sum(max((outcome.problems for outcome in judgement.outcomes), default=0) for judgement in judgements)
        what = f"{len(judgements)} layers" if several else judgements[0].name
        return f"Right: {what}, on {problems} problems."
    first = told[0]
    if verdict == "inconclusive":
        said = first.sentence or f"nothing decides the gradient of {', '.join(first.undecided)}."
    else:
        said = first.sentence
    others = f" Also {verdict}: {', '.join(judgement.name for judgement in told[1:])}." if len(told) > 1 else ""
    right = sum(judgement.verdict == "pass" for judgement in judgements)
    rest = f" {right} of {len(judgements)} layers are right." if several else ""
    return f"{first.name}: {said}{others}{rest}" if first.name else said
