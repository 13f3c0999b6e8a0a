"""An optimiser's step along a path, beside `torch.optim`: the first step that departs, and which twist of the rule predicts the path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import Arrays, Exchange
from verifier.checks.layer.raised import Raised
from verifier.contracts.layer.claims import LayerClaims
from verifier.oracles.layer_operations.kept import Answers
from verifier.oracles.steps import Stepped
from verifier.problems.optimizer_twists import Twist, twists_of
from verifier.problems.sizes import parse_shape

STEPS = 50
SIZES: Mapping[str, int] = {"N": 3, "D": 4}
PATHS = 3
TWIST_SLACK = 4.0  # a twist is computed plainly, with last bits of its own


@dataclass(frozen=True)
class Strayed:
    """Where a path departs: the parameter, the step (from 1), the worst element there, and what explains it."""

    parameter: str
    step: int
    index: tuple[int, ...]
    claimed: float
    right: float
    tolerance: float
    twist: Twist | None


def walk(
    claims: LayerClaims, exchange: Exchange, describe: Any, references: Answers, *, seed: int, steps: int = STEPS
) -> tuple[int, Strayed | None]:
    """Walk some paths; how many were walked, and where one departs first from every form of the rule that fitted those before.

    Raises:
        Raised: the candidate raised.
        Unanswered: the worker ended.
    """
    assert claims.optimizer is not None
    forms = list(claims.optimizer.forms)
    for path in range(PATHS):
        start, gradients = _drawn(claims, seed, path, steps)
        walked = _walked(claims, exchange, describe, start, gradients)
        each = [{name: rows[step] for name, rows in gradients.items()} for step in range(steps)]
        strays: list[Strayed] = []
        for form in list(forms):
            strayed = _first_departure(claims, walked, references.path_of(form, start, each), start, gradients)
            if strayed is None:
                continue
            strays.append(strayed)
            forms.remove(form)
        if not forms:
            return path + 1, strays[0]
    return PATHS, None


def _drawn(claims: LayerClaims, seed: int, path: int, steps: int) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Where the path begins and each step's gradient; sizes of gradients from small to large."""
    generator = np.random.default_rng([seed, path])
    start: dict[str, FloatArray] = {}
    gradients: dict[str, FloatArray] = {}
    for name in claims.path.gradients:
        shape = claims.shapes.get(name, parse_shape("N D")).of({**dict.fromkeys("ABCEFGHIJKLMOPQRSTUVWXYZ", 2), **SIZES})
        start[name] = generator.normal(size=shape)
        gradients[name] = generator.normal(size=(steps, *shape)) * (1.0, 0.01, 30.0)[path % 3]
    return start, gradients


def _walked(claims: LayerClaims, exchange: Exchange, describe: Any, start: Arrays, gradients: Arrays) -> Mapping[str, FloatArray]:
    carried = {f"array {name}": array for name, array in start.items()}
    carried |= {f"gradient {name}": array for name, array in gradients.items()}
    path = claims.path
    actions: Sequence[Mapping[str, Any]] = [
        {"do": "program", "once": claims.setup.lines, "step": claims.step.lines, "imports": claims.imports},
        {
            "do": "walk",
            "arrays": {name: f"array {name}" for name in start},
            "constants": {name: values[0] for name, values in claims.options.items()},
            "defaults": _named_options(claims),
            "gradients": {path.gradients[name]: f"gradient {name}" for name in start},
            "carried": dict(path.following),
            "steps": len(next(iter(gradients.values()))),
        },
    ]
    message, arrays = exchange({"actions": list(actions)}, carried, f"{claims.name}, a path of steps")
    for reply in message["actions"]:
        if "raised" in reply:
            text, own, unwritten = describe(reply)
            raise Raised(text, str(reply.get("phase")), str(reply["raised"].get("type")), own=own, unwritten=unwritten)
        if "refused" in reply:
            raise Raised(f"step {reply['refused']}.", "step", "NoOutput")
    return {name: arrays[leaf] for name, leaf in message["actions"][1]["values"].items()}


def _named_options(claims: LayerClaims) -> dict[str, Any]:
    """The optimiser's own options are names too: lr, betas, eps."""
    assert claims.optimizer is not None
    return {name: list(value) if isinstance(value, tuple) else value for name, value in claims.optimizer.options.items()}


def _first_departure(
    claims: LayerClaims, walked: Mapping[str, FloatArray], right: Sequence[Stepped], start: Arrays, gradients: Arrays
) -> Strayed | None:
    for step, stepped in enumerate(right):
        for name, rows in walked.items():
            reference, tolerance = stepped.parameters[name], stepped.tolerance(name)
            if rows[step].shape != reference.shape:
                raise Raised(f"The next value of {name} has shape {rows[step].shape}, {name} has {reference.shape}.", "step")
            error = np.abs(rows[step] - reference)
            beyond = np.where(error <= tolerance, 0.0, error)  # NaN is beyond
            if beyond.any():
                index = np.unravel_index(int(np.nanargmax(np.where(np.isnan(beyond), np.inf, beyond))), beyond.shape)
                place = tuple(int(axis) for axis in index)
                twist = _explaining(claims, name, rows, right, start[name], gradients[name])
                return Strayed(name, step + 1, place, float(rows[step][index]), float(reference[index]), float(tolerance[index]), twist)
    return None


def _explaining(
    claims: LayerClaims, name: str, rows: FloatArray, right: Sequence[Stepped], start: FloatArray, gradients: FloatArray
) -> Twist | None:
    """The twist of the rule that predicts every step."""
    assert claims.optimizer is not None
    allowed = [
        TWIST_SLACK * np.maximum(stepped.tolerance(name), np.finfo(float).eps * np.abs(stepped.parameters[name])) for stepped in right
    ]
    for twist in twists_of(claims.optimizer):
        with np.errstate(all="ignore"):
            predicted = twist.walk(claims.optimizer.options, start, gradients)
        if all(_alike(one, row, bound) for one, row, bound in zip(predicted, rows, allowed, strict=True)):
            return twist
    return None


def _alike(one: FloatArray, row: FloatArray, bound: FloatArray) -> bool:
    """Within the bound, or no number in both."""
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(one - row) <= bound) | (np.isnan(one) & np.isnan(row))))
