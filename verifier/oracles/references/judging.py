"""One case put to a candidate and its reference: outputs first, then gradients, held to S times what rounding does at that point.

Where the reference decides within rounding (a tie, a kink), a gradient is right within the envelope of those that it has beside the point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.dispatched.arithmetic import UndispatchableError
from verifier.oracles.dispatched.narrow.judging import judge_narrow
from verifier.oracles.references.beside import is_right_but_at_kinks, within_envelope
from verifier.oracles.references.bounds import near, overflows
from verifier.oracles.references.candidate import ELSEWHERE, POISONS, Answered, Array, Candidate, Manner, RefusedError, poisoned
from verifier.oracles.references.domains import SYMMETRIC, TRIANGLES, along
from verifier.oracles.references.own import NO_DIGITS, has_no_digits, is_own_rounding
from verifier.oracles.references.points import Source, cotangents_for, point, same_twice, used_output
from verifier.oracles.references.space import Case
from verifier.oracles.references.truth import Truth
from verifier.oracles.threads import threads

CALLS = 4
UNJUDGED = "rounding alone decides what the reference gives there"
OVERFLOW = "the right numbers overflow"
NOT_IN_ITS_TYPE = "the reference itself is not finite there in the candidate's type"
OTHER_BETWEEN = "two forward passes before one backward"  # the usage that has a second point
KEPT = {"four calls": "something is kept between calls", "poisoned memory": "an element is never written"}


@dataclass(frozen=True)
class Wrong:
    """What is wrong at one case.

    Attributes:
        what: "output", "gradient", "changed", "shape", "calls"; "refused" where the forward pass raises, "raised" where the backward pass
            does; "precision" where the formula is right, and only noted; "unjudged" where the reference says nothing.
        tensor: the name, "output 0" for an output.
        text: one clause.
        claimed, right, tolerance: where numbers are compared; `right` in float64.
        cotangents: of the case.
        claims: everything that the candidate gave, by name, where numbers are compared.
        narrow: whether the tolerance is what copies reach that round in a narrow type.
    """

    what: str
    tensor: str
    text: str
    claimed: Array | None = None
    right: Array | None = None
    tolerance: Array | None = None
    cotangents: tuple[Array, ...] = ()
    claims: Mapping[str, Array] = field(default_factory=dict)
    narrow: bool = False


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
    zero_at: Mapping[str, Array] = field(default_factory=dict)
    precision: str | None = None
    random: bool = False  # whether the reference draws random numbers
    threads: int | None = None  # of PyTorch, while the candidate gives what is judged; as it is where None

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
        truth = self.truth_at(tensors, case)
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
        limit = float(torch.finfo(self.dtype).max) / 4
        if case.axis("values") == "huge" and any(np.abs(one).max(initial=0.0) > limit for one in (*expected, *gradients.values())):
            return Trial(skipped=OVERFLOW)
        if case.axis("usage") == OTHER_BETWEEN and not self.truth_at(point(self.sources, case, other=1), case).is_finite():
            return Trial(skipped="the reference is not finite")
        try:
            with np.errstate(all="ignore"), threads(self.threads or torch.get_num_threads()):
                answered = self._asked(tensors, case, cotangents, shared)
        except Exception as error:
            refused = isinstance(error, RefusedError)
            cause = error.__cause__ if refused and isinstance(error.__cause__, Exception) else error
            if isinstance(cause, NotImplementedError):
                return Trial(skipped=f"the candidate does not take it: {cause}")
            if not refused and truth.leaves_open(self.dtype, tuple(gradients)):
                return Trial(skipped=UNJUDGED)
            return Trial(Wrong("refused" if refused else "raised", "", f"it raises {_first_line(cause)}", cotangents=tuple(cotangents)))
        return self._compared(answered, expected, gradients, truth, cotangents, shared)

    def truth_at(self, tensors: Mapping[str, Tensor], case: Case) -> Truth:
        """The reference at a point of this case."""
        return Truth(self.candidate, self.reference, self.zero_at, dict(tensors), case, self.random)

    def _asked(
        self, tensors: Mapping[str, Tensor], case: Case, cotangents: Sequence[Array], shared: tuple[str, str] | None
    ) -> list[Answered]:
        usage = case.axis("usage")

        def given(outputs: Sequence[Array]) -> Sequence[Array]:
            kinds = [one.dtype if one.dtype.kind in "fc" else np.dtype(np.float64) for one in outputs]
            ready = len(outputs) == len(cotangents) and all(one.shape == c.shape for one, c in zip(outputs, cotangents, strict=True))
            return [c.astype(kind) for c, kind in zip(cotangents, kinds, strict=True)] if ready else [np.ones_like(one) for one in outputs]

        ask = partial(self.candidate.answer, options=case.options, cotangents=given)
        manner = Manner(
            inputs=case.axis("inputs"),  # type: ignore[arg-type]
            layout=case.axis("layout"),  # type: ignore[arg-type]
            between=point(self.sources, case, other=1) if usage == OTHER_BETWEEN else None,
            shared=shared,
            needed=self._alone(case) if usage == "one gradient alone" else None,
            used=used_output(case, len(cotangents)) if case.axis("cotangent") == "one output alone" else None,
            joined=usage == "another user of the inputs",
        )
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
        truth: Truth,
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
        if wrong is not None and wrong.what == "unjudged":
            return Trial(skipped=wrong.text)
        if wrong is not None and wrong.what != "precision":
            return Trial(wrong)
        trial = self._repeated(answers, claimed, right, truth, kept)
        return trial if wrong is None else replace(trial, notes=(wrong.text, *trial.notes))

    def _held(
        self,
        claimed: Mapping[str, Array],
        right: Mapping[str, Array],
        truth: Truth,
        cotangents: tuple[Array, ...],
        shared: tuple[str, str] | None = None,
    ) -> Wrong | None:
        if self.is_narrow:
            return self._in_a_narrow_type(claimed, right, truth, cotangents)
        far = [name for name in right if not near(claimed[name], right[name], self.epsilon)]
        if not far:
            return None
        wrong: Wrong | None = None
        allowed, _ = truth.tolerances(cotangents, self.dtype, right, shared, wander=False, least=True)
        if all((np.abs(claimed[name] - right[name]) <= np.where(np.isfinite(allowed[name]), allowed[name], -1.0)).all() for name in far):
            return None
        allowed, kinks = truth.tolerances(cotangents, self.dtype, right, shared)
        beyond_them = [name for name in far if not (np.abs(claimed[name] - right[name]) <= allowed[name]).all()]
        if any(truth.may_be_rounding(name, claimed, right, cotangents, self.epsilon) for name in beyond_them):
            allowed, kinks = truth.tolerances(cotangents, self.dtype, right, shared, own=True)
        for name in far:
            beyond = ~(np.abs(claimed[name] - right[name]) <= allowed[name])
            if not beyond.any():
                wrong = wrong or (None if np.isfinite(allowed[name]).all() else Wrong("unjudged", name, UNJUDGED))
                continue
            if overflows(claimed[name][beyond], right[name][beyond], allowed[name][beyond], self.dtype):
                return Wrong("unjudged", name, OVERFLOW)
            is_output = name.startswith("output ")
            if not is_output and self._along(name, claimed[name], right[name], allowed[name]):
                note = f"the gradient of {name} is right for matrices like the example, {self.sources[name].domain}"
                wrong = wrong or Wrong("precision", "", note)
                continue
            if kinks and not is_output and shared is None and within_envelope(truth, name, claimed, allowed, cotangents):
                continue
            infinite = not np.isfinite(claimed[name][beyond]).any()
            if infinite and not is_output and truth.leaves_open(self.dtype, [name]):
                return Wrong("unjudged", name, UNJUDGED)
            infinite = infinite and truth.is_not_finite_in_its_type(name, beyond, cotangents)
            if infinite or has_no_digits(truth, name, claimed[name], right, cotangents, self.dtype):
                wrong = wrong or Wrong("unjudged", name, NOT_IN_ITS_TYPE if infinite else NO_DIGITS)
                continue
            if self._is_tf32(name, claimed, right, truth, cotangents):
                note = f"{name} is right, but the operands of its products were rounded to TF32, not kept in float32"
                wrong = wrong or Wrong("precision", "", note)
                continue
            what = "output" if is_output else "gradient"
            text = f"{name} is not the reference's" if is_output else f"the gradient of {name} is not the reference's"
            return Wrong(what, name, text, claimed[name], right[name], allowed[name], cotangents, claimed)
        return wrong

    def _along(self, name: str, claimed: Array, right: Array, allowed: Array) -> bool:
        """Whether the difference is one that no change of a symmetric or triangular argument sees: conventions differ in it."""
        domain = self.sources[name].domain
        if domain not in (*SYMMETRIC, *TRIANGLES):
            return False
        return bool((np.abs(along(domain, claimed - right)) <= allowed).all())

    def _is_tf32(
        self, name: str, claimed: Mapping[str, Array], right: Mapping[str, Array], truth: Truth, cotangents: tuple[Array, ...]
    ) -> bool:
        """Whether this is float32 as GPUs multiply it unless they are set otherwise; on a processor there is no such thing."""
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
        self, claimed: Mapping[str, Array], right: Mapping[str, Array], truth: Truth, cotangents: tuple[Array, ...]
    ) -> Wrong | None:
        """Held against copies with noise at each store; a tensor that fits another precision than was declared is said to."""
        keys = truth.output_names()
        names = {f"output {index}": key for index, key in enumerate(keys)} | {name: name for name in self.candidate.differentiated}
        given = {names[name]: claimed[name] for name in right}
        if self.zero_at:
            unmasked = replace(truth, zero_at={}).plain(cotangents)[1]
            for name in [one for one in self.zero_at if one in given and np.shape(self.zero_at[one]) == given[one].shape]:
                if (given[name][self.zero_at[name]] != 0).any():
                    text = f"the gradient of {name} is not 0 where it is meant to be"
                    return Wrong("gradient", name, text, claimed[name], right[name], np.zeros(right[name].shape), cotangents, claimed)
                given[name] = np.where(self.zero_at[name], unmasked[name], given[name])
        try:
            found = judge_narrow(
                truth.call,
                truth.tensors,
                list(cotangents),
                given,
                differentiate=truth.wanted,
                dtype=self.dtype,
                precision=self.precision,
                alike=truth.case.axis("values") == "equal rows",
            )
        except UndispatchableError as error:
            return Wrong("unjudged", "", str(error))
        less, unjudged = "", ""
        room = {name: (found[names[name]].right, found[names[name]].tolerance) for name in right}
        for name in right:
            outcome = found[names[name]]
            key = names[name]
            if outcome.status == "wrong" and is_right_but_at_kinks(
                truth, (name, key), claimed, room, cotangents, self.dtype, self.precision
            ):
                continue
            if outcome.status == "wrong" and is_own_rounding(truth, name, claimed[name], right, cotangents, self.dtype, self.precision):
                unjudged = name
                continue
            if outcome.status == "other precision" and self.precision is None:
                less = less or outcome.says
            if outcome.status == "wrong" or (outcome.status == "other precision" and self.precision is not None):
                what = "output" if name.startswith("output ") else "gradient"
                subject = name if what == "output" else f"the gradient of {name}"
                says = outcome.says.rstrip(".").removeprefix(f"{names[name]} is wrong: ")
                text = f"{subject} is not the reference's: {says}" if outcome.status == "wrong" else f"{subject}{says.removeprefix(key)}"
                return Wrong(what, name, text, claimed[name], outcome.right, outcome.tolerance, cotangents, narrow=True)
        return Wrong("unjudged", unjudged, NO_DIGITS) if unjudged else Wrong("precision", "", less) if less else None

    def _repeated(
        self,
        answers: Sequence[Answered],
        claimed: Mapping[str, Array],
        right: Mapping[str, Array],
        truth: Truth,
        cotangents: tuple[Array, ...],
    ) -> Trial:
        notes: list[str] = []
        for number, answered in enumerate(answers[1:], start=2):
            again = {f"output {index}": one for index, one in enumerate(answered.outputs)}
            gradients = {name: one for name, one in answered.gradients.items() if name in right}
            again |= {name: np.zeros_like(claimed[name]) if one is None else one for name, one in gradients.items()}
            same = {name: one for name, one in again.items() if one.shape == claimed[name].shape}
            if all(one.tobytes() == np.asarray(claimed[name]).tobytes() for name, one in same.items()):
                continue
            wrong = self._held({**claimed, **same}, right, truth, cotangents)
            if wrong is not None and wrong.what not in ("precision", "unjudged"):
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
        truth: Truth,
        cotangents: tuple[Array, ...],
    ) -> str:
        """What two answers to one call differ in by more than the reference's rounding; code that errs now and then wanders itself."""
        allowed, _ = truth.tolerances(cotangents, self.dtype, right, wander=False)
        return next((name for name in other if not (np.abs(one[name] - other[name]) <= allowed[name]).all()), "")

    def resolves(self, case: Case, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        """By input, the smallest error that would have been seen at this point, relative to the largest element of its gradient."""
        truth = self.truth_at(tensors, case)
        try:
            outputs, _ = truth.plain(None)
            cotangents = cotangents_for(outputs, case)
            _, right = truth.plain(cotangents)
            allowed, _ = truth.tolerances(cotangents, self.dtype, right)
        except Exception:  # at the examples themselves there may be nothing to ask
            return {}
        if self.is_narrow:
            return {}
        largest = {name: float(np.abs(one).max(initial=0.0)) for name, one in right.items()}
        return {name: float(allowed[name].max(initial=0.0)) / largest[name] if largest[name] else 0.0 for name in right}

    @property
    def epsilon(self) -> float:
        return float(torch.finfo(self.dtype).eps)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
