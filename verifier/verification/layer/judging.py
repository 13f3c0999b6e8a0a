"""One file of layers -> a report: each layer is drawn for, asked, held against its witnesses and explained, two at a time."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from msgspec import structs

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import LayerAsking
from verifier.checks.layer.elsewhere import answers_otherwise
from verifier.checks.layer.examining import examine
from verifier.checks.layer.raised import Raised, is_missing, is_not_written
from verifier.checks.layer.steps import walk
from verifier.contracts.layer.claims import Claims, LayerClaims
from verifier.contracts.layer.drawing import LayerProblem, draw_problems
from verifier.contracts.layer.storage import Stored, from_bytes
from verifier.counting import counted
from verifier.errors import RequestError
from verifier.oracles.layer_operations.kept import Answers
from verifier.problems.sizes import GrammarError
from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import Diagnosis, Note
from verifier.verification.exchanging import Exchanging
from verifier.verification.kept_references import keep_answers, kept_answers
from verifier.verification.lanes import MOST, Lanes, dealt_out
from verifier.verification.layer.authors import Authors
from verifier.verification.layer.outcomes import Judgement, conclude
from verifier.verification.raising import note_on_cells
from verifier.verification.record import Judged, Request, Run, described, report_of

PROBLEMS: Mapping[str, int] = {"quick": 20, "ci": 60, "thorough": 600, "grading": 60}
DIFFERENCED: Mapping[str, int] = {"quick": 20, "ci": 40, "thorough": 600, "grading": 40}
NAMES_SHOWN = 12  # functions that are there instead
Progress = Callable[[str, int, int], None]


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge every layer of a candidate; `found` is called with each outcome at once."""
    return judge_layers(candidate, cast(Claims, candidate.claims), run.zygote, run.limits, run.request, run.progress, found)


def read_problem(data: bytes) -> Stored:
    """The problem of a counterexample file. Raises RequestError where it is none of a layer."""
    return from_bytes(data)


def replay(run: Run, problem: Stored, file: str, candidate: Candidate) -> Judged:
    """Ask one layer of a file about one stored problem. Raises RequestError where the file has no such layer."""
    began, claims = time.perf_counter(), cast(Claims, candidate.claims)
    names = set(problem.problem.arrays)
    layer = next((one for one in claims.layers if one.name == problem.layer and set(one.shapes) == names), None)
    if layer is None:
        there = ", ".join(one.name for one in claims.layers)
        raise RequestError(f"{file}: holds a problem of {problem.layer} with {', '.join(sorted(names))}; {candidate.path} has {there}.")
    judgement = Judgement(layer.name, operation=layer.operation or "")
    with np.errstate(all="ignore"), Exchanging(run.zygote, candidate, claims, run.limits) as exchanging:
        try:
            exchanging.load()
        except Unanswered as error:
            judgement = _unloaded(str(error))
        else:
            _judge_problems(
                judgement,
                layer,
                [problem.problem],
                exchanging,
                replace(run.request, seed=problem.seed),
                Answers(),
                Authors(run.request.references, run.limits),
                differences=1,
            )
        return _written(candidate, run.request, [judgement], exchanging, time.perf_counter() - began, lenient=False)


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
    with np.errstate(all="ignore"), ExitStack() as stack:
        lanes = min(MOST, len(claims.layers))
        workers = [stack.enter_context(Exchanging(zygote, candidate, claims, limits)) for _ in range(lanes)]
        exchanging, missing = workers[0], list[str]()
        try:
            exchanging.load()
        except Unanswered as error:
            judgements = [_unloaded(str(error))]
        else:
            every = _judge_each(candidate, claims, workers, Authors(request.references, limits), request, progress, found)
            missing = [judgement.name for judgement in every if _is_left_out(judgement, claims)]
            judgements = [judgement for judgement in every if not _is_left_out(judgement, claims)]
        if not judgements:
            why = f"Nothing of what is asked for is there ({', '.join(missing)}); it has {_names(exchanging)}."
            judgements = [_unloaded(why, reason="not-judged")]
        judgements[-1].notes += _notes_on_names(claims, missing)
        if missing and request.assigned:
            judgements[-1].unasked += f" Not there, and not judged: {', '.join(missing[:NAMES_SHOWN])}{_and_more(missing)}."
        if exchanging.left_out:
            judgements[-1].notes.append(Note("contract", note_on_cells(exchanging.left_out)))
        for other in workers[1:]:
            exchanging.hear(other)
        lenient = claims.partial and not request.assigned
        return _written(candidate, request, judgements, exchanging, time.perf_counter() - began, lenient=lenient)


def _judge_each(
    candidate: Candidate,
    claims: Claims,
    workers: Sequence[Exchanging],
    authors: Authors,
    request: Request,
    progress: Progress,
    found: Callable[[Outcome], None],
) -> list[Judgement]:
    """Every layer, each asked by one of the workers; what was right is asked again where nothing is known of it."""
    confined = workers[0].isolation.get("files") is True
    references = kept_answers(claims.said, request, confined=confined)
    if any(layer.entry is not None for layer in claims.layers):
        references.prepare()

    def judge(exchanging: Exchanging, layer: LayerClaims) -> Judgement:
        judgement = _judge_layer(layer, claims, exchanging, request, references, authors)
        if judgement.missing and not claims.partial:
            judgement.sentence = _not_there(judgement.sentence, layer, exchanging)
        return judgement

    judgements: list[Judgement] = []
    lane_of = dealt_out([_weight(layer) for layer in claims.layers], len(workers))
    with Lanes(workers) as lanes:
        asked = [lanes.ask(lane, partial(judge, layer=layer)) for lane, layer in zip(lane_of, claims.layers, strict=True)]
        for number, (layer, judging) in enumerate(zip(claims.layers, asked, strict=True)):
            progress(f"{candidate.name}: {layer.name}", number, len(claims.layers))
            judgements.append(judging.result())
            for outcome in () if _is_left_out(judgements[-1], claims) else judgements[-1].outcomes:
                found(outcome)
        keep_answers(references, claims.said, request, confined=confined)
        own = [[one for one, at in zip(judgements, lane_of, strict=True) if at == lane] for lane in range(len(workers))]
        for elsewhere in [lanes.ask(lane, partial(_ask_elsewhere, judgements=theirs)) for lane, theirs in enumerate(own)]:
            elsewhere.result()
    return judgements


def _weight(layer: LayerClaims) -> int:
    """Roughly what asking it takes: naive code loops over the dimensions of its arrays, a convolution over those of images and filters."""
    return sum(len(shape.dimensions) ** 2 for shape in layer.shapes.values())


def _is_left_out(judgement: Judgement, claims: Claims) -> bool:
    """A preset's layer that the file does not have."""
    return claims.partial and judgement.missing


def _names(exchanging: Exchanging) -> str:
    """The functions that are there."""
    return ", ".join(sorted(exchanging.functions)[:NAMES_SHOWN]) or "no function at all"


def _and_more(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return f" and {more} more" if more > 0 else ""


def _not_there(said: str, layer: LayerClaims, exchanging: Exchanging) -> str:
    """What a NameError of the manifest's statements means to whoever wrote the file."""
    name = re.search(r"name '([^']*)'", said)
    if not name:
        return said
    return f"there is no `{name[1]}`; the file has {_names(exchanging)}.{_as_a_value(name[1], layer)}"


def _as_a_value(name: str, layer: LayerClaims) -> str:
    """How a name that no statement calls is said, if it is meant as a size, an option, or what steps carry on."""
    if any(f"{name}(" in line for script in (layer.setup, layer.forward, layer.backward, layer.step) for line in script.lines):
        return ""
    if layer.optimizer is not None:
        return f' What each step goes on with begins in setup: setup = "{name} = 0", step = ["{name} = {name} + 1", ...].'
    known = dict.fromkeys((*(one for shape in layer.shapes.values() for one in shape.names), *layer.options))
    usual = [one for one in (layer.entry.options if layer.entry else ()) if one not in known]
    return f" Sizes and options are {', '.join([*known, *usual])}; others are said, as options = {{ {name} = [1, 2] }}."


def _notes_on_names(claims: Claims, missing: Sequence[str]) -> list[Note]:
    """By which preset a file was judged, and which of its functions are not there."""
    notes = []
    if "preset" in claims.said:
        notes.append(Note("contract", f"Judged by the names of the preset {claims.said['preset']}.", f'preset = "{claims.said["preset"]}"'))
    if missing:
        notes.append(Note("contract", f"Not there, and not judged: {', '.join(missing)}."))
    return notes


def _unloaded(why: str, reason: str = "") -> Judgement:
    judgement = Judgement("", reason=reason)
    judgement.outcomes = [Outcome("contract", "error", why)]
    judgement.sentence = why
    return judgement


def _ask_elsewhere(exchanging: Exchanging, judgements: Sequence[Judgement]) -> None:
    """Ask a worker that knows nothing yet, one for all these layers, about points at which the others were differenced."""
    exchanging.restart()
    for judgement in judgements:
        if judgement.asked is None or judgement.verdict != "pass":
            continue
        try:
            why = answers_otherwise(*judgement.asked)
        except Unanswered as error:
            why = str(error)
        if why:
            judgement.contradict("finite-difference", why)


def _judge_layer(
    layer: LayerClaims, claims: Claims, exchanging: Exchanging, request: Request, references: Answers, authors: Authors
) -> Judgement:
    judgement = Judgement(layer.name, operation=layer.operation or "")
    if layer.optimizer is not None:
        return _judge_step(judgement, layer, exchanging, request, references)
    differences = DIFFERENCED[request.profile.name]
    # Of a preset's layers a file has a few: whether one is there is asked before all of its problems are drawn.
    counts = (1, PROBLEMS[request.profile.name]) if claims.partial else (PROBLEMS[request.profile.name],)
    for count in counts:
        try:
            problems = draw_problems(layer, count, request.seed, claims.dtypes)
        except GrammarError as error:
            if count != counts[-1]:
                continue
            judgement.add("contract", "error", str(error))
            judgement.sentence = str(error)
            return judgement
        if count == counts[-1] or _is_not_there(layer, problems[0], exchanging, request):
            _judge_problems(judgement, layer, problems, exchanging, request, references, authors, differences=differences)
            break
    return judgement


def _is_not_there(layer: LayerClaims, problem: LayerProblem, exchanging: Exchanging, request: Request) -> bool:
    try:
        LayerAsking(layer, exchanging.exchange, exchanging.describe, seed=request.seed).answer(problem)
    except (Raised, Unanswered) as error:
        return isinstance(error, Raised) and is_missing(error)
    return False


def _judge_problems(
    judgement: Judgement,
    layer: LayerClaims,
    problems: Sequence[LayerProblem],
    exchanging: Exchanging,
    request: Request,
    references: Answers,
    authors: Authors,
    *,
    differences: int,
) -> None:
    asking = LayerAsking(
        layer, exchanging.exchange, exchanging.describe, request.seed, passage=exchanging.passage, restart=exchanging.restart
    )
    every = request.profile.every_tensor
    try:
        examined = examine(
            asking, problems, references, differences=differences, seed=request.seed, every_tensor=every, tell=lambda _: None
        )
        judgement.asked = asking, examined.inside
        with authors.of(layer) as author:
            conclude(judgement, examined, asking, author)
    except Unanswered as error:
        judgement.add("contract", "error", str(error))
        judgement.sentence = str(error)


def _judge_step(judgement: Judgement, layer: LayerClaims, exchanging: Exchanging, request: Request, references: Answers) -> Judgement:
    """A step of an optimiser, along a path beside torch.optim's."""
    assert layer.optimizer is not None
    judgement.operation = layer.optimizer.name
    try:
        paths, strayed = walk(layer, exchanging.exchange, exchanging.describe, references, seed=request.seed)
    except Unanswered as error:
        judgement.add("contract", "error", str(error))
    except Raised as raised:
        judgement.not_done, judgement.missing = is_not_written(raised), is_missing(raised)
        judgement.add(
            "contract",
            "error",
            f"It is not written yet: {raised if raised.unwritten else 'it returns nothing.'}" if judgement.not_done else str(raised),
        )
    else:
        judgement.add("contract", "pass", "Its path of steps was asked.", problems=paths)
        judgement.gradients = {name: "pass" for name in layer.path.gradients}
        if strayed is None:
            judgement.add("update", "pass", f"Its 50 steps are those of torch.optim's {layer.optimizer.name}.", problems=paths)
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


def _written(
    candidate: Candidate, request: Request, judgements: Sequence[Judgement], exchanging: Exchanging, seconds: float, *, lenient: bool
) -> Judged:
    outcomes = tuple(outcome for judgement in judgements for outcome in judgement.outcomes)
    verdict = _verdict(judgements, lenient=lenient)
    unusable = [judgement for judgement in judgements if judgement.verdict == "error"]
    diagnosis = [one for judgement in judgements for one in judgement.diagnosis]
    example, stored = next((judgement.example for judgement in judgements if judgement.example is not None), (None, None))
    report = report_of(
        described(candidate),
        request,
        exchanging,
        outcomes,
        verdict=verdict,
        summary=_summary(verdict, judgements),
        seconds={"layers": seconds},
        measurements=tuple(measurement for judgement in judgements for measurement in judgement.measurements),
        notes=tuple(note for judgement in judgements for note in judgement.notes),
        diagnosis=tuple(structs.replace(one, also=number > 0) for number, one in enumerate(diagnosis)),
        counterexample=example,
        layers=tuple(judgement.record() for judgement in judgements if judgement.name),
        reason="not-done" if verdict == "error" and all(one.not_done for one in unusable) else judgements[0].reason,
    )
    return Judged(report, stored)


def _verdict(judgements: Sequence[Judgement], *, lenient: bool) -> Verdict:
    """The first of fail, error, inconclusive that any layer has; `lenient`: what is not done counts where nothing else is there alone."""
    verdicts = {judgement.verdict for judgement in judgements}
    written = {judgement.verdict for judgement in judgements if not judgement.not_done}
    verdicts = written if lenient and written else verdicts
    order: Sequence[Verdict] = ("fail", "error", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _summary(verdict: Verdict, judgements: Sequence[Judgement]) -> str:
    several = len(judgements) > 1
    alike = [judgement for judgement in judgements if judgement.verdict == verdict]
    if verdict == "pass":
        problems = sum(max((outcome.problems for outcome in judgement.outcomes), default=0) for judgement in alike)
        what = counted(len(alike), "layer") if several else judgements[0].name
        unwritten = ", ".join(judgement.name for judgement in judgements if judgement.not_done)
        unasked = "".join(f" {f'{one.name}: ' if several else ''}{one.unasked.strip()}" for one in alike if one.unasked)
        return f"Right: {what}, on {counted(problems, 'problem')}.{unasked}" + (f" Not written yet: {unwritten}." if unwritten else "")
    first = alike[0]
    if verdict == "inconclusive":
        said = first.sentence or f"nothing decides the gradient of {', '.join(first.undecided)}."
    else:
        said = first.sentence
    others = f" Also {verdict}: {', '.join(judgement.name for judgement in alike[1:])}." if len(alike) > 1 else ""
    right = sum(judgement.verdict == "pass" for judgement in judgements)
    rest = f" {right} of {len(judgements)} layers {'is' if right == 1 else 'are'} right." if several else ""
    return f"{first.name}: {said}{others}{rest}" if first.name else said
