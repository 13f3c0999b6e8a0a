"""How an answer changes from call to call, all arguments alike: by chance or one way, in the loss or in the backward pass alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.probing import Ask, draw_probes
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.results.report import Diagnosis
from verifier.tolerance import safety

SEQUENCES = 6
CALLS = 7  # the first is left out: one that uses the forward pass of the call before answers alike from then on
SURE = 6  # elements that all move one way: 4 in 5! orders each would be chance


@dataclass(frozen=True)
class _Changes:
    """What several calls in a row showed on one network: the tensors that changed, whether the loss did, and how many elements moved."""

    tensors: frozenset[str]
    loss: bool
    one_way: int
    to_and_fro: int
    layers: int


@np.errstate(all="ignore")
def tell_changes(claims: Claims, ask: Ask, *, seed: int) -> Diagnosis | None:
    """What can be said of an answer that is another one at the next call, or None where it is the same."""
    found = [_changes(problem, reference, ask) for problem, reference in draw_probes(claims, seed=seed, count=SEQUENCES)]
    changed = [changes for changes in found if changes is not None and (changes.tensors or changes.loss)]
    if not changed:
        return None
    one_way, to_and_fro = sum(changes.one_way for changes in changed), sum(changes.to_and_fro for changes in changed)
    counted = to_and_fro == 0 and one_way >= SURE
    if any(changes.loss for changes in changed):
        fault = BY_ID["random-between-calls"]
        return _counted("forward", "The loss and the gradient move") if counted else Diagnosis(fault.id, fault.equation, _words(fault.id))
    equation = _equation(changed)
    if counted:
        return _counted(equation, "The loss stays, and the gradient moves")
    return Diagnosis(
        "random-between-calls",
        equation,
        "The loss is the same at each call and the gradient is another one: the forward pass is not random, the backward pass is. "
        "Does it go through a set, whose order may change, sort by `id`, read a clock, read memory before it is written (np.empty), "
        "overwrite an array that is still needed, or drop units at random?",
    )


def _words(fault: str) -> str:
    return f"{BY_ID[fault].explanation} {BY_ID[fault].hint}"


def _counted(equation: str, what: str) -> Diagnosis:
    return Diagnosis(
        "state-kept-between-calls",
        equation,
        f"{what} the same way with every call, all arguments alike: it depends on how often it was called before. "
        "Is something counted or decayed from call to call (a step counter, a rate that falls), or added up and never set back?",
    )


def _changes(problem: Problem, reference: Reference, ask: Ask) -> _Changes | None:
    answers = [ask(problem) for _ in range(CALLS)][1:]
    known = [answer for answer in answers if answer is not None]
    # An answer that is refused and comes at a later call is another one too: layers in an order of chance. One that ends for good is not.
    comes_and_goes = None in answers[: max((place for place, answer in enumerate(answers) if answer is not None), default=0)]
    if len(known) < len(answers) and not comes_and_goes:
        return None
    losses = [answer.loss for answer in known if answer.loss is not None]
    loss = bool(losses) and float(np.ptp(losses)) > 2 * reference.loss_tolerance()
    tensors, one_way, to_and_fro = set(known[0].gradients) if comes_and_goes else set(), 0, int(comes_and_goes)
    for name in known[0].gradients:
        moved, forth = _movement(name, known, problem, reference)
        one_way, to_and_fro = one_way + moved, to_and_fro + forth
        if moved or forth:
            tensors.add(name)
    return _Changes(frozenset(tensors), loss, one_way, to_and_fro, architecture_of(problem).layers)


def _movement(name: str, answers: Sequence[Evaluation], problem: Problem, reference: Reference) -> tuple[int, int]:
    """How many elements of a tensor move one way only, and how many to and fro, beyond rounding."""
    values = np.stack([answer.gradients[name] for answer in answers])
    size = safety(reference.longest) * machine_epsilon(problem.dtype) * np.abs(values).max(axis=0)
    allowed = 2 * reference.gradient_tolerance(name) + size
    steps = np.diff(values, axis=0)
    moves = np.ptp(values, axis=0) > allowed
    same = np.all(steps > 0, axis=0) | np.all(steps < 0, axis=0)
    return int((moves & same).sum()), int((moves & ~same).sum())


def _equation(changed: Sequence[_Changes]) -> str:
    """The first equation, from the output back, whose gradients change."""
    output, kinds = False, set()
    for changes in changed:
        for name in changes.tensors:
            kind, _, layer = name.rstrip("]").partition("[")
            kinds.add(kind)
            output = output or int(layer) == changes.layers - 1
    if kinds == {"biases"}:
        return "bias-gradient"
    if kinds == {"weights"}:
        return "weight-gradient"
    return "output-delta" if output else "hidden-delta"
