"""One candidate, its corpus, the checks in order -> a report. A function of its arguments, without globals or signal handlers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from msgspec import structs

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks import autograd, contract, finite_difference, forward, purity
from verifier.checks.catalogue import check_ids, check_of
from verifier.checks.check import Ask
from verifier.checks.examination import Differenced, Examination, Finding, Item, Unanswered, reassessed, skipped
from verifier.checks.finite_difference import undecided_roles
from verifier.contracts.catalogue import contract_of
from verifier.contracts.convention import Convention
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.reference import refer
from verifier.results.outcome import Outcome
from verifier.results.report import Note, OwnLine, Step
from verifier.verification import pacing
from verifier.verification.asking import Interview
from verifier.verification.certificate import certify
from verifier.verification.corpus import Corpus
from verifier.verification.costing import cost_of_a_gradient, requiring_backpropagation
from verifier.verification.explaining import Diagnosed, explaining_of
from verifier.verification.raising import note_on_cells, note_on_helpers
from verifier.verification.record import Clock, Judged, Request
from verifier.verification.settling import Settled
from verifier.verification.shrinking import Shrunk, shrink
from verifier.verification.sparing import Spared
from verifier.verification.witnesses import Testimony, contradicts, heard_again, weigh
from verifier.verification.writing import Asked, write_down

Progress = Callable[[str, int, int], None]
STEPS_ALONE = "The file has only `update`, and a step of the optimiser in the manifest does not show the gradient: the steps are judged."
MOST_NOTED = 1_000_000  # parameters: of more, the copies that notes on layouts and later answers need are what takes most memory
TRIED = 3  # networks, by whose answers a function is taken for a helper


def judge_candidate(
    candidate: Candidate,
    corpus: Callable[[], Corpus],
    zygote: Zygote,
    limits: Limits,
    request: Request,
    progress: Progress,
    found: Callable[[Outcome], None] = lambda outcome: None,
) -> Judged:
    """Ask one candidate every check, weigh the witnesses, look for the smallest failing network, and write it all down.

    `corpus` is called once the candidate has loaded: one that does not load is reported at once. `found` gets each outcome at once.
    """
    clock = Clock()
    spared = Spared()
    with np.errstate(all="ignore"), Interview(zygote, candidate, limits) as interview:  # a candidate's infinities are no warning of ours
        asked = _ask(candidate, corpus, interview, request, progress, found, clock, spared)
        shrunk = None
        if asked.examination is not None:
            asked = replace(asked, diagnosed=spared.attempt(contract.ID, "The diagnosis", lambda: _diagnosed(asked), None))
            clock.lap("diagnosis")

            def repairing() -> tuple[OwnLine, ...]:
                return _own_lines(candidate, asked, zygote, limits)

            asked = replace(asked, own_lines=spared.attempt(contract.ID, "The search for the line", repairing, ()))
            clock.lap("own line")
            unfinished = ["for the line of the source"] if asked.seconds_left <= 0 and not asked.own_lines else []

            def smallest() -> Shrunk | None:
                return _counterexample(asked, request, clock, spared, lambda: progress(f"{candidate.name}: smallest network", 0, 1))

            shrunk = spared.attempt(contract.ID, "The search for a small example", smallest, None)
            unfinished += ["for a smaller example"] if asked.seconds_left <= 0 and shrunk is not None else []
            asked = replace(asked, notes=(*spared.notes, *_unfinished(asked, unfinished)))
        clock.lap("report")
        return write_down(candidate, request, asked, shrunk, interview, clock.seconds)


def _ask(
    candidate: Candidate,
    draw: Callable[[], Corpus],
    interview: Interview,
    request: Request,
    progress: Progress,
    found: Callable[[Outcome], None],
    clock: Clock,
    spared: Spared,
) -> Asked:
    try:
        interview.check_entry()
    except Unanswered as error:
        clock.lap("loading")
        findings = {contract.ID: Finding(Outcome(contract.ID, "error", str(error)), reason=error.reason)}
        return Asked(_with_skipped(findings, request, "The candidate did not load."), None)
    clock.lap("loading")
    corpus = draw()
    clock.lap("corpus")

    def tell(pace: str) -> None:
        progress(f"{candidate.name}: {pace}", 0, 1)

    paced = pacing.fit(candidate.claims, interview.entry, interview, request, corpus, tell, clock.seconds["loading"])
    if paced.refused:
        refused = Finding(Outcome(contract.ID, "inconclusive", paced.refused), reason="not-judged")
        return Asked({contract.ID: refused}, None)
    calls = pacing.Price(request, interview, corpus).of(0)
    request, corpus = paced.request, paced.corpus
    items = (*corpus.items, *corpus.extreme)
    # A `forward` that only shows what the last `predict` stored is found out because it comes first.
    offers = contract_of(candidate.contract).offers
    wanted = sorted((check_of(check) for check in check_ids() if request.wants(check)), key=lambda check: -check.headline)
    later = [function for check in wanted if check.needs <= offers for function in check.functions]

    began, slow = time.perf_counter(), ""

    def before(item: Item, count: int) -> None:
        nonlocal slow
        if count == pacing.TIMED + 1 and not paced.known:
            slow = pacing.tell_time(calls, (time.perf_counter() - began) / pacing.TIMED)
        progress(f"{candidate.name}: contract{slow}", count, len(items))
        if item.ordinary and later and item.index not in paced.known:
            interview.ask_together(item.problem, later)

    asked, evaluations = contract.ask_all(interview, items, before, paced.known)
    asked = _with_another_layout(asked, candidate, corpus, interview, spared)
    clock.lap(contract.ID)
    examination = Examination(
        candidate.claims,
        interview.entry,
        corpus.items,
        corpus.extreme,
        evaluations,
        interview,
        request.seed,
        request.profile.differences,
        request.profile.every_tensor,
        request.profile.few,
        request.profile.located,
    )
    if not examination.answered:
        return Asked(_with_skipped({contract.ID: asked}, request, "No problem was answered."), None)
    if all(evaluation.loss is None for evaluation in evaluations.values()):
        interview.use_predict_for_losses()
    interview.try_namesakes([item.problem for item in examination.answered[:TRIED]])
    examination = replace(examination, helpers=interview.helpers.keys())
    notes = (paced.said, note_on_cells(interview.left_out), note_on_helpers(interview.helpers), interview.note_on_loading)
    findings = {contract.ID: reduce(_noting, notes, _noting_few_networks(asked, corpus))}
    found(findings[contract.ID].outcome)
    rest = _ask_the_rest(candidate, findings, examination, interview, request, progress, found, clock, paced.settled)
    return replace(rest, rung=request.rung or 0, ends=paced.ends)


def _with_another_layout(asked: Finding, candidate: Candidate, corpus: Corpus, interview: Interview, spared: Spared) -> Finding:
    """The finding of `contract`; where most calls raise, with the manifest's lines under which they would not, if there are some."""
    outcome = asked.outcome
    raises = outcome.status == "error" and 2 * outcome.failed > outcome.problems and contract.CALLED in outcome.message
    if not raises or interview.living is None:
        return asked
    explaining = explaining_of(candidate.contract)

    def search() -> str:
        return explaining.find_layout(candidate.claims, corpus.items, interview.gradients_under)

    found = spared.attempt(contract.ID, "The search for another layout", search, "")
    return replace(asked, outcome=structs.replace(outcome, message=f"{outcome.message} {found}")) if found else asked


def _ask_the_rest(
    candidate: Candidate,
    findings: dict[str, Finding],
    examination: Examination,
    interview: Interview,
    request: Request,
    progress: Progress,
    found: Callable[[Outcome], None],
    clock: Clock,
    settled: Settled | None,
) -> Asked:
    offers = contract_of(candidate.contract).offers
    checks: dict[str, Ask] = {}
    for record in map(check_of, filter(request.wants, check_ids())):
        if record.ask is not None:
            missing = ", ".join(sorted(record.needs - offers))
            why = f"Candidates of the contract {candidate.contract} have no {missing}."
            checks[record.id] = _skipping(record.id, why) if missing else record.ask
    if purity.ID in checks:
        checks[purity.ID] = lambda examination: _with_what_was_seen(purity.check(examination), examination, interview)
    cost = ""
    if request.requires or {purity.ID, finite_difference.ID} & checks.keys():
        cost, uncounted = cost_of_a_gradient(examination, interview)
        clock.lap("cost of a gradient")
        if request.requires:
            findings[contract.ID] = requiring_backpropagation(findings[contract.ID], cost, uncounted)
    if settled is not None and finite_difference.ID in checks:
        # What settled the run has differenced already.
        checks[finite_difference.ID] = lambda examination: settled.differences
    elif cost and finite_difference.ID in checks:
        checks[finite_difference.ID] = lambda examination: finite_difference.check(_with_fewer(examination))
    if not any(evaluation.gradients for evaluation in examination.evaluations.values()):
        checks = {check: ask if "step" in check_of(check).needs else _skipping(check, STEPS_ALONE) for check, ask in checks.items()}
    wanted = list(checks)
    for position, check in enumerate(wanted):
        progress(f"{candidate.name}: {check}", position, len(wanted))
        findings[check] = _guarded(check, checks[check], examination)
        found(findings[check].outcome)
        clock.lap(check)
    if cost and not request.requires and purity.ID in findings:
        findings[purity.ID] = _noting(findings[purity.ID], cost)
    testimony = Testimony(findings)
    convention, judged_by = _convention(testimony, examination), examination
    if convention is not None:
        assumed = _assuming(examination, convention.assumed(examination.claims))
        own = _assuming(examination, convention.of_the_loss(examination.claims))
        # Differences are of the candidate's own loss, whatever is claimed: they are weighed with the others, and not asked again.
        affected = {check: checks[check] for check in wanted if check != finite_difference.ID and findings[check].outcome.status == "fail"}
        again = {check: _guarded(check, ask, assumed) for check, ask in affected.items()}
        testimony, convention = heard_again(testimony, own, again, convention)
        judged_by = examination if convention is None else assumed
    testimony = _with_reference_afresh(testimony, examination)
    weighed = weigh(testimony, examination)
    clock.lap("weighing")
    undecided, certificate = _undecided(weighed, testimony.differenced, examination.items), None
    # Only what was held to right gradients, element by element, excludes a mistake.
    if testimony.status(autograd.ID) == "pass":
        certificate, blind = certify(judged_by)
        undecided = sorted({*undecided, *blind})
        clock.lap("certificate")
    return Asked(
        weighed,
        examination,
        convention,
        undecided=tuple(undecided),
        contradicted=contradicts(testimony),
        certificate=certificate,
    )


def _with_reference_afresh(testimony: Testimony, examination: Examination) -> Testimony:
    """Where differences contradict a gradient that agrees with the reference: the same, the reference computed afresh on these networks."""
    if not contradicts(testimony):
        return testimony
    from verifier.oracles import autograd as oracle

    wrong = {one.item.index for one in testimony.differenced if one.differences.status == "fail"}
    items = [item for item in examination.answered if item.index in wrong]
    afresh = [replace(item, reference=refer(item.problem, oracle.evaluate, seed=item.index)) for item in items]
    again = autograd.check(replace(examination, items=afresh))
    return testimony if again.outcome.status == "pass" else Testimony({**testimony.findings, autograd.ID: again})


def _diagnosed(asked: Asked) -> Diagnosed | None:
    """What is wrong, where a check failed that the diagnosis knows of."""
    assert asked.examination is not None
    if all(finding.outcome.status != "fail" and finding.diagnosis is None for finding in asked.findings.values()):
        return None
    return explaining_of(asked.examination.claims.contract).explain_failure(asked.findings, asked.examination)


def _unfinished(asked: Asked, searches: Sequence[str]) -> tuple[Note, ...]:
    """What a time limit ended, of what only explains a failure."""
    if not searches or all(finding.outcome.status != "fail" for finding in asked.findings.values()):
        return ()
    again = f"with --rung {asked.rung} and no --time-limit" if asked.rung else "without --time-limit"
    return (Note(contract.ID, f"The time limit ended the search {' and '.join(searches)}: asked again {again}, it is finished."),)


def _own_lines(candidate: Candidate, asked: Asked, zygote: Zygote, limits: Limits) -> tuple[OwnLine, ...]:
    """The lines of the candidate's source that would fix it; nothing is loaded for a candidate that is right."""
    assert asked.examination is not None
    if not any(finding.outcome.status == "fail" for finding in asked.findings.values()):
        return ()
    if asked.seconds_left <= 0:
        return ()
    limits = replace(limits, all_wall_seconds=min(limits.all_wall_seconds, asked.seconds_left))
    explaining = explaining_of(asked.examination.claims.contract)
    return explaining.find_own_lines(candidate, asked.examination, asked.findings, asked.diagnosed, zygote, limits)


def _noting(finding: Finding, note: str) -> Finding:
    notes = (*finding.outcome.notes, note) if note else finding.outcome.notes
    return replace(finding, outcome=structs.replace(finding.outcome, notes=notes))


def _noting_few_networks(finding: Finding, corpus: Corpus) -> Finding:
    """The finding of `contract`, with a note where the corpus holds fewer networks than the profile has, since each is large."""
    if not corpus.left_out:
        return finding
    asked = len(corpus.items)
    note = f"The claims fix networks so large that only {asked} of the profile's {asked + corpus.left_out} were asked."
    return _noting(finding, note)


def _with_what_was_seen(finding: Finding, examination: Examination, interview: Interview) -> Finding:
    """The finding of `purity`, with notes on complex numbers, which are looked for meanwhile, on answers that do not stay, on layouts."""
    answered = examination.answered
    # Without zeros in its gradients, so that an answer that was overwritten or scaled later shows in any element.
    item = next((one for one in answered if all(np.all(g) for g in one.reference.gradients.values())), answered[0])
    first = examination.evaluations[item.index]
    if finding.outcome.status == "pass" and sum(gradient.size for gradient in first.gradients.values()) <= MOST_NOTED:
        if (later := interview.read_later(item.problem)) is not None:
            finding = _noting(finding, purity.note_on_later_answers(item, first, later))
        laid_out = {layout: interview.read_laid_out(item.problem, layout) for layout in purity.LAYOUTS}
        finding = _noting(finding, purity.note_on_layouts(item, first, laid_out))
    if not interview.complex_numbers:
        return finding
    note = (
        f"It uses complex numbers while it answers ({interview.complex_numbers}). Backpropagation does not need them; "
        "complex steps do, and cost a forward pass for every parameter."
    )
    return _noting(finding, note)


def _with_fewer(examination: Examination) -> Examination:
    """The smaller half of the networks, and a quarter of the lines: where a loss costs a pass a parameter, they take minutes else."""
    size = {item.index: sum(item.problem.arrays[name].size for name in item.problem.program.differentiate) for item in examination.items}
    middle = sorted(size.values())[len(size) // 2]
    items = tuple(item for item in examination.items if size[item.index] <= middle)
    return replace(examination, items=items, differences=-(-examination.differences // 4))


def _skipping(check: str, why: str) -> Ask:
    return lambda examination: skipped(check, why)


def _guarded(check: str, ask: Ask, examination: Examination) -> Finding:
    try:
        return ask(examination)
    except Unanswered as error:
        return Finding(Outcome(check, "error", str(error)))


def _with_skipped(findings: dict[str, Finding], request: Request, why: str) -> dict[str, Finding]:
    skipped = {check: Finding(Outcome(check, "skipped", why)) for check in check_ids() if check not in findings and request.wants(check)}
    return findings | skipped


def _convention(testimony: Testimony, examination: Examination) -> Convention | None:
    """An undeclared convention, where the loss or the gradient departs."""
    if "fail" not in (testimony.status(forward.ID), testimony.status(autograd.ID)):
        return None
    answered = [(item, examination.evaluations[item.index]) for item in examination.answered]
    explaining = explaining_of(examination.claims.contract)
    return explaining.find_convention(examination.claims, answered, gradients_agree=testimony.status(autograd.ID) == "pass")


def _assuming(examination: Examination, claims: Any) -> Examination:
    """The same answers, judged by other claims; networks that these do not make ordinary are left out."""

    def under(items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(item for item in (reassessed(item, claims) for item in items) if item is not None)

    return replace(examination, claims=claims, items=under(examination.items), extreme=())


def _undecided(findings: Mapping[str, Finding], differenced: Sequence[Differenced], items: Sequence[Item]) -> list[str]:
    """Roles of tensors that neither autograd nor finite differences decided in the whole run."""
    problems = {item.index: item.problem for item in items}
    decided, met = set(), set()
    by_autograd = findings[autograd.ID].measurements if autograd.ID in findings else ()
    for measurement in by_autograd:
        role = problems[measurement.problem].role_of(measurement.tensor)
        met.add(role)
        if measurement.status == "fail" or (measurement.resolves is not None and measurement.resolves <= DECISIVE):
            decided.add(role)
    unseen = set(undecided_roles(differenced)) if differenced else None
    if not by_autograd:
        return sorted(unseen or ())
    return sorted(role for role in met - decided if unseen is None or role in unseen)


def _counterexample(asked: Asked, request: Request, clock: Clock, spared: Spared, begin: Callable[[], None]) -> Shrunk | None:
    """The smallest problem that fails the first failed check of the list."""
    examination = asked.examination
    failed = [check_of(check) for check, finding in asked.findings.items() if finding.outcome.status == "fail"]
    # The check that the headline is about: the example then shows what the first sentence says.
    check = min((check for check in failed if check.shrinkable), key=lambda check: check.headline, default=None)
    if examination is None or check is None:
        return None
    begin()
    wrong = asked.findings[check.id].outcome.problem
    failing = next(item for item in examination.items if item.index == wrong)
    explaining = explaining_of(examination.claims.contract)
    same = explaining.same_mistake(asked.diagnosed, examination)
    budget = pacing.on_rung(request.profile, asked.rung).shrinking
    shrunk = shrink(examination, check, failing, budget=budget, same=same, until=asked.ends)
    clock.lap("shrinking")
    if shrunk is None:
        return None
    found = shrunk

    def by_hand() -> tuple[Step, ...]:
        return explaining.work_by_hand(examination, found.answered, asked.diagnosed)

    return replace(shrunk, walkthrough=spared.attempt(check.id, "Working the example by hand", by_hand, ()))
