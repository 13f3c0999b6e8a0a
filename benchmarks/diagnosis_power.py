"""How often a known mistake, planted in code written apart, is found and named; pairs of mistakes; right code; unknown mistakes.

    python -m benchmarks.diagnosis_power [--implementations 3] [--pairs 100] [--right 1000] [--fault FAULT] [--share 1/4] [--minutes 15]
        [--state FILE]

Every fault of the catalogue is planted in several right implementations (other layout, batch convention, activation, way to sum) where it
shows, on the 40 networks of the profile quick. Named rightly: first in the diagnosis, or in the group that no network tells apart.
With a state file every result is kept as it is found, and the same command goes on where it stopped.
Writes benchmarks/results/diagnosis_power.txt.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.output import Share, publish, versions
from benchmarks.planted_networks import Network
from verifier.arrays import FloatArray
from verifier.checks.examination import Examination, Finding, Item, Unanswered
from verifier.contracts.calling import Call
from verifier.contracts.mlp.calling import from_claimed, to_claimed, values_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.departure import find_departure, wrong_equations
from verifier.diagnosis.mlp.explaining import explain_failure, same_mistake, work_by_hand
from verifier.diagnosis.mlp.faults import BY_ID, FAULTS
from verifier.diagnosis.mlp.matching import departs
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.selftesting import constant_of as fault_constant
from verifier.diagnosis.mlp.walkthrough import first_equation
from verifier.errors import AnswerError
from verifier.oracles.reference import Answered
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.verification.corpus import draw_corpus
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES
from verifier.verification.shrinking import shrink

_SIGMOID, _TANH, _RELU, _LEAKY, _SOFTPLUS, _SOFTMAX = ("sigmoid",), ("tanh",), ("relu",), ("leaky_relu",), ("softplus",), ("softmax",)
_HALF, _BCE, _CE = ("half_squared_error",), ("binary_cross_entropy",), ("cross_entropy",)

IMPLEMENTATIONS: tuple[tuple[str, Claims], ...] = (
    ("vectorised", Claims()),
    ("einsum", Claims(activations=_TANH, output_activations=_TANH, losses=_HALF, reduction="sum", batch="columns", bias="column")),
    ("loops", Claims(activations=_RELU, output_activations=_RELU, reduction="mean_all", weight_layout="in_out", bias="row")),
    ("einsum", Claims(activations=_TANH, losses=_BCE, weight_layout="in_out")),
    ("vectorised", Claims(activations=_TANH, output_activations=_SOFTMAX, losses=_CE, batch="columns", bias="column")),
    ("loops", Claims(output_activations=_SOFTMAX, reduction="sum", max_width=6)),
    ("vectorised", Claims(l2=0.05)),
    ("einsum", Claims(activations=_TANH, output_activations=_TANH, l2=0.1, l2_over_batch=True, batch="columns", weight_layout="in_out")),
    ("loops", Claims(activations=_TANH, losses=_HALF, l2=0.02, reduction="sum", max_width=6)),
    ("vectorised", Claims(activations=_LEAKY, output_activations=_LEAKY)),
    ("einsum", Claims(activations=_LEAKY, output_activations=_TANH, losses=_HALF, reduction="sum", batch="columns")),
    ("loops", Claims(activations=_LEAKY, output_activations=_LEAKY, weight_layout="in_out", reduction="mean_all", max_width=6)),
    ("einsum", Claims(activations=_RELU, losses=_BCE, reduction="sum", batch="columns")),
    ("vectorised", Claims(activations=_RELU, output_activations=_RELU, losses=_HALF, batch="columns")),
    ("vectorised", Claims(activations=_SOFTPLUS, output_activations=_SOFTPLUS)),
    ("einsum", Claims(layers=3, sizes=(3, 3, 3, 3))),
    ("vectorised", Claims(activations=_TANH, output_activations=_TANH, layers=3, sizes=(3, 3, 3, 3), batch="columns", reduction="sum")),
    ("loops", Claims(activations=_RELU, layers=3, sizes=(2, 2, 2, 2), weight_layout="in_out", losses=_HALF)),
    ("vectorised", Claims(losses=_BCE, reduction="sum")),
    ("loops", Claims(losses=_BCE, batch="columns", weight_layout="in_out", max_width=6)),
    ("einsum", Claims(activations=_TANH, output_activations=_SOFTMAX, losses=_HALF, weight_layout="in_out")),
    ("vectorised", Claims(activations=_SOFTPLUS, output_activations=_SOFTMAX, losses=_HALF, batch="columns")),
    ("loops", Claims(activations=_RELU, output_activations=_SOFTMAX, losses=_CE, reduction="sum", weight_layout="in_out", max_width=6)),
    ("einsum", Claims(output_activations=_SOFTMAX, losses=_CE)),
    ("vectorised", Claims(activations=_TANH, output_activations=_TANH, weight_layout="in_out")),
    ("loops", Claims(activations=_TANH, output_activations=_TANH, batch="columns", bias="column", max_width=6)),
    (
        "einsum",
        Claims(activations=_TANH, output_activations=_RELU, reduction="sum", batch="columns", weight_layout="in_out", bias="column"),
    ),
    ("vectorised", Claims(activations=_TANH, output_activations=_SOFTMAX, losses=_CE, targets="one_hot")),
    ("einsum", Claims(activations=_RELU, output_activations=_SOFTMAX, losses=_CE, targets="one_hot", reduction="sum", batch="columns")),
    ("loops", Claims(output_activations=_SOFTMAX, losses=_CE, targets="one_hot", weight_layout="in_out", max_width=6)),
    ("einsum", Claims(activations=_RELU, output_activations=_LEAKY, losses=_HALF, reduction="sum", batch="columns", bias="column")),
)


class Asked:
    """One planted network behind a contract's layout, asked in this process."""

    def __init__(self, style: str, claims: Claims, faults: Sequence[str]) -> None:
        constants = {fault: constant_of(fault) for fault in faults}
        self.claims = claims
        self.functions: Collection[str] = ("backprop", "update") if any(f.startswith("update-") for f in faults) else ("backprop",)
        self._network = Network(
            style,
            claims.losses[0],
            claims.reduction,
            claims.l2,
            claims.l2_over_batch,
            claims.leaky_slope,
            "out_in" if claims.weight_layout == "out_in" else "in_out",
            [f for f in faults if not f.startswith("update-")],
            constants,
        )
        self._stepping = Network(style, claims.losses[0], claims.reduction, claims.l2, claims.l2_over_batch, faults=faults)

    def gradients(self, problem: Problem, *, where: str) -> Evaluation:
        try:
            with np.errstate(all="ignore"):
                loss, by_weights, by_biases = self._network.backprop(*self._arguments(problem))
        except ValueError:
            raise Unanswered(f"shapes do not fit. {where}") from None
        named = {f"weights[{layer}]": g for layer, g in enumerate(by_weights)} | {
            f"biases[{layer}]": g for layer, g in enumerate(by_biases)
        }
        try:
            return Evaluation(loss, None, {name: self._back(name, g, problem) for name, g in named.items() if name in problem.arrays})
        except AnswerError as error:
            raise Unanswered(f"{error} {where}") from None

    def _arguments(self, problem: Problem) -> tuple[list[FloatArray], list[FloatArray], FloatArray, FloatArray, tuple[str, ...]]:
        """As the claimed layout has them, and from there into rows: what a candidate of that layout does."""
        architecture = architecture_of(problem)
        laid = {name: to_claimed(name, array, self.claims) for name, array in problem.arrays.items()}
        turned = self.claims.weight_layout == "in_out"
        weights = [laid[f"weights[{layer}]"].T if turned else laid[f"weights[{layer}]"] for layer in range(architecture.layers)]
        biases = [laid[f"biases[{layer}]"].reshape(-1) for layer in range(architecture.layers) if f"biases[{layer}]" in laid]
        columns = self.claims.batch == "columns"
        x, y = (laid[name].T if columns else laid[name] for name in ("x", "y"))
        return [np.asarray(w, dtype=np.float64) for w in weights], biases, x, y, architecture.activations

    def _back(self, name: str, gradient: FloatArray, problem: Problem) -> FloatArray:
        laid = to_claimed(name, gradient, self.claims)
        return from_claimed(name, laid, problem.arrays[name].shape, self.claims)[0]

    def arguments_after(self, problem: Problem, *, where: str) -> Mapping[str, NDArray[Any]]:
        return values_of(problem, self.claims)[1]

    def losses(self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, *, where: str) -> FloatArray:
        raise Unanswered(where)

    def call(self, problem: Problem, call: Call, read: Callable[[Any, Mapping[str, NDArray[Any]]], Any], *, where: str) -> Any:
        weights, biases, x, y, kinds = self._arguments(problem)
        ws, bs = self._stepping.update(weights, biases, x, y, call.numbers[0], kinds)
        named = {f"weights[{layer}]": w for layer, w in enumerate(ws)} | {f"biases[{layer}]": b for layer, b in enumerate(bs)}
        arrays = {name: to_claimed(name, array, self.claims) for name, array in named.items()}
        return read([[n for n in arrays if n.startswith("weights")], [n for n in arrays if n.startswith("biases")]], arrays)


def constant_of(fault: str) -> float:
    """A usual value of a fault's free constant."""
    return fault_constant(BY_ID[fault])


@dataclass(frozen=True)
class Result:
    """What became of one planted candidate."""

    faults: tuple[str, ...]
    implementation: int
    found: bool
    named: tuple[str, ...]
    equation: str
    seconds: float
    smallest: tuple[int, int] | None  # layers and width of the counterexample
    same: bool  # whether what was named first, planted in the same implementation, gives the very same gradients
    by_hand: str | None = None  # the equation at which the lines of the counterexample by hand begin to differ; "" where they show nothing

    @property
    def rightly(self) -> bool:
        wanted = set(self.faults)
        return self.same or any(set(name.split(" + ")) == wanted for name in self.named)

    @property
    def wrongly(self) -> bool:
        return bool(self.named) and not self.rightly and self.named[0] != "no-known-mistake"


CORPORA: dict[int, tuple[Item, ...]] = {}


def corpus_of(place: int) -> tuple[Item, ...]:
    """The 40 networks of the profile quick for one implementation's claims."""
    if place not in CORPORA:
        CORPORA[place] = draw_corpus(IMPLEMENTATIONS[place][1], PROFILES["quick"], 0, lambda done, total: None).items
    return CORPORA[place]


def examine(place: int, faults: Sequence[str]) -> Examination:
    """The examination of an implementation with these faults in it."""
    style, claims = IMPLEMENTATIONS[place]
    asked = Asked(style, claims, faults)
    evaluations = {}
    for item in corpus_of(place):
        try:
            evaluations[item.index] = asked.gradients(item.problem, where=item.where)
        except Unanswered:
            continue
    return Examination(claims, "backprop", corpus_of(place), (), evaluations, asked, 0, 0)


def findings_of(examination: Examination, faults: Sequence[str]) -> dict[str, Finding]:
    """Whether the gradients depart (and, for the faults of a step, that the step does), as the checks would say it."""
    from verifier.checks import autograd, purity
    from verifier.checks.mlp import update

    found = {autograd.ID: autograd.check(examination)}
    if any(fault.startswith("update-") for fault in faults):
        found[update.ID] = update.check(examination)
    found[purity.ID] = purity.check(examination)
    return found


def shows(place: int, faults: Sequence[str]) -> bool:
    """Whether an implementation with these faults answers, and is wrong on most networks."""
    if faults[0].startswith("update-"):
        return True
    examination = examine(place, faults)
    if len(examination.evaluations) < len(corpus_of(place)):
        return False
    wrong = sum(departs(Answered(item.problem, item.reference, examination.evaluations[item.index])) for item in examination.answered)
    return wrong >= 10


def try_one(place: int, faults: Sequence[str], *, shrinking: bool) -> Result:
    """Plant, examine, diagnose, and look for the smallest network."""
    from verifier.checks import autograd

    examination = examine(place, faults)
    findings = findings_of(examination, faults)
    started = time.perf_counter()
    diagnosed = explain_failure(findings, examination)
    smallest = by_hand = None
    failed = findings[autograd.ID].outcome
    if shrinking and failed.status == "fail":
        failing = next(item for item in examination.items if item.index == failed.problem)
        shrunk = shrink(examination, autograd.CHECK, failing, budget=600, same=same_mistake(diagnosed, examination))
        if shrunk is not None:
            architecture = architecture_of(shrunk.answered.problem)
            smallest = architecture.layers, max(architecture.widths)
            by_hand = first_equation(work_by_hand(examination, shrunk.answered, diagnosed))
    seconds = time.perf_counter() - started
    told = () if diagnosed is None else diagnosed.diagnosis
    found = any(finding.outcome.status == "fail" for finding in findings.values())
    named = tuple(one.fault for one in told)
    equation = told[0].equation if told else ""
    same = _same_gradients(place, examination, named[:1])
    return Result(tuple(faults), place, found, named, equation, seconds, smallest, same, by_hand)


def _same_gradients(place: int, examination: Examination, named: tuple[str, ...]) -> bool:
    """Whether the mistake that was named, planted instead, answers alike on every network: σ' wrong everywhere or only where σ is used."""
    names = named[0].split(" + ") if named else []
    if not names or not all(name in BY_ID and not BY_ID[name].pattern for name in names):
        return False
    other = examine(place, names)
    for item in examination.answered:
        if item.index not in other.evaluations:
            return False
        answer = Answered(item.problem, item.reference, examination.evaluations[item.index])
        for name, gradient in other.evaluations[item.index].gradients.items():
            size = item.reference.gradient_tolerance(name) + 1e-12 * np.abs(gradient)
            if not bool(np.all(np.abs(answer.claimed.gradients[name] - gradient) <= size)):
                return False
    return True


class Kept:
    """Results by the faults that were planted; with a file, also from one run to the next, a line each."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.results: dict[tuple[str, ...], list[Result]] = {}
        lines = file.read_bytes().splitlines() if file and file.exists() else []
        for result in (msgspec.json.decode(line, type=Result) for line in lines):
            self.results.setdefault(result.faults, []).append(result)

    def add(self, result: Result) -> Result:
        """Keep one, and say it."""
        print(result, flush=True)
        self.results.setdefault(result.faults, []).append(result)
        if self.file:
            with self.file.open("ab") as lines:
                lines.write(msgspec.json.encode(result) + b"\n")
        return result


def try_singles(names: Iterable[str], implementations: int, kept: Kept) -> None:
    """Keep what becomes of every fault in the first few implementations on which it shows."""
    for name in names:
        known = {result.implementation: result for result in kept.results.get((name,), ())}
        showing = (place for place in _worth_trying(name) if place in known or shows(place, (name,)))
        places = list(islice(showing, implementations)) if len(known) < implementations else list(known)
        for place in places:
            if place not in known:
                kept.add(try_one(place, (name,), shrinking=True))
        if len(places) < implementations:
            print(f"{name}: shows in {len(places)} implementations only")


def _worth_trying(name: str) -> Iterator[int]:
    """Implementations in an order that differs by fault, so that all are used; the ones with fixed sizes last, but for state."""
    count = len(IMPLEMENTATIONS)
    begin = sum(map(ord, name)) % count
    order = [(begin + step) % count for step in range(count)]
    if BY_ID[name].id in ("stale-forward-state", "accumulated-between-calls"):
        return iter([place for place in order if IMPLEMENTATIONS[place][1].sizes])
    return iter(sorted(order, key=lambda place: bool(IMPLEMENTATIONS[place][1].sizes)))


def try_pairs(count: int, share: Share, kept: Kept) -> Iterator[Result]:
    """Random pairs of faults, each once, that differ from the truth and from each of the two alone; a share of them is the first ones."""
    generator = np.random.default_rng(0)
    names = [fault.id for fault in FAULTS if not fault.pattern]
    done: set[tuple[str, ...]] = set()
    count = round(count * share.part)
    share.whole += count
    while len(done) < count and not share.over:
        first, second = sorted(generator.choice(len(names), size=2, replace=False).tolist())
        place = int(generator.integers(len(IMPLEMENTATIONS)))
        pair = (names[first], names[second])
        kinds = [BY_ID[name].kind for name in pair]
        if pair in done:
            continue
        if pair not in kept.results:
            if (kinds[0] and kinds[0] == kinds[1]) or not _all_differ(place, pair):
                continue
            kept.add(try_one(place, pair, shrinking=False))
        done.add(pair)
        share.asked += 1
        yield from kept.results[pair]


def _all_differ(place: int, pair: tuple[str, str]) -> bool:
    """Whether the pair shows, and is neither of its faults alone, on ten networks."""
    if not shows(place, pair):
        return False
    both = examine(place, pair)
    for name in pair:
        alone = examine(place, (name,))
        apart = 0
        for item in both.answered:
            if item.index not in alone.evaluations:
                continue
            one, other = both.evaluations[item.index].gradients, alone.evaluations[item.index].gradients
            apart += any(bool(np.any(np.abs(one[n] - other[n]) > 1e-9 * np.max(np.abs(one[n]), initial=1e-300))) for n in one)
        if apart < 10:
            return False
    return True


def accused_right_code(networks: int) -> tuple[int, list[str]]:
    """How many networks of right code were asked, and what the diagnosis said of it."""
    told: list[str] = []
    asked = 0
    each = -(-networks // (2 * len(IMPLEMENTATIONS)))
    for style, claims in IMPLEMENTATIONS:
        for bias in (claims.bias, "none"):
            own = Claims(**{**claims._values(), "bias": bias})
            candidate = Asked(style, own, ())

            def ask(problem: Problem, candidate: Asked = candidate) -> Evaluation:
                return candidate.gradients(problem, where="")

            for problem, reference in draw_probes(own, seed=7, count=each, batch=1):
                asked += 1
                told += [f"{w.equation}: {problem.description}" for w in wrong_equations(Answered(problem, reference, ask(problem)), own)]
            departure = find_departure(own, ask, seed=8)
            told += [] if departure.equation is None else [f"{departure.equation} by all networks"]
    return asked, told


OUTSIDE = Path(__file__).resolve().parents[1] / "tests" / "outside_catalogue"
EQUATIONS_OUTSIDE = {
    "slope_times_activation_again": "hidden-delta",
    "delta_fades_with_depth": "hidden-delta",
    "normalised_activation": "weight-gradient",
    "bias_weighted_by_sample": "bias-gradient",
    "cubed_error": "output-delta",
    "targets_squeezed": "output-delta",
    "last_unit_not_carried": "hidden-delta",
    "inputs_rolled": "weight-gradient",
    "bias_maximum": "bias-gradient",
    "weights_skip_first_sample": "weight-gradient",
    "steeper_sigmoid": "forward",
    "smoothed_targets": "output-delta",
}


def outside_the_catalogue() -> dict[str, str]:
    """The equation that each of the twelve candidates gets, by the command's own way."""
    found = {}
    for judged in judge([str(OUTSIDE)], profile="quick"):
        report = getattr(judged, "report", None)
        if report is not None:
            found[report.candidate.name] = report.diagnosis[0].equation if report.diagnosis else ""
    return found


def summary_of(results: Sequence[Result], what: str) -> list[str]:
    """The counts of some planted candidates, and each that was not named rightly."""
    counts = Counter(
        found=sum(result.found for result in results),
        rightly=sum(result.rightly for result in results),
        wrongly=sum(result.wrongly for result in results),
    )
    if not results:
        return [f"{what}: none was asked"]
    small = [result.smallest for result in results if result.smallest is not None]
    lines = [
        f"{what}: {len(results)} planted, {counts['found']} found, {counts['rightly']} named rightly "
        f"({100 * counts['rightly'] / max(1, len(results)):.1f} %), {counts['wrongly']} named wrongly; "
        f"seconds: median {np.median([r.seconds for r in results]):.2f}, largest {max(r.seconds for r in results):.2f}"
    ]
    if small:
        tiny = sum(layers <= 2 and width <= 2 for layers, width in small)
        lines.append(f"  counterexample of at most 2 layers and width 2: {tiny} of {len(small)} ({100 * tiny / len(small):.1f} %)")
    worked = [result for result in results if result.by_hand]
    if worked:
        lines.append(f"  lines by hand begin at the diagnosed equation: {sum(r.by_hand == r.equation for r in worked)} of {len(worked)}")
    for result in results:
        if not result.rightly or not result.found:
            style, claims = IMPLEMENTATIONS[result.implementation]
            kinds = f"{claims.activations[0]} then {claims.output_activations[0]}, {claims.losses[0]}, {claims.batch}"
            told = ", ".join(result.named) or "nothing"
            lines.append(f"  {' + '.join(result.faults)} ({style}, {kinds}): {told}; equation {result.equation or 'none'}")
    return lines


def main() -> None:
    """Run and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--implementations", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--right", type=int, default=1000)
    parser.add_argument("--fault", action="append", default=[], help="only these faults, and nothing else")
    parser.add_argument("--state", type=Path, help="keep results here, and go on from them")
    Share.add_options(parser)
    arguments = parser.parse_args()
    share, kept = Share.of(arguments), Kept(arguments.state)
    lines = [f"Diagnosis of planted mistakes. {versions('numpy', 'torch')}", ""]
    names = arguments.fault or [fault.id for fault in FAULTS]
    # Every mistake once, then the pairs, then the other implementations: what a run of some minutes leaves out is the least.
    try_singles(share.units(names), min(1, arguments.implementations), kept)
    pairs = [] if arguments.fault else list(try_pairs(arguments.pairs, share, kept))
    if arguments.implementations > 1:
        try_singles(share.units(names), arguments.implementations, kept)
    singles = [result for name in names for result in kept.results.get((name,), ())]
    lines += summary_of(singles, f"Single faults, {len(names)} known")
    if arguments.fault:
        print("\n".join(lines))
        return
    lines += ["", *summary_of(pairs, "Pairs of faults"), "", f"{share}"]
    asked, told = accused_right_code(arguments.right)
    lines += ["", f"Right code: {asked} networks of one sample, with and without biases: {len(told)} accusations", *told]
    outside = outside_the_catalogue()
    right = [name for name, equation in EQUATIONS_OUTSIDE.items() if outside.get(name) == equation]
    lines += ["", f"Mistakes outside the catalogue: the right equation for {len(right)} of {len(EQUATIONS_OUTSIDE)}"]
    lines += [f"  {name}: {outside.get(name)}, right would be {EQUATIONS_OUTSIDE[name]}" for name in EQUATIONS_OUTSIDE if name not in right]
    if not arguments.implementations:
        print("\n".join(lines))
        return
    publish(share.name("diagnosis_power"), "\n".join(lines))


if __name__ == "__main__":
    main()
