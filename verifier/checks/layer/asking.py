"""Asking a layer: a pass, its backward, points along lines. Arrays in float64 come back, or a sentence that says why there is none.

Who asks hands in a way to exchange messages with the worker and never starts one. Each problem begins with its program and a pass; what is
asked afterwards is about that pass.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.raised import NO_ATTRIBUTE, Raised
from verifier.coarser import Seen
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import USUAL_LENGTH, LayerProblem, cotangent_values, flattened
from verifier.oracles.functions.wandering import FLOAT64_EPSILON

Arrays = Mapping[str, Array]
ONE_SIGN = ("ties", "zeros")  # stresses that are asked with cotangents of one sign
LONGEST = 1 << 23  # of a cotangent: 64 MiB, so that no answer decides how much memory is taken here
HEARD = 8  # points of lines that are kept of a layer, and
APART = 2.0**-16  # how far from the problem they lie at least, in steps: nearer, other outputs are rounding
NEEDS = re.compile(r"needs ([0-9]{1,15}) values for ")
PLAIN = (bool, int, float, str, type(None))

Exchange = Callable[[Mapping[str, Any], Arrays, str], tuple[Mapping[str, Any], Arrays]]
"""(message, its arrays, where) -> the worker's answer and its arrays. Raises Unanswered where the worker ends."""


@dataclass(frozen=True)
class Answered:
    """One pass and its backward.

    Attributes:
        outputs, cotangents: by output, float64.
        gradients: by array; None where there is none.
        narrow: outputs that came back in float32 or float16.
        changed_forward, changed_backward: names whose bytes were not as before.
        reshaped: arrays whose gradients came in another shape with the same elements.
        rounded: by array, the type in which its gradient came where that is narrower than the outputs'.
    """

    outputs: Mapping[str, FloatArray]
    cotangents: Mapping[str, FloatArray]
    gradients: Mapping[str, FloatArray | None]
    narrow: tuple[str, ...] = ()
    changed_forward: tuple[str, ...] = ()
    changed_backward: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    rounded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """A point of a line: the arrays there, and the outputs that forward gave, one after another."""

    problem: LayerProblem
    arrays: Arrays
    outputs: FloatArray


@dataclass
class LayerAsking:
    """One layer and a way to ask it. `outputs` are known after the first pass at the latest."""

    claims: LayerClaims
    exchange: Exchange
    describe: Callable[[Mapping[str, Any]], tuple[str, bool, bool]]
    seed: int = 0
    outputs: tuple[str, ...] = ()
    passage: Callable[[Any], str] = field(default=lambda place: "")
    """The text at a place in the candidate's source, or ""."""
    restart: Callable[[], None] = field(default=lambda: None)
    """Ends the worker; the next message goes to a fresh one."""
    left_out: frozenset[str] = frozenset()
    """Arrays of which a mapping of gradients has none, and need not have."""
    length: int = USUAL_LENGTH
    evaluations: int = 0
    problem: LayerProblem | None = None
    heard: list[Heard] = field(default_factory=list)
    """Some of the points of lines, by chance, to be asked again (`elsewhere`)."""
    _elements: int = 0
    """Of all outputs of the last pass."""
    _lines: int = 0
    """That had such a point."""

    def answer(
        self,
        problem: LayerProblem,
        *,
        arrays: Arrays | None = None,
        one_sign: bool = False,
        variant: int = 0,
        layout: str = "C",
        factor: float = 1.0,
    ) -> Answered:
        """A pass and its backward, with the problem's cotangents.

        Args:
            arrays: instead of the problem's.
            one_sign: cotangents of positive numbers alone.
            variant: another draw of cotangents.
            layout: of the cotangents in memory.
            factor: of the cotangents.
        Raises:
            Raised: the candidate raised, or gave what cannot be taken.
            Unanswered: the worker ended.
        """
        self.outputs = self.outputs or self.claims.ties.outputs
        given = {name: _typed(array, problem.dtype) for name, array in (arrays or problem.arrays).items()}
        carried = {f"array {name}": array for name, array in given.items()}
        wanted = self.outputs or self.claims.ties.candidates
        actions: list[dict[str, Any]] = [self._program(), self._pass(problem, given, wanted)]
        cotangents = {output: self._cotangent(output, problem, one_sign, variant) * factor for output in wanted}
        if self.outputs:
            actions.append(self._backward(layout))
            carried |= {f"cotangent {output}": cotangents[output] for output in self.claims.ties.cotangents}
        replies, answered = self.ask(actions, carried, problem)
        self.problem, self.evaluations = problem, self.evaluations + 1
        outputs = self._outputs(replies[1], answered)
        self._elements = sum(outputs[name].size for name in self.outputs)
        if not self.outputs:
            self.outputs = _the_scalar(outputs)
            return self.answer(problem, arrays=arrays, one_sign=one_sign, variant=variant, layout=layout, factor=factor)
        longest = max(output.size for output in outputs.values())
        if longest > self.length:
            self.length = 2 * longest  # else one that grows a little each time is asked without end
            return self.answer(problem, arrays=arrays, one_sign=one_sign, variant=variant, layout=layout, factor=factor)
        shaped = {name: self._shaped_cotangent(name, outputs[name], cotangents[name]) for name in self.outputs}
        values = replies[2]["values"]
        found = {name: None if leaf is None else answered[leaf].astype(np.float64) for name, leaf in values.items()}
        gradients, reshaped = self._gradients(problem, found)
        widest = max(outputs[name].dtype.itemsize for name in self.outputs)
        types = {name: answered[leaf].dtype for name, leaf in values.items() if leaf is not None}
        return Answered(
            outputs={name: outputs[name].astype(np.float64) for name in self.outputs},
            cotangents=shaped,
            gradients=gradients,
            narrow=tuple(name for name in self.outputs if outputs[name].dtype.itemsize < 8),
            changed_forward=tuple(replies[1].get("changed", ())),
            changed_backward=tuple(replies[2].get("changed", ())),
            reshaped=reshaped,
            rounded={name: dtype.name for name, dtype in types.items() if dtype.kind == "f" and dtype.itemsize < widest},
        )

    def again(self, problem: LayerProblem) -> Mapping[str, FloatArray | None]:
        """The gradients of a second backward call after the last pass, with the same cotangents."""
        carried = {f"cotangent {output}": self._cotangent(output, problem, False, 0) for output in self.claims.ties.cotangents}
        replies, answered = self.ask([self._backward("C")], carried, problem)
        values = replies[0]["values"]
        found = {name: None if leaf is None else answered[leaf].astype(np.float64) for name, leaf in values.items()}
        return self._gradients(problem, found)[0]

    def outputs_along(self, direction: Mapping[str, FloatArray], steps: Sequence[float], *, dtype: str = "float64") -> FloatArray:
        """All outputs, one after another, at points along a line from the last problem: shape (steps, elements)."""
        return self.along([(direction, steps)], {}, dtype=dtype)[0]

    def along(
        self, lines: Sequence[tuple[Mapping[str, FloatArray], Sequence[float]]], cotangents: Arrays, *, dtype: str = "float64"
    ) -> list[FloatArray]:
        """Points along several lines: the outputs, or where there are cotangents their projections on these."""
        assert self.problem is not None
        carried: dict[str, Array] = {f"cotangent {name}": array for name, array in cotangents.items()}
        actions = []
        lines = [(self.held(direction), steps) for direction, steps in lines]
        for index, (direction, steps) in enumerate(lines):
            carried[f"steps {index}"] = np.asarray(steps, dtype=np.float64)
            carried |= {f"direction {index} {name}": along for name, along in direction.items()}
            action: dict[str, Any] = {
                "do": "points",
                "steps": f"steps {index}",
                "directions": {name: f"direction {index} {name}" for name in direction},
                "outputs": list(self.outputs),
                "dtype": dtype,
            }
            if cotangents:
                action["cotangents"] = {name: f"cotangent {name}" for name in cotangents}
            actions.append(action)
            self.evaluations += len(steps)
        replies, answered = self.ask(actions, carried, self.problem)
        found = [answered[reply["values"]["points"]] for reply in replies]
        found = [self._rows(rows, () if cotangents else (self._elements,)) for rows in found]
        if not cotangents:
            for (direction, steps), rows in zip(lines, found, strict=True):
                self._keep_one(self.problem, direction, steps, rows, dtype)
        return found

    def coarsely(self, direction: Mapping[str, FloatArray], step: float) -> tuple[FloatArray, Seen]:
        """All outputs at one point of a line in an arithmetic of half the digits, and what was met there; NaN where it raises so."""
        assert self.problem is not None
        direction = self.held(direction)
        carried: dict[str, Array] = {"steps": np.asarray([step]), **{f"direction {name}": along for name, along in direction.items()}}
        named = {name: f"direction {name}" for name in direction}
        action = {"do": "points", "steps": "steps", "directions": named, "outputs": list(self.outputs), "coarse": True}
        self.evaluations += 1
        replies, answered = self.ask([action], carried, self.problem)
        met = replies[0]["met"]
        rows = self._rows(answered[replies[0]["values"]["points"]], (self._elements,))
        return rows[0], Seen(FLOAT64_EPSILON, int(met["results"]), bool(met["narrow"]))

    def held(self, direction: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
        """The direction without the rows whose gradient is 0 by convention: they are constants, so nothing moves along them."""
        found = dict(direction)
        for name, rows in self.claims.zero_at.items():
            if name in found:
                found[name] = found[name].copy()
                found[name][[row for row in rows if -len(found[name]) <= row < len(found[name])]] = 0.0
        return found

    def _keep_one(
        self, problem: LayerProblem, direction: Mapping[str, FloatArray], steps: Sequence[float], rows: FloatArray, dtype: str
    ) -> None:
        """Keep one point of the line, such that in the end each line's has the same chance of being among those that are kept."""
        usable = [index for index, step in enumerate(steps) if abs(step) >= APART and np.isfinite(rows[index]).all()]
        if not usable:
            return
        self._lines += 1
        generator = np.random.default_rng([self.seed, self._lines])
        index, place = usable[generator.integers(len(usable))], int(generator.integers(self._lines))
        if len(self.heard) >= HEARD and place >= HEARD:
            return
        moved = {name: _typed(array, problem.dtype) for name, array in problem.arrays.items()}
        for name, along in direction.items():
            start = moved[name]
            moved[name] = (start.astype(np.float64) + steps[index] * along).astype(dtype).astype(start.dtype)
        heard = Heard(problem, moved, rows[index])
        if len(self.heard) < HEARD:
            self.heard.append(heard)
        else:
            self.heard[place] = heard

    def _rows(self, rows: Array, shape: tuple[int, ...]) -> FloatArray:
        """Points as they have to come back; where forward raised at all of them the worker cannot know their size."""
        if rows.shape[1:] == shape:
            return rows
        if rows.ndim == 1 and np.isnan(rows).all():
            return np.full((len(rows), *shape), np.nan)
        raise Raised("forward gives outputs of another size along a line.", "points")

    def ask(self, actions: Sequence[Mapping[str, Any]], carried: Arrays, problem: LayerProblem) -> tuple[list[Mapping[str, Any]], Arrays]:
        """Actions and their arrays -> a reply to each, and the arrays of all. Raises Raised and Unanswered as `answer` does."""
        message, answered = self.exchange({"actions": list(actions)}, carried, f"{self.claims.name} at {problem.describe()}")
        replies = list(message["actions"])
        for reply in replies:
            if "raised" in reply:
                raise self._raised(reply)
            if "refused" in reply:
                needs = NEEDS.match(reply["refused"])
                if needs and self.length < int(needs[1]) <= LONGEST:
                    raise _TooShort(int(needs[1]))
                raise Raised(f"{reply['phase']} {reply['refused']}.", str(reply["phase"]))
        return replies, answered

    def _raised(self, reply: Mapping[str, Any]) -> Raised:
        text, own, unwritten = self.describe(reply)
        phase, kind, said = str(reply.get("phase")), str(reply["raised"].get("type")), str(reply["raised"].get("text"))
        without = NO_ATTRIBUTE.fullmatch(said) if kind == "AttributeError" and not own and phase in ("forward", "backward") else None
        if without:
            lines = getattr(self.claims, phase).lines
            unwritten = any(re.search(rf"\.{re.escape(without[1])}\s*\(", line) for line in lines)
        return Raised(text, phase, kind, own=own, unwritten=unwritten)

    def _program(self) -> dict[str, Any]:
        claims = self.claims
        return {
            "do": "program",
            "setup": claims.setup.lines,
            "forward": claims.forward.lines,
            "backward": claims.backward.lines,
            "imports": claims.imports,
            "gradients": claims.gradients,
        }

    def _pass(self, problem: LayerProblem, given: Arrays, wanted: Sequence[str]) -> dict[str, Any]:
        return {
            "do": "pass",
            "arrays": {name: f"array {name}" for name in given},
            "constants": dict(problem.values),
            "seed": problem.seed,
            "outputs": list(wanted),
        }

    def _backward(self, layout: str) -> dict[str, Any]:
        ties = self.claims.ties
        held = {name: ties.gradients.get(name, name) for name in self.claims.differentiate if name not in self.left_out}
        named = {name: {"values": f"cotangent {output}", "of": output, "layout": layout} for output, name in ties.cotangents.items()}
        watched = [name for name in (*self.claims.forward.gives,) if name not in ties.gradients.values()]
        return {"do": "backward", "cotangents": named, "gradients": held, "watched": watched if self.claims.backward else []}

    def _cotangent(self, output: str, problem: LayerProblem, one_sign: bool, variant: int) -> FloatArray:
        return cotangent_values(output, self.seed + 1000 * variant, problem.index, self.length, one_sign=one_sign)

    def _shaped_cotangent(self, name: str, output: Array, drawn: FloatArray) -> FloatArray:
        """As it was given; 1 for a single number that backward takes no cotangent of."""
        if name not in self.claims.ties.cotangents:
            if output.size != 1:
                raise Raised(
                    f"{name} has shape {output.shape}, and no statement reads its cotangent d{name}: without one it must be one number.",
                    "contract",
                )
            return np.ones(output.shape)
        return drawn[: output.size].reshape(output.shape)

    def _outputs(self, reply: Mapping[str, Any], answered: Arrays) -> dict[str, Array]:
        found = {name: answered[leaf] for name, leaf in reply["values"].items() if leaf is not None}
        missing = [name for name in self.outputs if name not in found]
        if missing:
            raise Raised(f"forward left no array of real numbers as {missing[0]}.", "forward", "NoOutput")
        return found

    def _gradients(
        self, problem: LayerProblem, found: Mapping[str, FloatArray | None]
    ) -> tuple[dict[str, FloatArray | None], tuple[str, ...]]:
        """In the arrays' shapes where the elements are the same, and times the size by which they are divided."""
        gradients: dict[str, FloatArray | None] = {}
        reshaped = []
        for name, gradient in found.items():
            shape = problem.arrays[name].shape
            if gradient is not None and gradient.shape != shape and _squeezed(gradient.shape) == _squeezed(shape):
                gradient = gradient.reshape(shape)
                reshaped.append(name)
            if gradient is not None and name in self.claims.mean:
                gradient = gradient * float(self.claims.mean[name].value(flattened(problem.values)))
            gradients[name] = gradient
        return gradients, tuple(reshaped)


class _TooShort(Raised):
    """A cotangent needs more numbers than were sent: to be asked again with more; wrong where it then needs more again."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"forward gives outputs of another size each time, {needed} numbers at last.", "forward")
        self.needed = needed


def answer_patiently(asking: LayerAsking, problem: LayerProblem, **options: Any) -> Answered:
    """`LayerAsking.answer`, with longer cotangents where the output turns out to be larger than they are."""
    try:
        return asking.answer(problem, **options)
    except _TooShort as short:
        asking.length = 2 * short.needed
        return asking.answer(problem, **options)


def _typed(array: Array, dtype: str) -> Array:
    return array.astype(dtype) if array.dtype == np.float64 else array


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _the_scalar(outputs: Arrays) -> tuple[str, ...]:
    """Which of forward's values is the single number that is differentiated."""
    scalars = [name for name, value in outputs.items() if value.size == 1]
    if len(scalars) == 1:
        return (scalars[0],)
    there = ", ".join(outputs) or "none"
    raise Raised(
        f"no statement reads a cotangent, so forward must give one single number; {len(scalars)} of its values are ({there}). "
        'Say which: outputs = ["loss"].',
        "contract",
    )


def claim_again(asking: LayerAsking, problem: LayerProblem, arrays: Mapping[str, Array], factor: float = 1.0) -> Mapping[str, FloatArray]:
    """The candidate's gradients at other arrays of the same problem, or of so much of the cotangents; none where it raises there."""
    try:
        answered = answer_patiently(asking, problem, arrays=arrays, one_sign=problem.stress in ONE_SIGN, factor=factor)
    except Raised:
        return {}
    return {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}
