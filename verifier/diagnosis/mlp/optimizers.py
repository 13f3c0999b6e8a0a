"""Which optimiser's rule do steps follow? From paths of steps: the rules of `torch.optim` with usual options, and what is fitted.

Momentum, weight decay and a falling rate are read off the first two steps; the constants of rules that normalise are those that people
type. Each rule is then held to every step of every path, at the tolerance of PyTorch's own step.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of
from verifier.counting import counted
from verifier.oracles.reference import Reference
from verifier.oracles.steps import Path
from verifier.problems.operations import exact
from verifier.problems.optimizer_twists import Twist, twists_of
from verifier.problems.optimizers import Rule, State, take_step
from verifier.problems.program import machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import SAFETY

LEAST_STEPS = 4  # of a path: fewer show no rule
NEAR = 1e-6  # of what a tensor moved: a filter before the tolerances
TWIST_SLACK = 4.0  # a twist is computed plainly, with last bits of its own
EPSILONS = (1e-8, 1e-7, 1e-6, 1e-10, 1e-9, 1e-5, 1e-12, 1e-4, 1e-3, 1e-16, 0.0)
BETAS = ((0.9, 0.999), (0.9, 0.99), (0.9, 0.95), (0.5, 0.999), (0.95, 0.999), (0.8, 0.999), (0.9, 0.9))
DECAYS = (1e-2, 1e-4, 1e-3, 0.1, 5e-4, 0.05)
FORMULAS = {
    "sgd": "W ← W - η ∂L/∂W",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "rmsprop": "RMSProp",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
}


@np.errstate(all="ignore")
def explain_by_a_rule(paths: Sequence[Path], claimed: Rule | None, *, seed: int, right_gradients: bool = False) -> Diagnosis | None:
    """The rule that all paths follow, where that is not the claimed one; or the claimed one with one mistake in it; None for neither.

    `right_gradients`: whether gradients were asked for beside the steps, and are right.
    """
    long = [path for path in paths if len(path.afters) >= LEAST_STEPS]
    if not long or len(long) < len(paths):
        return None
    if not any(_flat(path, count, "moved").any() for path in long for count in range(len(path.afters))):
        most = max(architecture_of(path.problems[0]).batch for path in long)
        text = (
            f"`update` moves nothing, with up to {counted(most, 'sample')}: it returns every parameter as it was. "
            "Is what it steps along zero, or is the step lost on the way out?"
        )
        return Diagnosis("update-moves-nothing", "update", text)
    rule = find_rule(long, seed=seed)
    if rule is not None:
        return None if rule == claimed or (claimed is None and rule.plain) else _diagnosis(rule, claimed)
    before = _of_the_gradient_before(long)
    if before is not None:
        return before
    if claimed is None or claimed.plain:
        return None
    for twist in twists_of(claimed):
        if all(_twisted(twist, claimed, path, seed=seed) for path in long):
            return Diagnosis("update-rule-with-a-mistake", "update", f"The steps are nearly those of {name_rule(claimed)}. {twist.says}")
    return _of_a_factor(long, claimed, seed=seed) or _where(long, claimed, seed=seed, right_gradients=right_gradients)


def _of_the_gradient_before(paths: Sequence[Path]) -> Diagnosis | None:
    """W ← W - (η g + c g'), g' the gradient of the step before: momentum as it is often written, which keeps no velocity."""
    share = _part(_flat(paths[0], 1, "moved") - paths[0].rate * _flat(paths[0], 1, "gradient"), _flat(paths[0], 0, "gradient"))
    share = _typed(share)
    if not share or not all(_adds_the_gradient_before(path, share) for path in paths):
        return None
    text = (
        f"Each step adds {share:g} times the gradient of the step before: W ← W - (η g + {share:g} g'), and nothing of those before it. "
        "Momentum keeps a velocity, v ← μ v + g and W ← W - η v."
    )
    return Diagnosis("gradient-of-the-step-before", "update", text)


def _adds_the_gradient_before(path: Path, share: float) -> bool:
    epsilon = SAFETY * machine_epsilon(path.problems[0].dtype)
    for count, after in enumerate(path.afters):
        for name, value in after.items():
            before = np.asarray(path.problems[count].arrays[name], dtype=np.float64)
            parts = [(path.rate, path.references[count]), *([(share, path.references[count - 1])] if count else [])]
            right = sum(factor * reference.gradients[name] for factor, reference in parts)
            allowed = sum(abs(factor) * reference.gradient_tolerance(name) for factor, reference in parts)
            if not np.all(np.abs(before - value - right) <= allowed + epsilon * (np.abs(before) + np.abs(right))):
                return False
    return True


def _of_a_factor(paths: Sequence[Path], claimed: Rule, *, seed: int) -> Diagnosis | None:
    """The claimed rule along the gradient times a constant."""
    if claimed.normalises:
        return None
    start = _first_step(claimed, paths[0], seed=seed)
    factor = _typed(_part(_flat(paths[0], 0, "moved"), start))
    scaled = [_scaled(path, factor) for path in paths]
    if not factor or not all(_is_near(claimed, path) and follows(claimed, path, seed=seed) for path in scaled):
        return None
    text = f"The steps are those of {name_rule(claimed)} along {factor:g} times the gradient. Look where the output's δ is made."
    return Diagnosis("update-along-a-multiple", "update", text)


def _first_step(rule: Rule, path: Path, *, seed: int) -> FloatArray:
    """What the rule's first step moves all parameters by, in a row."""
    first = replace(path, problems=path.problems[:1], references=path.references[:1], afters=path.afters[:1])
    (stepped,) = first.judged_by(rule, seed=seed)
    befores = path.problems[0].arrays
    return np.concatenate([np.ravel(np.asarray(befores[name], dtype=np.float64) - after) for name, after in stepped.parameters.items()])


def _scaled(path: Path, factor: float) -> Path:
    def times(reference: Reference) -> Reference:
        gradients = {name: factor * gradient for name, gradient in reference.gradients.items()}
        scatters = {name: abs(factor) * scatter for name, scatter in reference.scatter.gradients.items()}
        evaluation = replace(reference.evaluation, gradients=gradients)
        return replace(reference, evaluation=evaluation, scatter=replace(reference.scatter, gradients=scatters))

    return replace(path, references=[times(reference) for reference in path.references])


def tell_carried(paths: Sequence[Path], *, seed: int) -> Diagnosis | None:
    """That each path's first step is the plain one and later ones are not, where that is so."""
    plain = Rule("sgd")
    if not paths or _wrong_at_first(paths, plain, seed=seed) or all(follows(plain, path, seed=seed) for path in paths):
        return None
    text = (
        "The first step of each path is W - η ∂L/∂W, and later ones are not: something is carried from one step to the next. "
        "It follows no rule of an optimiser that is known here; the manifest claims none."
    )
    return Diagnosis("no-known-mistake", "update", text)


def _where(paths: Sequence[Path], claimed: Rule, *, seed: int, right_gradients: bool) -> Diagnosis:
    """Whether a path's first step is wrong, and in which layers; else what is carried is."""
    wrong = _wrong_at_first(paths, claimed, seed=seed)
    if not wrong:
        text = "The first step of each path is right, and later ones are not: what is carried from step to step is wrong."
    else:
        layers = {"output": "in the output layer alone", "below": "in the layers below the output alone"}
        place = layers[wrong.pop()] if len(wrong) == 1 else "in the output layer and in those below"
        then = "; the gradients are right, so it is the rule." if right_gradients else ": look at the gradients first."
        text = f"The first step of a path is wrong already, {place}{then}"
    return Diagnosis("no-known-mistake", "update", f"The steps are not those of {name_rule(claimed)}. {text}")


def _wrong_at_first(paths: Sequence[Path], claimed: Rule, *, seed: int) -> set[str]:
    """Where the first steps are not the rule's: in the `output` layer, `below` it, both or neither."""
    wrong: set[str] = set()
    for path in paths:
        last = architecture_of(path.problems[0]).layers - 1
        stepped = path.judged_by(claimed, seed=seed)[0]
        for name, value in path.afters[0].items():
            if not np.all(np.abs(value - stepped.parameters[name]) <= stepped.allowed(name, path.problems[0].dtype)):
                wrong.add("output" if name.endswith(f"[{last}]") else "below")
    return wrong


@np.errstate(all="ignore")
def find_rule(paths: Sequence[Path], *, seed: int) -> Rule | None:
    """The first rule that every path follows, or None."""
    for rule in _hypotheses(paths[0]):
        if all(_is_near(rule, path) for path in paths) and all(follows(rule, path, seed=seed) for path in paths):
            return rule
    return None


def _diagnosis(rule: Rule, claimed: Rule | None) -> Diagnosis:
    fault = "update-with-momentum" if rule.name == "sgd" and rule.options["momentum"] else "update-by-another-rule"
    return Diagnosis(fault, "update", tell_rule(rule, claimed))


def tell_rule(rule: Rule, claimed: Rule | None) -> str:
    """By which rule `update` steps, what the manifest claims, and the line that declares it."""
    said = "The manifest claims no optimiser" if claimed is None else f"The manifest claims {name_rule(claimed)}"
    return f"`update` steps by {describe_rule(rule)}. {said}; if this rule is meant, declare it: `{rule.manifest_line}`."


def name_rule(rule: Rule) -> str:
    """A rule as a manifest says it: `adam`, `sgd (momentum = 0.9)`."""
    return f"{rule.name} ({', '.join(f'{key} = {value}' for key, value in rule.said)})" if rule.said else rule.name


def describe_rule(rule: Rule) -> str:
    """A rule in words: `momentum 0.9, kept from step to step`."""
    options = rule.options
    if rule.name != "sgd":
        constants = ", ".join(f"{key} = {value}" for key, value in options.items() if key in ("betas", "alpha", "rho", "eps"))
        return f"{FORMULAS[rule.name]} ({constants}), whose averages go on from step to step"
    parts = []
    if options["momentum"]:
        kind = "Nesterov's momentum" if options["nesterov"] else "momentum"
        of = " of averaged gradients" if options["velocity"] == "average" else ""
        parts.append(f"{kind} {options['momentum']:g}{of}, kept from step to step")
    if options["weight_decay"]:
        parts.append(f"weight decay {options['weight_decay']:g}")
    if options["lr_decay"]:
        parts.append(f"a rate that falls as η / (1 + {options['lr_decay']:g} t)")
    if options["gamma"] != 1:
        each = "each step" if options["step_size"] == 1 else f"every {options['step_size']} steps"
        parts.append(f"a rate that is multiplied by {options['gamma']:g} {each}")
    return " and ".join(parts) or f"plain gradient descent, {FORMULAS['sgd']}, which carries nothing from step to step"


def _hypotheses(path: Path) -> Iterator[Rule]:
    """Rules that a path may follow, those that are read off it first."""
    yield Rule("sgd")
    yield from _fitted(path)
    for epsilon in EPSILONS:
        eps = () if epsilon == 1e-8 else (("eps", epsilon),)
        for betas in BETAS:
            both = () if betas == (0.9, 0.999) else (("betas", betas),)
            yield Rule("adam", (*both, *eps))
            yield Rule("adam", (*both, *eps, ("amsgrad", True)))
            yield Rule("adamax", (*both, *eps))
            for decay in DECAYS:
                yield Rule("adamw", (*both, *eps, ("weight_decay", decay)))
                yield Rule("adam", (*both, *eps, ("weight_decay", decay)))
        for alpha in (0.99, 0.9, 0.999, 0.95):
            first = () if alpha == 0.99 else (("alpha", alpha),)
            yield Rule("rmsprop", (*first, *eps))
            yield Rule("rmsprop", (*first, *eps, ("momentum", 0.9)))
            yield Rule("rmsprop", (*first, *eps, ("centered", True)))
        yield Rule("adagrad", () if epsilon == 1e-10 else (("eps", epsilon),))
        for rho in (0.9, 0.95, 0.99):
            first = () if rho == 0.9 else (("rho", rho),)
            yield Rule("adadelta", (*first, *(() if epsilon == 1e-6 else (("eps", epsilon),))))


def _fitted(path: Path) -> Iterator[Rule]:
    """Momentum in its forms, weight decay and a falling rate, as the first steps show them."""
    moved = [_flat(path, count, "moved") / path.rate for count in range(len(path.afters))]
    gradients = [_flat(path, count, "gradient") for count in range(len(path.afters))]
    befores = [_flat(path, count, "before") for count in range(len(path.afters))]
    share, decay = _shares(moved[0], gradients[0], befores[0])
    decay = _typed(decay / share) if share else 0.0
    for weight_decay in dict.fromkeys((0.0, decay)):
        said: tuple[tuple[str, Any], ...] = (("weight_decay", weight_decay),) if abs(weight_decay) > NEAR else ()
        pulls = [gradient + weight_decay * before for gradient, before in zip(gradients, befores, strict=True)]
        if said:
            yield Rule("sgd", said)
        momentum = _typed(_part(moved[1] - pulls[1], moved[0]))
        if NEAR < abs(momentum) < 1:
            for velocity in ((), (("velocity", "step"),)):
                yield Rule("sgd", (("momentum", momentum), *velocity, *said))
        nesterov = _typed(share - 1)
        if NEAR < nesterov < 1:
            yield Rule("sgd", (("momentum", nesterov), ("nesterov", True), *said))
        average = _typed(1 - share)
        if NEAR < average < 1:
            yield Rule("sgd", (("momentum", average), ("velocity", "average"), *said))
        rates = [_part(one, pull) for one, pull in zip(moved, pulls, strict=True)]
        yield from _falling(rates, said)


def _falling(rates: Sequence[float], said: tuple[tuple[str, Any], ...]) -> Iterator[Rule]:
    """A rate that falls by a law: η / (1 + d t), or by a factor each so many steps."""
    if not rates[1] or abs(rates[0] - 1) > NEAR:
        return
    if abs(rates[1] - 1) > NEAR:
        yield Rule("sgd", (("lr_decay", _typed(1 / rates[1] - 1)), *said))
    changed = next((count for count, rate in enumerate(rates) if abs(rate - 1) > NEAR), None)
    if changed is not None:
        each = () if changed == 1 else (("step_size", changed),)
        yield Rule("sgd", (("gamma", _typed(rates[changed])), *each, *said))


def _shares(moved: FloatArray, gradient: FloatArray, before: FloatArray) -> tuple[float, float]:
    """How much of the gradient and of the parameter a step takes."""
    columns = np.stack([gradient, before], axis=1)
    found = np.linalg.lstsq(columns, moved, rcond=None)[0] if np.isfinite(columns).all() and np.isfinite(moved).all() else np.zeros(2)
    return float(found[0]), float(found[1])


def _part(of: FloatArray, direction: FloatArray) -> float:
    square = float(direction @ direction)
    return float(of @ direction) / square if square > 0 else 0.0


def _typed(value: float) -> float:
    """As somebody would have typed it: in six digits at most."""
    return float(f"{value:.6g}") if np.isfinite(value) else 0.0


def _flat(path: Path, count: int, what: str) -> FloatArray:
    """All parameters of a step in a row: what they moved by, where they stood, or their gradients."""
    names = list(path.afters[0])
    befores: dict[str, FloatArray] = {name: np.asarray(path.problems[count].arrays[name], dtype=np.float64) for name in names}
    parts: dict[str, dict[str, FloatArray]] = {
        "before": befores,
        "moved": {name: before - path.afters[count][name] for name, before in befores.items()},
        "gradient": dict(path.references[count].evaluation.gradients),
    }
    return np.concatenate([np.ravel(parts[what][name]) for name in names])


def _is_near(rule: Rule, path: Path) -> bool:
    """Whether the rule's plain form comes near each step: few rules do, and only these are worth PyTorch's time."""
    states: dict[str, State] = {name: {} for name in path.afters[0]}
    epsilon = SAFETY * machine_epsilon(path.problems[0].dtype)
    for count, after in enumerate(path.afters):
        rate = rule.rate(path.rate, count)
        for name, value in after.items():
            before = np.asarray(path.problems[count].arrays[name], dtype=np.float64)
            gradient = path.references[count].evaluation.gradients[name]
            right = take_step(rule, before, gradient, states[name], rate=rate, count=count, store=exact)
            decided = ~(rule.normalises & (np.abs(gradient) <= SAFETY * path.references[count].scatter.gradients[name] / NEAR))
            allowed = NEAR * np.max(np.abs(right - before), initial=0.0) + epsilon * np.abs(before)
            if not np.all(np.abs(value - right)[decided] <= np.broadcast_to(allowed, value.shape)[decided]):
                return False
    return True


def follows(rule: Rule, path: Path, *, seed: int) -> bool:
    """Whether each step of the path is the rule's, at the tolerance of PyTorch's own step."""
    dtype = path.problems[0].dtype
    return all(
        bool(np.all(np.abs(value - stepped.parameters[name]) <= stepped.allowed(name, dtype)))
        for after, stepped in zip(path.afters, path.judged_by(rule, seed=seed), strict=True)
        for name, value in after.items()
    )


def _twisted(twist: Twist, rule: Rule | None, path: Path, *, seed: int) -> bool:
    """Whether a rule with this mistake predicts the whole path from its start."""
    assert rule is not None
    dtype, steps = path.problems[0].dtype, path.judged_by(rule, seed=seed)
    for name in path.afters[0]:
        gradients = np.stack([reference.gradients[name] for reference in path.references])
        start = np.asarray(path.problems[0].arrays[name], dtype=np.float64)
        walked = twist.walk({**rule.options, "lr": path.rate}, start, gradients)
        slack = list(itertools.accumulate(TWIST_SLACK * stepped.allowed(name, dtype) for stepped in steps))
        for predicted, after, allowed in zip(walked, path.afters, slack, strict=True):
            if not np.all(np.abs(predicted - after[name]) <= allowed):
                return False
    return True
