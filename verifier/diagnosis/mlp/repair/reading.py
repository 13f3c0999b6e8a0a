"""What each slot of one call holds, beside the right quantities: right as what, or wrong from where on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.repair.quantities import FORWARD, SYMBOLS, Quantities, Quantity
from verifier.diagnosis.mlp.repair.watching import Setting, Slot

CLOSE = {"float64": 1e-9, "float32": 1e-4}  # of the largest element: nearer, a value is taken for a quantity. It decides no verdict


@dataclass(frozen=True)
class Known:
    """That a value is a right quantity, times a factor by its name."""

    quantity: Quantity
    factor: str


@dataclass(frozen=True)
class Reading:
    """The slots of one call, in the order in which each was first set."""

    settings: Sequence[Setting]
    quantities: Quantities
    close: float

    @cached_property
    def by_slot(self) -> Mapping[Slot, Sequence[int]]:
        """When each slot was set, as positions in `settings`."""
        slots: dict[Slot, list[int]] = {}
        for index, setting in enumerate(self.settings):
            slots.setdefault(setting.slot, []).append(index)
        return slots

    @cached_property
    def last_layer(self) -> int:
        """The output layer."""
        return max(one.layer for places in self.quantities.by_shape.values() for found in places.values() for one in found)

    @cached_property
    def by_samples(self) -> bool:
        """Whether the code goes through a batch sample by sample: an activation of one sample is set alone."""
        found = [one.array for kind in FORWARD for at in self.quantities.by_shape[kind].values() for one in at if one.array.ndim == 2]
        rows = [row for array in found if min(array.shape) > 1 for way in (array, array.T) for row in way]
        return any(
            self.same(setting.value.reshape(-1), row)
            for setting in self.settings
            if 1 in (*setting.value.shape, setting.value.ndim)
            for row in rows
        )

    @cached_property
    def known(self) -> Sequence[tuple[Known, ...]]:
        """For each setting every quantity that its value is."""
        return [tuple(self._known(setting)) for setting in self.settings]

    @cached_property
    def first_wrong(self) -> Mapping[Slot, int]:
        """When a slot was first set to something that is no right quantity; slots that never are have no entry."""
        found: dict[Slot, int] = {}
        for index, setting in enumerate(self.settings):
            if not self.known[index]:
                found.setdefault(setting.slot, index)
        return found

    def _known(self, setting: Setting) -> list[Known]:
        found = []
        for kind in SYMBOLS:
            for quantity in self.quantities.at(kind, setting.value.shape):
                factors = self.quantities.factors_of(kind)
                found += [Known(quantity, name) for name, factor in factors.items() if self.same(setting.value, factor * quantity.array)]
        return found

    def fits(self, slot: Slot, kind: str) -> bool:
        """Whether a quantity of this kind has the shape of something that is set in this place."""
        return any(self.quantities.at(kind, self.settings[index].value.shape) for index in self.by_slot[slot])

    def is_ambiguous(self, slot: Slot, kind: str) -> bool:
        """Whether a shape does not say which layer it is."""
        return any(len(self.quantities.at(kind, self.settings[index].value.shape)) > 1 for index in self.by_slot[slot])

    def holds(self, slot: Slot, kind: str, factor: str) -> bool:
        """Whether everything that fits is already this quantity: to put it there changes nothing."""
        fitting = [index for index in self.by_slot[slot] if self.quantities.at(kind, self.settings[index].value.shape)]
        return all(any(one.quantity.kind == kind and one.factor == factor for one in self.known[index]) for index in fitting)

    def varies(self, slot: Slot, kind: str) -> bool:
        """Whether it is set to more values of one shape than the network has: to one sample after another, or in one call after another."""
        values: dict[tuple[int, ...], list[FloatArray]] = {}
        for index in self.by_slot[slot]:
            value = self.settings[index].value
            here = values.setdefault(value.shape, [])
            if not any(np.array_equal(value, other) for other in here):
                here.append(value)
        return any(len(here) > len(at) for shape, here in values.items() if (at := self.quantities.at(kind, shape)))

    def replaced(self, slot: Slot, kind: str, factor: str) -> int:
        """How many right values another one would replace."""
        known = [self.known[index] for index in self.by_slot[slot] if self.quantities.at(kind, self.settings[index].value.shape)]
        return sum(bool(here) and not any((one.quantity.kind, one.factor) == (kind, factor) for one in here) for here in known)

    def is_a_multiple(self, slot: Slot, kind: str) -> bool:
        """Whether a slot is set to this quantity, times a factor."""
        return any(one.quantity.kind == kind for index in self.by_slot[slot] for one in self.known[index])

    def set_before(self, kind: str, layer: int, index: int) -> bool | None:
        """Whether the right δ, or activation, of a layer was set before; None where nothing that could be it was."""
        candidates = False
        for setting, known in zip(self.settings[:index], self.known[:index], strict=True):
            if not any(quantity.layer == layer for quantity in self.quantities.at(kind, setting.value.shape)):
                continue
            kinds = {one.quantity.kind for one in known if one.quantity.layer == layer}
            if kind in kinds:
                return True
            candidates = candidates or not kinds & {*FORWARD, "slope"}
        return False if candidates else None

    def same(self, value: FloatArray, right: FloatArray) -> bool:
        """Whether two arrays of one shape are equal but for rounding."""
        if value.shape != right.shape:
            return False
        size = float(np.max(np.abs(right), initial=0.0))
        return bool(np.all(np.abs(value - right) <= self.close * size))
