"""The smallest mistake that is found, for us and for the peers, on the same networks in the same run; and what each accuses wrongly.

    python -m benchmarks.detection [--networks 40]

Three mistakes of relative size r: one element of the gradient off by the factor 1 + r, one tensor, and the constant of a leaky ReLU in the
backward pass (0.01·(1 + r) for 0.01). For each network and checker the smallest r that is rejected is found by bisection among half
decades; networks on which a checker accuses the right gradient count as false alarms only, for them it finds nothing.
A mistake is found "over 10 networks" with a probability of 99.9 % where one network finds it with 49.9 %: 1 − (1 − p)¹⁰.
Writes results/detection.txt and .svg.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.arithmetic import Array
from benchmarks.output import draw, progress, publish, table, versions
from benchmarks.peers import PEERS, Peer, Question
from benchmarks.right_code import VARIANTS, backprop
from verifier.checks.examination import Item
from verifier.checks.finite_difference import moves_of
from verifier.contracts.mlp.claims import HIDDEN_ACTIVATIONS, Claims
from verifier.contracts.mlp.network import with_arrays
from verifier.oracles.finite_difference.problem import check_problem
from verifier.problems.program import machine_epsilon
from verifier.tolerance import compare
from verifier.verification.corpus import draw_corpus
from verifier.verification.profiles import Profile

SEED = 45
EXPONENTS = np.arange(-30, 1) / 2  # r = 10^-15 … 1 in half decades
ENOUGH = 1 - 1e-3**0.1  # of one network: then ten find it with 99.9 %
PLAIN = VARIANTS[0]
ORDINARY = Claims(
    activations=HIDDEN_ACTIVATIONS,
    output_activations=("sigmoid", "tanh", "identity", "softmax"),
    losses=("squared_error", "half_squared_error", "binary_cross_entropy", "softmax_cross_entropy"),
    max_layers=3,
    max_width=7,
)
LEAKY = Claims(activations=("leaky_relu",), output_activations=("identity",), losses=("half_squared_error",), max_layers=3, max_width=7)
MISTAKES = ("element", "tensor", "constant")

Asked = Callable[[Item, Claims, Question], bool]


def by_autograd(item: Item, claims: Claims, question: Question) -> bool:
    """Our `autograd`: every element within its scatter's tolerance."""
    reference = item.reference
    found = [compare(question.claimed[n], g, reference.gradient_tolerance(n)) for n, g in reference.gradients.items()]
    return all(comparison is None or comparison.within for comparison in found)


def by_differences(item: Item, claims: Claims, question: Question) -> bool:
    """Our `finite-difference`: no line fails."""

    def points(direction: Mapping[str, Array], steps: Array) -> Array:
        moved = dict(question.parameters)
        losses = []
        for step in steps.tolist():
            for name, along in direction.items():
                start = question.parameters[name]
                moved[name] = (start.astype(np.float64) + step * along).astype(start.dtype)
            losses.append(question.loss(moved))
        return np.array(losses)

    found = check_problem(
        points,
        question.parameters,
        {name: np.asarray(gradient, dtype=np.float64) for name, gradient in question.claimed.items()},
        moves=moves_of(item.problem),
        dtype=item.problem.dtype,
        loss_scatter=item.reference.scatter.loss / machine_epsilon(item.problem.dtype),
        seed=SEED,
        index=item.index,
    )
    return found.status != "fail"


def _peer(peer: Peer) -> Asked:
    return lambda item, claims, question: peer(question)


OURS: Mapping[str, Asked] = {"ours: autograd": by_autograd, "ours: finite-difference": by_differences}
CHECKERS: Mapping[str, Asked] = {**OURS, **{name: _peer(peer) for name, peer in PEERS.items()}}


@dataclass(frozen=True)
class Subject:
    """A network with right code for it, and where its mistake will be."""

    item: Item
    claims: Claims
    question: Question
    tensor: str
    index: tuple[int, ...]

    def claiming(self, mistake: str, size: float) -> Question:
        """The same question with a wrong gradient."""
        claimed = dict(self.question.claimed)
        if mistake == "constant":
            claimed = dict(backprop(PLAIN, self.item.problem, self.claims, leaky=0.01 * (1 + size)).gradients)
        else:
            wrong = claimed[self.tensor].copy()
            where = self.index if mistake == "element" else ...
            wrong[where] *= 1 + size
            claimed[self.tensor] = wrong
        return replace(self.question, claimed=claimed)


def subjects(claims: Claims, count: int) -> list[Subject]:
    """Networks as a run draws them; the mistake stands in any element that is not zero."""
    items = draw_corpus(claims, Profile("detection", networks=count, differences=0, seed=SEED, kept=False), SEED, lambda *_: None).items
    return [subject for subject in (_subject(item, claims) for item in items) if subject is not None]


def _subject(item: Item, claims: Claims) -> Subject | None:
    problem = item.problem
    gradients = dict(backprop(PLAIN, problem, claims).gradients)
    places = [(name, tuple(place)) for name, gradient in sorted(gradients.items()) for place in np.argwhere(gradient).tolist()]
    if not places:
        return None
    tensor, index = places[int(np.random.default_rng([SEED, item.index]).integers(len(places)))]
    parameters = {name: problem.arrays[name] for name in problem.program.differentiate}

    known: dict[bytes, float] = {}  # a checker asks for the same points whatever is claimed

    def loss(moved: Mapping[str, Array]) -> float:
        key = b"".join(array.tobytes() for array in moved.values())
        if key not in known:
            known[key] = backprop(PLAIN, with_arrays(problem, moved), claims).loss
        return known[key]

    return Subject(item, claims, Question(loss, parameters, {name: gradients[name] for name in parameters}), tensor, index)


def smallest_found(subject: Subject, mistake: str, accepts: Asked) -> float:
    """The exponent of the smallest mistake that is rejected, by bisection; infinite where not even r = 1 is."""

    def found(exponent: float) -> bool:
        return not accepts(subject.item, subject.claims, subject.claiming(mistake, 10.0**exponent))

    if not found(float(EXPONENTS[-1])):
        return float("inf")
    low, high = -1, len(EXPONENTS) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(float(EXPONENTS[middle])) else (middle, high)
    return float(EXPONENTS[high])


Found = Mapping[tuple[str, str], Array]
"""By (checker, mistake): the exponent of each network on which right code is not accused."""


def measure(count: int) -> tuple[Found, dict[tuple[str, str], tuple[int, int]]]:
    """The exponents in float64, and (false alarms, networks) by checker and dtype."""
    found: dict[tuple[str, str], list[float]] = {}
    alarms: dict[tuple[str, str], tuple[int, int]] = {}
    sets = {(name, dtype): subjects(replace(c, dtypes=(dtype,)), count) for name, c in _CLAIMS for dtype in ("float64", "float32")}
    tell, done = progress("networks", sum(len(several) for several in sets.values())), 0
    for (name, dtype), several in sets.items():
        for subject in several:
            for checker, accepts in CHECKERS.items():
                right = accepts(subject.item, subject.claims, subject.question)
                before = alarms.get((checker, dtype), (0, 0))
                alarms[checker, dtype] = (before[0] + (not right), before[1] + 1)
                for mistake in MISTAKES if dtype == "float64" else ():
                    if (mistake == "constant") == (name == "leaky"):
                        exponents = found.setdefault((checker, mistake), [])
                        exponents += [smallest_found(subject, mistake, accepts)] if right else []
            done += 1
            tell(done)
    return {key: np.array(exponents) for key, exponents in found.items()}, alarms


_CLAIMS = (("ordinary", ORDINARY), ("leaky", LEAKY))


def over_ten(exponents: Array, at: float) -> float:
    """The probability that ten networks find a mistake of this size, from the share of networks that does."""
    share = float((exponents <= at).mean()) if len(exponents) else 0.0
    return 1 - (1 - share) ** 10


def smallest_over_ten(exponents: Array) -> str:
    """The smallest mistake that ten networks find with 99.9 %."""
    enough = [exponent for exponent in EXPONENTS.tolist() if len(exponents) and (exponents <= exponent).mean() >= ENOUGH]
    return f"{10.0 ** enough[0]:.0e}" if enough else "-"


def report(found: Found, alarms: Mapping[tuple[str, str], tuple[int, int]]) -> str:
    """The tables."""
    rows = [(checker, *(smallest_over_ten(found[checker, mistake]) for mistake in MISTAKES)) for checker in CHECKERS]
    ninths = [(c, *(_shares(found[c, "element"], r) for r in (1e-12, 1e-9, 1e-6, 1e-4, 1e-2))) for c in CHECKERS]
    wrong = [(checker, *(f"{alarms[checker, d][0]} of {alarms[checker, d][1]}" for d in ("float64", "float32"))) for checker in CHECKERS]
    counts = ", ".join(f"{len(found['ours: autograd', mistake])} for the {mistake}" for mistake in MISTAKES)
    return "\n".join(
        [
            f"Detection of planted mistakes. Seed {SEED}, float64 networks: {counts}.",
            versions("numpy", "torch", "jax", "autograd", "scipy"),
            "",
            table(rows, ("smallest r found by 10 networks, 99.9 %", *MISTAKES)),
            "",
            table(ninths, ("share of networks that find one element", "1e-12", "1e-9", "1e-6", "1e-4", "1e-2")),
            "",
            table(wrong, ("false alarms on right code", "float64", "float32")),
        ]
    )


def _shares(exponents: Array, size: float) -> str:
    return f"{(exponents <= np.log10(size) + 1e-9).mean():.0%}" if len(exponents) else "-"


def paint(found: Found) -> Any:
    """The probability over ten networks against the size of the mistake, a panel a mistake."""

    def on(panels: Any) -> None:
        for panel, mistake in zip(panels, MISTAKES, strict=True):
            for checker in CHECKERS:
                ours = checker in OURS
                values = [over_ten(found[checker, mistake], exponent) for exponent in EXPONENTS.tolist()]
                panel.plot(10.0**EXPONENTS, values, linewidth=2.2 if ours else 1.1, linestyle="-" if ours else "--", label=checker)
            panel.set(xscale="log", xlabel=f"relative size of the mistake: {mistake}")
            panel.grid(alpha=0.3)
        panels[0].set_ylabel("found over 10 networks")
        panels[-1].legend(frameon=False, fontsize=7, loc="upper left")

    return on


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=40)
    found, alarms = measure(parser.parse_args().networks)
    publish("detection", report(found, alarms))
    draw("detection", paint(found), size=(12.0, 4.0), panels=len(MISTAKES), share=True)


if __name__ == "__main__":
    main()
