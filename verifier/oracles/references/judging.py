"""One case put to a candidate and its reference: outputs first, then gradients, held to S times what rounding does at that point.

Where the reference decides within rounding (a tie, a kink), a gradient is right within the envelope of those that it has beside the
point, and so must be its sum over elements that are tied: max-pool's [1, 0, 0] and amax's [1/2, 1/2, 0]
are both right, [1, 1, 0] is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.dispatched.arithmetic import UndispatchableError
from verifier.oracles.dispatched.devices import gpus_of, same_randomness
from verifier.oracles.dispatched.measuring import measure
from verifier.oracles.dispatched.narrow.judging import judge_narrow
from verifier.oracles.dispatched.running import real_outputs, to_array
from verifier.oracles.dispatched.wandering import wandering
from verifier.oracles.functions.layouts import numbers_in
from verifier.oracles.references.candidate import ELSEWHERE, POISONS, Answered, Array, Candidate, Manner, RefusedError, poisoned
from verifier.oracles.references.points import Source, point, same_twice
from verifier.oracles.references.space import Case
from verifier.tolerance import SAFETY, element_tolerance

QUICK = 8.0  # last bits of an element, and
QUICK_OF_LARGEST = 16.0  # of the largest one: so near there is nothing to measure
BESIDE = 1e-9  # how far beside a kink the reference is asked, of a tensor's size
SAMPLES = 14
CALLS = 4
KEPT = {"four calls": "something is kept between calls", "poisoned memory": "an element is never written"}


@dataclass(frozen=True)
class Wrong:
    """What is wrong at one case.

    Attributes:
        what: "output", "gradient", "changed", "shape", "calls"; "refused" where the forward pass raises, "raised" where the backward pass
            does; "precision" where the formula is right, and only noted.
        tensor: the name, "output 0" for an output.
        text: one clause.
        claimed, right, tolerance: where numbers are compared; `right` in float64.
        cotangents: of the case.
        claims: everything that the candidate gave, by name, where numbers are compared.
    """

    what: str
    tensor: str
    text: str
    claimed: Array | None = None
    right: Array | None = None
    tolerance: Array | None = None
    cotangents: tuple[Array, ...] = ()
    claims: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """Of one case: wrong or not, or not asked, as the reference has no answer there."""

    wrong: Wrong | None = None
    skipped: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judge:
    """What does not change from case to case."""

    candidate: Candidate
    reference: Callable[..., Any]
    sources: Mapping[str, Source]
    dtype: torch.dtype
    outputs_too: bool = True  # not where the gradient is meant to be that of another function
    zero_at: Mapping[str, Array] | None = None
    precision: str | None = None

    @property
    def is_narrow(self) -> bool:
        return self.dtype in (torch.bfloat16, torch.float16)

    def lifted(self, dtype: torch.dtype) -> "Judge":
        """The same questions in a wider type: there the formula shows, in a narrow type its rounding."""
        sources = {
            name: replace(one, example=one.example.to(dtype)) if one.example.is_floating_point() else one
            for name, one in self.sources.items()
        }
        return replace(self, dtype=dtype, sources=sources, precision=None)

    def try_case(self, case: Case, tensors: Mapping[str, Tensor] | None = None) -> Trial:
        """Put one case to the test."""
        tensors = point(self.sources, case) if tensors is None else tensors
        twice = case.axis("usage") == "the same tensor twice"
        shared = same_twice(self.sources, tensors, self.candidate.differentiated) if twice else None
        if twice and (shared is None or self.candidate.backward is not None):
            return Trial(skipped="no two tensors are alike")
        if shared is not None:
            tensors = {**tensors, shared[1]: tensors[shared[0]]}
        truth = _Truth(self, tensors, case)
        if beyond := truth.index_out_of_range():
            return Trial(skipped=beyond)
        try:
            expected, _ = truth.plain(None)
            if not all(np.isfinite(one).all() for one in expected):
                return Trial(skipped="the reference is not finite")
            cotangents = cotangents_for(expected, case)
            expected, gradients = truth.plain(cotangents)
        except Exception as error:
            return Trial(skipped=f"the reference raises {_first_line(error)}")
        if not all(np.isfinite(one).all() for one in gradients.values()):
            return Trial(skipped="the reference's gradient is not finite")
        try:
            with np.errstate(all="ignore"):
                answered = self._asked(tensors, case, cotangents, shared)
        except Exception as error:
            refused = isinstance(error, RefusedError)
            cause = error.__cause__ if refused and isinstance(error.__cause__, Exception) else error
            if isinstance(cause, NotImplementedError):
                return Trial(skipped=f"the candidate does not take it: {cause}")
            what = "refused" if refused else "raised"
            return Trial(Wrong(what, "", f"it raises {_first_line(cause)}", cotangents=tuple(cotangents)))
        return self._compared(answered, expected, gradients, truth, cotangents, shared)

    def _asked(
        self, tensors: Mapping[str, Tensor], case: Case, cotangents: Sequence[Array], shared: tuple[str, str] | None
    ) -> list[Answered]:
        usage = case.axis("usage")

        def given(outputs: Sequence[Array]) -> Sequence[Array]:
            kinds = [one.dtype if one.dtype.kind in "fc" else np.dtype(np.float64) for one in outputs]
            ready = len(outputs) == len(cotangents) and all(one.shape == c.shape for one, c in zip(outputs, cotangents, strict=True))
            return [c.astype(kind) for c, kind in zip(cotangents, kinds, strict=True)] if ready else [np.ones_like(one) for one in outputs]

        ask = partial(self.candidate.answer, options=case.options, cotangents=given)
        other = point(self.sources, case, other=1)
        manner = Manner(
            inputs=case.axis("inputs"),  # type: ignore[arg-type]
            layout=case.axis("layout"),  # type: ignore[arg-type]
            between=other if usage == "two forward passes before one backward" else None,
            shared=shared,
            needed=self._alone(case) if usage == "one gradient alone" else None,
            used=_used(case, len(cotangents)) if case.axis("cotangent") == "one output alone" else None,
            joined=usage == "another user of the inputs",
        )
        if usage == "after another call":
            ask(other)
        if usage == "poisoned memory":
            answers = []
            for poison in POISONS:
                with poisoned(poison):
                    answers.append(ask(tensors, manner=manner))
            return answers
        return [ask(tensors, manner=manner) for _ in range(CALLS if usage == "four calls" else 1)]

    def _alone(self, case: Case) -> tuple[str, ...] | None:
        names = self.candidate.differentiated
        return (names[case.seed % len(names)],) if len(names) > 1 else None

    def _compared(
        self,
        answers: Sequence[Answered],
        expected: Sequence[Array],
        gradients: Mapping[str, Array],
        truth: "_Truth",
        cotangents: Sequence[Array],
        shared: tuple[str, str] | None,
    ) -> Trial:
        kept = tuple(cotangents)
        first = answers[0]
        for answered in answers:
            if answered.changed:
                name = answered.changed[0]
                return Trial(Wrong("changed", name, f"{name} is not as it went in: copy before you write", cotangents=kept))
        if len(first.outputs) != len(expected):
            counts = [f"{count} real output{'' if count == 1 else 's'}" for count in (len(first.outputs), len(expected))]
            return Trial(Wrong("shape", "", f"it returns {counts[0]}, the reference {counts[1]}"))
        claimed = {f"output {index}": one for index, one in enumerate(first.outputs)}
        right = {f"output {index}": one for index, one in enumerate(expected)}
        if not self.outputs_too:
            right = {}
        for name, one in right.items():
            if claimed[name].shape != one.shape:
                return Trial(Wrong("shape", name, f"{name} has shape {claimed[name].shape}; the reference's is {one.shape}"))
        if shared is not None:
            gradients = {**gradients, shared[0]: gradients[shared[0]] + gradients[shared[1]]}
        if truth.case.axis("usage") == "another user of the inputs" and self.candidate.backward is None:
            gradients = {name: one + ELSEWHERE for name, one in gradients.items()}
        compared = bool(self.candidate.differentiated) and bool(first.gradients or self.candidate.backward)
        for name in [one for one in self.candidate.differentiated if compared and (shared is None or one != shared[1])]:
            if first.gradients and name not in first.gradients:
                continue  # its gradient was not asked for
            given = first.gradients.get(name)
            given = np.zeros(gradients[name].shape) if given is None else given
            if given.shape != gradients[name].shape:
                return Trial(Wrong("shape", name, f"the gradient of {name} has shape {given.shape}; right is {gradients[name].shape}"))
            claimed[name], right[name] = given, gradients[name]
        wrong = self._held(claimed, right, truth, kept, shared)
        if wrong is not None and wrong.what != "precision":
            return Trial(wrong)
        trial = self._repeated(answers, claimed, right, truth, kept)
        return trial if wrong is None else replace(trial, notes=(wrong.text, *trial.notes))

    def _held(
        self, claimed: Mapping[str, Array], right: Mapping[str, Array], truth: "_Truth", cotangents: tuple[Array, ...], shared: object
    ) -> Wrong | None:
        if self.is_narrow:
            return self._in_a_narrow_type(claimed, right, truth, cotangents)
        far = [name for name in right if not _near(claimed[name], right[name], self.epsilon)]
        if not far:
            return None
        tolerances = truth.tolerances(cotangents, self, right, shared)
        if tolerances is None:
            return None
        told: Wrong | None = None
        allowed, kinks = tolerances
        for name in far:
            beyond = ~(np.abs(claimed[name] - right[name]) <= allowed[name])
            if not beyond.any():
                continue
            is_output = name.startswith("output ")
            if kinks and not is_output and shared is None and truth.beside(name, claimed, allowed, cotangents):
                continue
            if self._is_tf32(name, claimed, right, truth, cotangents):
                told = told or Wrong(
                    "precision", "", f"{name} is right, but the operands of its products were rounded to TF32, not kept in float32"
                )
                continue
            what = "output" if is_output else "gradient"
            text = f"{name} is not the reference's" if is_output else f"the gradient of {name} is not the reference's"
            return Wrong(what, name, text, claimed[name], right[name], allowed[name], cotangents, claimed)
        return told

    def _is_tf32(
        self, name: str, claimed: Mapping[str, Array], right: Mapping[str, Array], truth: "_Truth", cotangents: tuple[Array, ...]
    ) -> bool:
        """Whether this is float32 as GPUs multiply it unless they are told otherwise; on a processor there is no such thing."""
        on_a_device = any(tensor.device.type != "cpu" for tensor in truth.tensors.values())
        if self.dtype != torch.float32 or not on_a_device or self.precision not in (None, "operands"):
            return False
        outputs = {f"output {index}": key for index, key in enumerate(truth.output_names())}
        # What another user of an input adds to its gradient is known, and not what is judged.
        other = 0.0 if name in outputs else right[name] - truth.plain(cotangents)[1][name]
        given, key = {outputs.get(name, name): claimed[name] - other}, outputs.get(name, name)
        found = judge_narrow(truth.call, truth.tensors, list(cotangents), given, differentiate=truth.wanted, dtype=self.dtype)
        return found[key].status == "right"

    def _in_a_narrow_type(
        self, claimed: Mapping[str, Array], right: Mapping[str, Array], truth: "_Truth", cotangents: tuple[Array, ...]
    ) -> Wrong | None:
        """Held against copies with noise at each store; a tensor that fits another precision than was declared is said to."""
        keys = truth.output_names()
        names = {f"output {index}": key for index, key in enumerate(keys)} | {name: name for name in self.candidate.differentiated}
        given = {names[name]: claimed[name] for name in right}
        try:
            found = judge_narrow(
                truth.call,
                truth.tensors,
                list(cotangents),
                given,
                differentiate=truth.wanted,
                dtype=self.dtype,
                precision=self.precision,
            )
        except UndispatchableError:
            return None
        less = ""
        for name in right:
            outcome = found[names[name]]
            if outcome.status == "other precision" and self.precision is None:
                less = less or outcome.says
            if outcome.status == "wrong" or (outcome.status == "other precision" and self.precision is not None):
                what = "output" if name.startswith("output ") else "gradient"
                subject = name if what == "output" else f"the gradient of {name}"
                return Wrong(what, name, f"{subject}: {outcome.says.rstrip('.')}", cotangents=cotangents)
        return Wrong("precision", "", less) if less else None

    def _repeated(
        self,
        answers: Sequence[Answered],
        claimed: Mapping[str, Array],
        right: Mapping[str, Array],
        truth: "_Truth",
        cotangents: tuple[Array, ...],
    ) -> Trial:
        notes: list[str] = []
        for number, answered in enumerate(answers[1:], start=2):
            again = {f"output {index}": one for index, one in enumerate(answered.outputs)}
            again |= {name: one for name, one in answered.gradients.items() if one is not None and name in right}
            same = {name: one for name, one in again.items() if one.shape == claimed[name].shape}
            if all(one.tobytes() == np.asarray(claimed[name]).tobytes() for name, one in same.items()):
                continue
            wrong = self._held({**claimed, **same}, right, truth, cotangents, None)
            if wrong is not None and wrong.what != "precision":
                text = f"{wrong.text} in call {number} of the same: {KEPT[truth.case.axis('usage')]}"
                return Trial(Wrong("calls", wrong.tensor, text, wrong.claimed, wrong.right, wrong.tolerance, cotangents))
            off = "" if self.is_narrow else self._apart(claimed, same, right, truth, cotangents)
            if off:
                subject = off if off.startswith("output ") else f"the gradient of {off}"
                text = f"{subject} is another one in call {number} of the same: {KEPT[truth.case.axis('usage')]}"
                return Trial(Wrong("calls", off, text, same[off], claimed[off], cotangents=cotangents))
            notes.append("not reproducible to the bit: the same call gives other last bits")
        return Trial(notes=tuple(dict.fromkeys(notes)))

    def _apart(
        self,
        one: Mapping[str, Array],
        other: Mapping[str, Array],
        right: Mapping[str, Array],
        truth: "_Truth",
        cotangents: tuple[Array, ...],
    ) -> str:
        """What two answers to one call differ in by more than the reference's rounding; code that errs now and then wanders itself."""
        tolerances = truth.tolerances(cotangents, self, right, None, wandering=False)
        if tolerances is None:
            return ""
        return next((name for name in other if not (np.abs(one[name] - other[name]) <= tolerances[0][name]).all()), "")

    def resolves(self, case: Case, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        """By input, the smallest error that would have been seen at this point, relative to the largest element of its gradient."""
        truth = _Truth(self, tensors, case)
        try:
            outputs, _ = truth.plain(None)
            cotangents = cotangents_for(outputs, case)
            _, right = truth.plain(cotangents)
            allowed = truth.tolerances(cotangents, self, right, None)
        except Exception:  # at the examples themselves there may be nothing to ask
            return {}
        if allowed is None or self.is_narrow:
            return {}
        largest = {name: float(np.abs(one).max(initial=0.0)) for name, one in right.items()}
        return {name: float(allowed[0][name].max(initial=0.0)) / largest[name] if largest[name] else 0.0 for name in right}

    @property
    def epsilon(self) -> float:
        return float(torch.finfo(self.dtype).eps)


def cotangents_for(outputs: Sequence[Array], case: Case) -> list[Array]:
    """A cotangent for each output as the case has it, exact in every narrow type."""
    generator = np.random.default_rng([case.seed, 77])
    kind = case.axis("cotangent")
    found = []
    for place, output in enumerate(outputs):
        signed = generator.choice([-1.0, 1.0], size=output.shape) * generator.integers(64, 129, size=output.shape) / 128
        hot = np.zeros(output.shape)
        if output.size:
            hot.flat[int(generator.integers(output.size))] = 1.0
        numbers = {"ones": np.ones(output.shape), "one-hot": hot, "zero": np.zeros(output.shape), "large": 64 * signed}.get(kind, signed)
        if kind == "one output alone" and place != _used(case, len(outputs)):
            numbers = np.zeros(output.shape)
        numbers = numbers_in(numbers, case.axis("layout"))  # type: ignore[arg-type]
        found.append(numbers * (1 - 0.5j) if output.dtype.kind == "c" and kind != "ones" else numbers)
    return found


def _used(case: Case, count: int) -> int:
    return case.seed % count


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


class _Truth:
    """The reference at one point, in float64."""

    def __init__(self, judge: Judge, tensors: Mapping[str, Tensor], case: Case) -> None:
        self._judge, self.case = judge, case
        self._tensors = self.tensors = dict(tensors)
        self.wanted = judge.candidate.differentiated

    def call(self, at: Mapping[str, Tensor]) -> Any:
        candidate = self._judge.candidate
        return self._judge.reference(*candidate.arguments(at), **self.case.options)

    def index_out_of_range(self) -> str:
        """What the reference says to indices that are too large for this case, "" where they are not.

        On a GPU such an index ends the whole process' use of it, so a processor is asked first.
        """
        if all(tensor.device.type == "cpu" for tensor in self._tensors.values()):
            return ""
        try:
            with torch.no_grad():
                self.call({name: _lifted(tensor).cpu() for name, tensor in self._tensors.items()})
        except Exception as error:  # a reference that holds tensors of the GPU's own says nothing here
            text = str(error).splitlines()[0] if str(error) else ""
            if isinstance(error, IndexError) or "out of bounds" in text or "out of range" in text:
                return f"the reference raises {type(error).__name__}: {text}"
        return ""

    def output_names(self) -> list[str]:
        """As the dispatched oracle names the outputs, in order."""
        return list(real_outputs(self.call({name: _lifted(tensor) for name, tensor in self._tensors.items()})))

    def plain(self, cotangents: Sequence[Array] | None, moved: Mapping[str, Tensor] | None = None) -> tuple[list[Array], dict[str, Array]]:
        """Outputs, and gradients where there are cotangents."""
        lifted = {name: _lifted(tensor) for name, tensor in (moved or self._tensors).items()}
        for name in self.wanted:
            lifted[name] = lifted[name].requires_grad_()
        with same_randomness(gpus_of(self._tensors.values())):
            outputs = list(real_outputs(self.call(lifted)).values())
        arrays = [to_array(output) for output in outputs]
        if cotangents is None or not self.wanted:
            return arrays, {}
        pairs = [(o, torch.as_tensor(np.array(c)).to(o)) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
        gradients = {name: np.zeros(tuple(lifted[name].shape)) for name in self.wanted}
        if pairs:
            total = sum((output * cotangent.conj()).real.sum() for output, cotangent in pairs)
            found = torch.autograd.grad(total, [lifted[name] for name in self.wanted], allow_unused=True)  # type: ignore[arg-type]
            gradients |= {name: to_array(one) for name, one in zip(self.wanted, found, strict=True) if one is not None}
        for name, mask in (self._judge.zero_at or {}).items():
            if name in gradients and np.shape(mask) == gradients[name].shape:
                gradients[name] = np.where(mask, 0.0, gradients[name])
        return arrays, gradients

    def tolerances(
        self, cotangents: Sequence[Array], judge: Judge, right: Mapping[str, Array], shared: object, *, wandering: bool = True
    ) -> tuple[dict[str, Array], tuple[str, ...]] | None:
        """What each element may be off by, and the kinks; None where the reference cannot be disturbed.

        The candidate's own `wandering` counts too, unless it is left out.
        """
        try:
            measured = measure(self.call, self._tensors, list(cotangents), differentiate=self.wanted, dtype=judge.dtype)
        except UndispatchableError:
            return None
        scatter = {f"output {index}": one for index, one in enumerate(measured.output_scatter.values())}
        scatter |= dict(measured.gradient_scatter)
        if shared is not None:
            assert isinstance(shared, tuple)
            scatter[shared[0]] = scatter[shared[0]] + scatter[shared[1]]
        wandered = self._wandered(cotangents, judge) if wandering else {}
        found = {}
        for name in right:
            floor = self._floor(name, right, cotangents, judge.epsilon)
            larger = np.maximum(scatter[name], wandered.get(name, 0.0)) + floor / SAFETY
            allowed = element_tolerance(np.maximum(larger, judge.epsilon * np.abs(right[name]) / SAFETY), measured.longest)
            # What moves the outputs by less than their rounding is rounding in some right form: sum(K) x - K x, K nearly the unit matrix.
            unseen = np.abs(right[name]) <= SAFETY * floor
            found[name] = np.where(unseen, np.maximum(allowed, SAFETY * floor), allowed)
        return found, measured.kinks

    def _floor(self, name: str, right: Mapping[str, Array], cotangents: Sequence[Array], epsilon: float) -> float:
        """A change of the outputs by their last bit, over a step of the input's size: what cancels in a right form leaves as much."""
        if name.startswith("output "):
            return 0.0
        outputs = [one for other, one in right.items() if other.startswith("output ")]
        level = max((float(np.abs(c * one).max(initial=0.0)) for c, one in zip(cotangents, outputs, strict=False)), default=0.0)
        values = np.abs(to_array(self._tensors[name]))
        size = float(values.max(initial=0.0))
        return epsilon * level / size if size > 0 and np.isfinite(level) else 0.0

    def _wandered(self, cotangents: Sequence[Array], judge: Judge) -> dict[str, Array]:
        def answer(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
            given = judge.candidate.answer(
                tensors, self.case.options, lambda outputs: [c.astype(o.dtype) for c, o in zip(cotangents, outputs, strict=True)]
            )
            found = {f"output {index}": one for index, one in enumerate(given.outputs)}
            return found | {name: one for name, one in given.gradients.items() if one is not None}

        try:
            with poisoned():  # what is never written would wander as far as it likes
                return dict(wandering(answer, self._tensors, move=judge.candidate.differentiated))
        except Exception:  # a candidate that does not take the moved point has nothing to say for itself
            return {}

    def beside(self, name: str, claims: Mapping[str, Array], tolerances: Mapping[str, Array], cotangents: Sequence[Array]) -> bool:
        """Whether the claim lies within what the reference's gradient is beside the point, sums over tied elements included.

        Elements are tied within a row, or with the same element of another tensor.
        """
        drawn = [self._sample(index, cotangents) for index in range(SAMPLES)]
        samples = [one for one in drawn if one is not None]
        if not samples:
            return True
        claimed, allowed = claims[name], tolerances[name]
        stacked = np.stack([one[name] for one in samples])
        low, high = stacked.min(axis=0), stacked.max(axis=0)
        if not (np.isfinite(claimed).all() and (claimed >= low - allowed).all() and (claimed <= high + allowed).all()):
            return False
        values = to_array(self._tensors[name])
        for members in _tied(values):
            sums = stacked.reshape(len(stacked), -1)[:, members].sum(axis=1)
            room = float(allowed.ravel()[members].sum())
            if not sums.min() - room <= float(claimed.ravel()[members].sum()) <= sums.max() + room:
                return False
        for other in self.wanted:
            if other == name or self._tensors[other].shape != self._tensors[name].shape or other not in claims:
                continue
            tied = values == to_array(self._tensors[other])
            both = np.stack([one[name] + one[other] for one in samples])
            room_for_both = allowed + tolerances[other]
            together = claimed + claims[other]
            if (tied & ~((together >= both.min(axis=0) - room_for_both) & (together <= both.max(axis=0) + room_for_both))).any():
                return False
        return True

    def _sample(self, index: int, cotangents: Sequence[Array]) -> dict[str, Array] | None:
        generator = np.random.default_rng([self.case.seed, index])
        moved = dict(self._tensors)
        for one in self.wanted:
            lifted = _lifted(self._tensors[one])
            size = float(lifted.abs().max()) if lifted.numel() and bool(lifted.any()) else 1.0
            sign = 1.0 if index == 0 else -1.0 if index == 1 else None
            noise = generator.uniform(0.5, 1, size=tuple(lifted.shape)) * (sign or generator.choice([-1.0, 1.0], size=tuple(lifted.shape)))
            moved[one] = lifted + BESIDE * size * torch.as_tensor(noise).to(lifted.device)
        try:
            return self.plain(cotangents, moved)[1]
        except Exception:  # outside of the reference's domain
            return None


def _tied(values: Array) -> list[Array]:
    """Places of elements with equal values within a row, two or more."""
    found = []
    rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, -1)
    for number, row in enumerate(rows):
        for value in np.unique(row):
            members = np.flatnonzero(row == value)
            if len(members) > 1:
                found.append(members + number * rows.shape[1])
    return found


def _near(claimed: Array, right: Array, epsilon: float) -> bool:
    with np.errstate(all="ignore"):
        largest = np.abs(right).max(initial=0.0)
        allowed = epsilon * np.maximum(QUICK * np.abs(right), QUICK_OF_LARGEST * largest)
        return bool((np.abs(claimed - right) <= allowed).all())


def _lifted(tensor: Tensor) -> Tensor:
    plain = tensor.detach().clone()
    if plain.is_complex():
        return plain.to(torch.complex128)
    return plain.double() if plain.is_floating_point() else plain
