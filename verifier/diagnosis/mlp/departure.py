"""The first of the equations that departs from the truth, from gradients alone.

On a batch of one the bias gradient *is* δ, and the weight gradient is δ aᵀ. From the output back each equation is judged on its own
premises: the recursion is given the candidate's own δ of the layer above, so that a mistake is counted once, where it is made. Only where
single samples are right is the batch held against the sum of the candidate's own singles. Without biases δ must be read from the weight
gradient, which tells it only where that has rank one: what it says then is weaker, and it accuses nobody where it cannot tell.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, data_part
from verifier.diagnosis.mlp.catalogue.pieces import right_slope
from verifier.diagnosis.mlp.probing import Ask, ask_about, draw_probes, sample_batches
from verifier.oracles.reference import Answered
from verifier.problems.operations import exact
from verifier.problems.program import machine_epsilon
from verifier.results.equations import EQUATIONS
from verifier.textbook import Applied
from verifier.tolerance import safety

PROBES = 12
BATCHES = 8
SAMPLES = 2  # of a wrong network, each asked alone
LONG = 9  # samples, where batches of two to five are right


@dataclass(frozen=True)
class Wrong:
    """One equation that does not hold on one network: where, what the candidate has, what its own premises give."""

    equation: str
    layer: int
    claimed: FloatArray
    expected: FloatArray


@dataclass(frozen=True)
class Departure:
    """What the equations tell over all networks that were asked.

    Attributes:
        equation: the first that departs, in the order of backpropagation; None where nothing shows it.
        equations: all that depart, each on its own premises.
        layers: in which layers the first one does, as often as seen: `output`, `hidden`, `first`.
        batch: whether single samples are right and only batches are wrong.
        undecided: whether the weights' and the biases' gradients contradict each other before any equation is seen to depart.
        weak: whether there were no biases to read δ from.
        networks: how many were asked, and `showing` how many were wrong.
    """

    equation: str | None
    equations: tuple[str, ...]
    batch: bool = False
    undecided: bool = False
    weak: bool = False
    networks: int = 0
    showing: int = 0


def find_departure(claims: Claims, ask: Ask, *, seed: int) -> Departure:
    """The first wrong equation, by networks of one sample drawn for the purpose, then by batches."""
    answered = list(ask_about(draw_probes(claims, seed=seed, count=PROBES, batch=1), ask))
    found = [wrong_equations(one, claims) for one in answered]
    departure = _counted(found, weak=claims.bias == "none")
    if departure.showing or claims.batch == "single":
        return departure
    departure = _of_batches(claims, ask, seed=seed)
    return departure if departure.showing else _of_batches(claims, ask, seed=seed, batch=LONG)


def find_departure_among(wrong: Sequence[Answered], claims: Claims, ask: Ask) -> Departure:
    """The first wrong equation on single samples of wrong networks, where none shows on small ones: a fault of deep networks."""
    singles = [single for one in wrong[:BATCHES] for single in (sample_batches(one, claims, ask) or ())[:SAMPLES]]
    return _counted([wrong_equations(one, claims) for one in singles], weak=claims.bias == "none")


def signature(one: Answered, claims: Claims) -> tuple[str, ...]:
    """The wrong equations of one network with one sample; empty where it is right, or has a larger batch."""
    if one.problem.arrays["x"].shape[0] != 1:
        return ("batch",)
    return tuple(dict.fromkeys(wrong.equation for wrong in wrong_equations(one, claims)))


def _counted(found: Sequence[Sequence[Wrong]], *, weak: bool) -> Departure:
    """The equations that are wrong on most of the networks that are wrong at all."""
    showing = [network for network in found if network]
    votes = Counter(equation for network in showing for equation in {wrong.equation for wrong in network})
    votes.pop("undecided", 0)
    undecided = sum(network[0].equation == "undecided" for network in showing)  # from the output back: nothing was decided before it
    equations = tuple(equation for equation in EQUATIONS if votes[equation] and 3 * votes[equation] >= len(showing))
    firsts = Counter(network[0].equation for network in showing)
    # The first of a network is the one that its lines by hand show first; where that differs, the order of the equations is kept.
    equations = tuple(sorted(equations, key=lambda equation: -firsts[equation]))
    first = equations[0] if equations and undecided < len(showing) else None
    return Departure(first, equations, undecided=bool(undecided), weak=weak, networks=len(found), showing=len(showing))


def wrong_equations(one: Answered, claims: Claims) -> list[Wrong]:
    """From the output back, the equations that a batch-of-one answer breaks, each on the candidate's own premises."""
    return _read(one, claims)[0]


def read_deltas(one: Answered, claims: Claims, *, products_right: bool = False) -> dict[int, FloatArray]:
    """The candidate's own δ of each layer, as a batch-of-one answer tells it; nothing for larger batches.

    Args:
        products_right: whether the weight gradients are known to be δ aᵀ with the right a: then they tell δ where nothing else does.
    """
    if one.problem.arrays["x"].shape[0] != 1:
        return {}
    deltas = _read(one, claims)[1]
    for layer in range(architecture_of(one.problem).layers) if products_right else ():
        reading = _reading(one, layer, data_part(one.claimed.gradients, one.problem), claims)
        delta = None if layer in deltas else reading.delta_of_weights()
        if delta is not None:
            deltas[layer] = delta
    return deltas


@np.errstate(all="ignore")
def _read(one: Answered, claims: Claims) -> tuple[list[Wrong], dict[int, FloatArray]]:
    architecture = architecture_of(one.problem)
    gradients = data_part(one.claimed.gradients, one.problem)
    found: list[Wrong] = []
    deltas: dict[int, FloatArray] = {}
    above: FloatArray | None = None
    for layer in reversed(range(architecture.layers)):
        expected, allowed = _expected(one, layer, above, claims)
        reading = _reading(one, layer, gradients, claims)
        delta, wrong = reading.judge(expected, allowed)
        if delta is None and wrong and layer:
            delta, wrong = _settled_below(reading, one, claims, expected, allowed) or (None, wrong)
        found += wrong
        if delta is None:
            break
        above = deltas[layer] = delta
        if not np.isfinite(delta).all():
            break  # of the layers below nothing follows from it
    return found, deltas


def _reading(one: Answered, layer: int, gradients: Mapping[str, FloatArray], claims: Claims) -> "_Reading":
    below = one.problem.arrays["x"] if layer == 0 else one.reference.stages[f"activations[{layer - 1}]"]
    return _Reading(one, layer, gradients, np.asarray(below[0], dtype=np.float64), claims)


def _settled_below(
    reading: "_Reading", one: Answered, claims: Claims, expected: FloatArray, allowed: FloatArray
) -> tuple[FloatArray, list[Wrong]] | None:
    """Where weights and biases contradict each other and neither gives the right δ: the reading with which the layer below is right."""
    layer = reading.layer - 1
    lower = _reading(one, layer, reading.gradients, claims)
    for delta, culprit in ((reading.of_biases, "weight-gradient"), (reading.delta_of_weights(), "bias-gradient")):
        if delta is None:
            continue
        carried, wrong = lower.judge(*_expected(one, layer, delta, claims))
        if carried is not None and not wrong:
            return delta, [*reading.delta_wrong(delta, expected, allowed), reading.wrong(culprit, expected)]
    return None


@dataclass(frozen=True)
class _Reading:
    """The gradients of one layer, read as a δ."""

    one: Answered
    layer: int
    gradients: Mapping[str, FloatArray]
    below: FloatArray
    claims: Claims

    @property
    def of_biases(self) -> FloatArray | None:
        return self.gradients.get(f"biases[{self.layer}]")

    def judge(self, expected: FloatArray, allowed: FloatArray) -> tuple[FloatArray | None, list[Wrong]]:
        """The candidate's δ of this layer, or None where it cannot be read, and the equations that are wrong."""
        of_weights = self.delta_of_weights()
        if self.claims.bias == "none":
            return self._judge_without_bias(of_weights, expected, allowed)
        of_biases = self.of_biases
        assert of_biases is not None
        slack_b = self._slack("biases")
        if self._is_not_finite(of_biases):
            return of_biases, self.delta_wrong(of_biases, expected, allowed)
        if self._fits_weights(of_biases):
            return of_biases, self.delta_wrong(of_biases, expected, allowed + slack_b)
        if _within(of_biases, expected, allowed + slack_b):
            return of_biases, [self.wrong("weight-gradient", expected)]
        if of_weights is not None and _within(of_weights, expected, allowed + self._slack("weights")):
            return of_weights, [self.wrong("bias-gradient", expected)]
        return None, [self.wrong("undecided", expected)]

    def _is_not_finite(self, delta: FloatArray) -> bool:
        """Whether some δ is NaN or infinite, and its products are those of just that number."""
        lost = ~np.isfinite(delta)
        products = delta[lost][:, None] * self.below[None, :]
        return bool(lost.any()) and np.array_equal(self.gradients[f"weights[{self.layer}]"][lost], products, equal_nan=True)

    def _judge_without_bias(
        self, of_weights: FloatArray | None, expected: FloatArray, allowed: FloatArray
    ) -> tuple[FloatArray | None, list[Wrong]]:
        """Accuses δ only where the gradient has rank one with the right factor in two places at least, else the product, else nobody."""
        if self.below.size < 2 or np.count_nonzero(self.below) < 2:
            if of_weights is not None and _within(of_weights, expected, allowed + self._slack("weights")):
                return of_weights, []
            return None, []
        if of_weights is None:
            return None, [self.wrong("weight-gradient", expected)]
        return of_weights, self.delta_wrong(of_weights, expected, allowed + self._slack("weights"))

    def delta_wrong(self, delta: FloatArray, expected: FloatArray, allowed: FloatArray) -> list[Wrong]:
        if _within(delta, expected, allowed):
            return []
        last = architecture_of(self.one.problem).layers - 1
        return [Wrong("output-delta" if self.layer == last else "hidden-delta", self.layer, delta, expected)]

    def wrong(self, equation: str, expected: FloatArray) -> Wrong:
        return Wrong(equation, self.layer, self.gradients[f"weights[{self.layer}]"], expected)

    def delta_of_weights(self) -> FloatArray | None:
        """∂L/∂W · a/(a·a), where that is δ: the gradient must have rank one with this factor."""
        length = float(self.below @ self.below)
        if length == 0:
            return None
        gradient = self.gradients[f"weights[{self.layer}]"]
        delta: FloatArray = gradient @ self.below / length
        return delta if self._fits_weights(delta) else None

    def _fits_weights(self, delta: FloatArray) -> bool:
        gradient = self.gradients[f"weights[{self.layer}]"]
        outer = delta[:, None] * self.below[None, :]
        size = safety(self.one.reference.longest) * machine_epsilon(self.one.problem.dtype)
        penalty = np.abs(self.one.claimed.gradients[f"weights[{self.layer}]"] - gradient)
        allowed = self._tolerance("weights") + 4 * size * (np.abs(outer) + penalty)
        return _within(gradient, outer, allowed + self._tolerance("biases")[:, None] * np.abs(self.below)[None, :])

    def _tolerance(self, kind: str) -> FloatArray:
        name = f"{kind}[{self.layer}]"
        if name not in self.gradients:
            return np.zeros(self.gradients[f"weights[{self.layer}]"].shape[0])
        return self.one.reference.gradient_tolerance(name) + self.one.claimed.rounding.get(name, 0.0)

    def _slack(self, kind: str) -> FloatArray:
        """What the tolerance of the gradient does to the δ that is read from it."""
        if kind == "biases":
            return self._tolerance("biases")
        length = float(self.below @ self.below)
        return (self._tolerance("weights") @ np.abs(self.below)) / length


def _within(claimed: FloatArray, expected: FloatArray, allowed: FloatArray) -> bool:
    # A comparison with NaN is false: what is not finite is not within.
    return bool(np.all(np.abs(claimed - expected) <= allowed))


def _expected(one: Answered, layer: int, above: FloatArray | None, claims: Claims) -> tuple[FloatArray, FloatArray]:
    """δ of a layer by its equation, from the candidate's own δ above, and what rounding may do to it."""
    name = f"deltas[{layer}]"
    if above is None:
        return one.reference.stages[name][0], one.reference.stage_tolerance(name)[0]
    weights = np.asarray(one.problem.arrays[f"weights[{layer + 1}]"], dtype=np.float64)
    slope, blur = _slope(one, layer)
    carried, size = above @ weights, np.abs(above) @ np.abs(weights)
    factor = safety(one.reference.longest) * machine_epsilon(one.problem.dtype)
    return carried * slope, 2 * factor * size * (np.abs(slope) + blur)


def _slope(one: Answered, layer: int) -> tuple[FloatArray, float]:
    """σ' of a layer at the right z, through a clip where one is claimed, and how far rounding moves it (in ε: 1 where σ is smooth)."""
    values = one.reference.stages
    slope = np.ones(values[f"pre_activations[{layer}]"].shape)
    smooth = False
    argument = values[f"pre_activations[{layer}]"]
    for node in one.problem.program.nodes:
        if node.inputs[:1] == (f"pre_activations[{layer}]",) and node.operation == "clip_preactivation":
            bound = node.attributes["bound"]
            slope = slope * (np.abs(argument) < bound)
            argument = np.clip(argument, -bound, bound)
        if node.output == f"activations[{layer}]":
            applied = Applied(node, (argument,), values[node.output], np.ones_like(argument), values, {}, exact)
            own = right_slope(applied)
            slope = slope if own is None else slope * own
            smooth = node.operation in ("sigmoid", "tanh", "softplus")
    return slope[0], 1.0 if smooth else 0.0


def _of_batches(claims: Claims, ask: Ask, *, seed: int, batch: int | None = None) -> Departure:
    """The candidate's batches against the sum of its own singles: which of the sums is wrong."""
    found: list[set[tuple[str, str]]] = []
    asked = 0
    for one in ask_about(draw_probes(claims, seed=seed, count=BATCHES, batch=batch), ask):
        singles = sample_batches(one, claims, ask)
        if singles is None:
            continue
        asked += 1
        kinds = _kinds_that_do_not_add_up(one, singles, claims)
        if kinds:
            found.append(kinds)
    votes = Counter(kind for kinds in found for kind in kinds)
    wrong = {kind for kind, count in votes.items() if 2 * count >= len(found)}
    equations = _equations_of_sums(wrong, biased=claims.bias != "none")
    return Departure(equations[0] if equations else None, equations, batch=bool(found), networks=asked, showing=len(found))


def _equations_of_sums(wrong: set[tuple[str, str]], *, biased: bool) -> tuple[str, ...]:
    """Of sums over the batch, by kind and place: δ where both kinds of a place are wrong and those above are right, else the products."""
    products = tuple(f"{kind}-gradient" for kind in ("weight", "bias") if {(kind, "output"), (kind, "hidden")} & wrong)
    for place, delta in (("output", "output-delta"), ("hidden", "hidden-delta")):
        kinds = {kind for kind, where in wrong if where == place}
        if kinds:
            return (delta, *products) if biased and kinds == {"weight", "bias"} else products
    return products


@np.errstate(all="ignore")
def _kinds_that_do_not_add_up(one: Answered, singles: Sequence[Answered], claims: Claims) -> set[tuple[str, str]]:
    last = architecture_of(one.problem).layers - 1
    share = 1.0 if claims.reduction == "sum" else 1.0 / len(singles)
    whole = data_part(one.claimed.gradients, one.problem)
    parts = [data_part(single.claimed.gradients, single.problem) for single in singles]
    epsilon = safety(one.reference.longest) * machine_epsilon(one.problem.dtype)
    wrong = set()
    for name, gradient in whole.items():
        total = share * np.asarray(sum(part[name] for part in parts))
        allowed = one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0)
        for single, part in zip(singles, parts, strict=True):
            own = single.reference.gradient_tolerance(name) + single.claimed.rounding.get(name, 0.0)
            allowed = allowed + share * (own + epsilon * np.abs(part[name]))
        if not _within(gradient, total, allowed):
            place = "output" if name.endswith(f"[{last}]") else "hidden"
            wrong.add(("weight" if name.startswith("weights") else "bias", place))
    return wrong
