"""The reference at one point, in float64: its answer, and what rounding may do to a candidate's there."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.dispatched.arithmetic import UndispatchableError
from verifier.oracles.dispatched.devices import gpus_of, narrowest, same_randomness
from verifier.oracles.dispatched.measuring import measure
from verifier.oracles.dispatched.running import real_outputs, to_array
from verifier.oracles.dispatched.wandering import wandering
from verifier.oracles.references.candidate import Array, Candidate, poisoned
from verifier.oracles.references.points import cotangents_for
from verifier.oracles.references.space import Case
from verifier.tolerance import SAFETY, element_tolerance


@dataclass(frozen=True)
class Truth:
    """The reference at one point, in float64.

    Attributes:
        candidate: whose arguments are the reference's too, and what it claims gradients of.
        reference: the function.
        zero_at: by name a mask of where the gradient is meant to be 0.
        tensors: the point, by name; `case` is what it was drawn for.
        random: whether the reference draws random numbers.
    """

    candidate: Candidate
    reference: Callable[..., Any]
    zero_at: Mapping[str, Array]
    tensors: Mapping[str, Tensor]
    case: Case
    random: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of the tensors that a gradient is asked of."""
        return self.candidate.differentiated

    def call(self, at: Mapping[str, Tensor]) -> Any:
        """The reference's answer at these tensors."""
        return self.reference(*self.candidate.arguments(at), **self.case.options)

    def index_out_of_range(self) -> str:
        """What the reference says to indices that are too large for this case, "" where they are not.

        On a GPU such an index ends the whole process' use of it, so a processor is asked first.
        """
        if all(tensor.device.type == "cpu" for tensor in self.tensors.values()):
            return ""
        try:
            with torch.no_grad():
                self.call({name: lifted(tensor).cpu() for name, tensor in self.tensors.items()})
        except Exception as error:  # a reference that holds tensors of the GPU's own says nothing here
            text = str(error).splitlines()[0] if str(error) else ""
            if isinstance(error, IndexError) or "out of bounds" in text or "out of range" in text:
                return f"the reference raises {type(error).__name__}: {text}"
        return ""

    def output_names(self) -> list[str]:
        """As the dispatched oracle names the outputs, in order."""
        return list(real_outputs(self.call({name: lifted(tensor) for name, tensor in self.tensors.items()})))

    def seconds(self) -> float:
        """What the reference takes for one forward and backward pass here; 0 where it has no answer."""
        try:
            ones = [np.ones_like(one) for one in self.plain(None)[0]]
            begun = time.monotonic()
            self.plain(ones)
        except Exception:  # what it raises is seen elsewhere
            return 0.0
        return time.monotonic() - begun

    def is_not_finite_in_its_type(self, name: str, places: Array, cotangents: Sequence[Array]) -> bool:
        """Whether the reference itself, run in the type of the tensors, gives no number in any of these places: 0 times e^200."""

        def given(outputs: Sequence[Array]) -> Sequence[Array]:
            return [c.astype(o.dtype) for c, o in zip(cotangents, outputs, strict=True)]

        try:
            own = replace(self.candidate, forward=self.reference, backward=None).answer(self.tensors, self.case.options, given)
        except Exception:  # it takes float64 alone
            return False
        found = {**{f"output {index}": one for index, one in enumerate(own.outputs)}, **own.gradients}.get(name)
        return found is not None and found.shape == places.shape and not np.isfinite(found[places]).any()

    def is_finite(self) -> bool:
        """Whether the reference has an answer here."""
        try:
            return all(np.isfinite(one).all() for one in self.plain(None)[0])
        except Exception:  # outside of its domain
            return False

    def plain(self, cotangents: Sequence[Array] | None, moved: Mapping[str, Tensor] | None = None) -> tuple[list[Array], dict[str, Array]]:
        """Outputs, and gradients where there are cotangents."""
        wide = {name: lifted(tensor) for name, tensor in (moved or self.tensors).items()}
        for name in self.wanted:
            wide[name] = wide[name].requires_grad_()
        drawn = narrowest(self.tensors.values()) if self.random else torch.float64
        with same_randomness(gpus_of(self.tensors.values()), drawn):
            outputs = list(real_outputs(self.call(wide)).values())
        arrays = [to_array(output) for output in outputs]
        if cotangents is None or not self.wanted:
            return arrays, {}
        pairs = [(o, torch.as_tensor(np.array(c)).to(o)) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
        gradients = {name: np.zeros(tuple(wide[name].shape)) for name in self.wanted}
        if pairs:
            total = sum((output * cotangent.conj()).real.sum() for output, cotangent in pairs)
            found = torch.autograd.grad(total, [wide[name] for name in self.wanted], allow_unused=True)  # type: ignore[arg-type]
            gradients |= {name: to_array(one) for name, one in zip(self.wanted, found, strict=True) if one is not None}
        for name, mask in self.zero_at.items():
            if name in gradients and np.shape(mask) == gradients[name].shape:
                gradients[name] = np.where(mask, 0.0, gradients[name])
        return arrays, gradients

    def tolerances(
        self,
        cotangents: Sequence[Array],
        dtype: torch.dtype,
        right: Mapping[str, Array],
        shared: tuple[str, str] | None = None,
        *,
        wander: bool = True,
        least: bool = False,
        own: bool = False,
    ) -> tuple[dict[str, Array], tuple[str, ...]]:
        """What each element may be off by, and the kinks.

        The candidate's own `wandering` counts too, unless it is left out. `least` asks for no more than one copy shows, which the whole
        tolerance is never below. With `own` the candidate's own scatter counts as well, where it is PyTorch.
        """
        scatter, kinks, longest = self._scatter(cotangents, dtype, least)
        if own:
            candidates = self._own_scatter(cotangents, dtype)
            scatter = {name: np.maximum(one, candidates.get(name, 0.0)) for name, one in scatter.items()}
        if shared is not None:
            scatter[shared[0]] = scatter[shared[0]] + scatter[shared[1]]
        wandered = self._wandered(cotangents) if wander else {}
        epsilon = float(torch.finfo(dtype).eps)
        found = {}
        for name in right:
            # A change of the outputs by their last bit, over a step of the input's size: what cancels in a right form leaves as much.
            floor = epsilon * self.unit(name, right, cotangents)
            larger = np.maximum(scatter[name], wandered.get(name, 0.0)) + floor / SAFETY
            allowed = element_tolerance(np.maximum(larger, epsilon * np.abs(right[name]) / SAFETY), longest)
            # What moves the outputs by less than their rounding is rounding in some right form: sum(K) x - K x, K nearly the unit matrix.
            unseen = np.abs(right[name]) <= SAFETY * floor
            found[name] = np.where(unseen, np.maximum(allowed, SAFETY * floor), allowed)
        return found, kinks

    def leaves_open(self, dtype: torch.dtype, names: Sequence[str]) -> bool:
        """Whether rounding leaves nothing of one of these gradients, as at a singular matrix: no number there is known to be wrong."""
        signed = replace(self.case, axes={"cotangent": "signed"})  # for a cotangent of zeros nothing is left of any gradient
        outputs, _ = self.plain(None)
        cotangents = cotangents_for(outputs, signed)
        right = {f"output {index}": one for index, one in enumerate(outputs)} | self.plain(cotangents)[1]
        allowed, _ = self.tolerances(cotangents, dtype, right, wander=False)
        largest = {name: max(float(np.abs(right[name]).max(initial=0.0)), self.unit(name, right, cotangents)) for name in names}
        return any(size > 0 and not (allowed[name] < size).all() for name, size in largest.items())

    def _scatter(self, cotangents: Sequence[Array], dtype: torch.dtype, least: bool) -> tuple[dict[str, Array], tuple[str, ...], int]:
        """Of outputs and gradients, with the kinks and the longest sum.

        A reference that cannot be disturbed inside (sparse tensors) shows how it moves with the last bits of its inputs; its kinks are
        not known then.
        """
        try:
            measured = measure(self.call, self.tensors, list(cotangents), differentiate=self.wanted, dtype=dtype, least=least)
        except UndispatchableError:
            moved = wandering(lambda at: self._named(cotangents, at), self.tensors, move=self.wanted)
            return dict(moved), ("not known",), max((tensor.numel() for tensor in self.tensors.values()), default=1)
        outputs = {f"output {index}": one for index, one in enumerate(measured.output_scatter.values())}
        return outputs | dict(measured.gradient_scatter), measured.kinks, measured.longest

    def _own_scatter(self, cotangents: Sequence[Array], dtype: torch.dtype) -> dict[str, Array]:
        """Of the candidate's outputs and gradients; {} where its operations are not seen.

        What is left of one sum less another is the same last bits at the point and beside it, which no wandering shows.
        """
        if self.candidate.backward is not None:
            return {}
        try:
            with poisoned():  # what is never written would scatter as far as it likes
                found, _, _ = replace(self, reference=self.candidate.forward)._scatter(cotangents, dtype, least=False)
            return {name: np.where(np.isfinite(one), one, 0.0) for name, one in found.items()}
        except Exception:  # it does not take float64
            return {}

    def _named(self, cotangents: Sequence[Array], at: Mapping[str, Tensor]) -> dict[str, Array]:
        outputs, gradients = self.plain(cotangents, at)
        return {f"output {index}": one for index, one in enumerate(outputs)} | gradients

    def unit(self, name: str, right: Mapping[str, Array], cotangents: Sequence[Array]) -> float:
        """The outputs' size over an input's, which its gradient has where nothing cancels; 0 of an output."""
        if name.startswith("output "):
            return 0.0
        outputs = [one for other, one in right.items() if other.startswith("output ")]
        level = max((float(np.abs(c * one).max(initial=0.0)) for c, one in zip(cotangents, outputs, strict=False)), default=0.0)
        values = np.abs(to_array(self.tensors[name]))
        size = float(values.max(initial=0.0))
        return level / size if size > 0 and np.isfinite(level) else 0.0

    def may_be_rounding(
        self, name: str, claimed: Mapping[str, Array], right: Mapping[str, Array], cotangents: Sequence[Array], epsilon: float
    ) -> bool:
        """Whether half of the digits are right, those of the unit where less is left of it: of a saturated softmax hardly anything is."""
        largest = max(float(np.abs(right[name]).max(initial=0.0)), self.unit(name, right, cotangents))
        return bool(np.abs(claimed[name] - right[name]).max(initial=0.0) <= epsilon**0.5 * largest)

    def _wandered(self, cotangents: Sequence[Array]) -> dict[str, Array]:
        def answer(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
            given = self.candidate.answer(
                tensors, self.case.options, lambda outputs: [c.astype(o.dtype) for c, o in zip(cotangents, outputs, strict=True)]
            )
            found = {f"output {index}": one for index, one in enumerate(given.outputs)}
            return found | {name: one for name, one in given.gradients.items() if one is not None}

        try:
            with poisoned():  # what is never written would wander as far as it likes
                return dict(wandering(answer, self.tensors, move=self.candidate.differentiated))
        except Exception:  # a candidate that does not take the moved point has nothing to say for itself
            return {}


def lifted(tensor: Tensor) -> Tensor:
    """A copy in float64 or complex128; integers and booleans as they are."""
    plain = tensor.detach().clone()
    if plain.is_complex():
        return plain.to(torch.complex128)
    return plain.double() if plain.is_floating_point() else plain
