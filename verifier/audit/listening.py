"""Where a hand-written backward pass is overheard: every wrapped pass calls `overhear`, which asks the listener of this process.

The recorder notes; the mutator makes the one mistake that this process is about. Without a listener a pass computes as ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from verifier.arrays import Array
from verifier.audit.calls import Call
from verifier.audit.edits import Edit, differs, edited
from verifier.audit.kits import Compute, Kit
from verifier.audit.mutations import Mutation


@dataclass(frozen=True)
class Heard:
    """One call of a pass, in the framework's own values.

    Attributes:
        arguments: of the forward pass, in order, by name.
        outputs: names of the gradients in order, or what tells them for a number of gradients; None where they are the arguments'.
        pure: whether the pass may be computed twice for one call.
        parameters: of an object the places of its parameters, with those of their gradients.
        wanted: which gradients anybody will look at; None where that is not known.
    """

    passage: str
    kit: Kit
    arguments: Mapping[str, Any]
    cotangents: Sequence[Any]
    outputs: tuple[str, ...] | Callable[[int], tuple[str, ...]] | None = None
    pure: bool = True
    wanted: tuple[bool, ...] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def call(self, gradients: Sequence[Any], previous: tuple[Array | None, ...] = ()) -> Call:
        """As plain arrays."""
        own = self.outputs(len(gradients)) if callable(self.outputs) else self.outputs
        names = list(self.arguments) if own is None else list(own)
        names += [f"gradient {position}" for position in range(len(names), len(gradients))]
        outputs = tuple(names[: len(gradients)])
        view = self.kit.view
        cotangents = tuple(view(one) for one in self.cotangents)
        layouts = tuple(None if v is None else self.kit.layout(one) for v, one in zip(cotangents, self.cotangents, strict=True))
        return Call(
            outputs=outputs,
            gradients=tuple(view(one) if self._is_wanted(position) else None for position, one in enumerate(gradients)),
            inputs=tuple(view(self.arguments.get(name)) for name in outputs),
            cotangents=cotangents,
            layouts=layouts,
            options={name: value for name, value in self.arguments.items() if not hasattr(value, "shape")},
            previous=previous,
        )

    def _is_wanted(self, position: int) -> bool:
        return self.wanted is None or position >= len(self.wanted) or self.wanted[position]


class Listener(Protocol):
    """What becomes of a call."""

    def begin(self) -> None:
        """A test begins."""

    def recast(self, heard: Heard) -> Sequence[Any]:
        """The cotangents that the pass is given; `heard.cotangents` itself where they stay."""

    def compare(self, heard: Heard, right: Callable[[], Sequence[Any]], given: Sequence[Any]) -> None:
        """The pass was given other cotangents: `given` came of them, `right()` comes of its own."""

    def regrade(self, heard: Heard, gradients: Sequence[Any]) -> Sequence[Any]:
        """The gradients that the pass returns."""


class Process:
    """Whoever listens in this process."""

    listener: Listener | None = None


def overhear(heard: Heard, compute: Compute) -> Sequence[Any]:
    """The gradients of a call, as this process's listener would have them."""
    listener = Process.listener
    if listener is None:
        return compute(heard.cotangents)
    cotangents = listener.recast(heard)
    gradients = compute(cotangents)
    if cotangents is not heard.cotangents and heard.pure:
        listener.compare(heard, lambda: compute(heard.cotangents), gradients)
    return listener.regrade(heard, gradients)


class Mutator:
    """Makes one mistake in one pass.

    Args:
        output: the gradient's name; for a mutation of the cotangent any.

    Attributes:
        calls: how often the pass was called.
        shown: whether a value was changed in any call.
    """

    def __init__(self, passage: str, output: str, mutation: Mutation) -> None:
        self._passage, self._output, self._mutation = passage, output, mutation
        self._previous: tuple[Array | None, ...] = ()
        self.calls, self.shown = 0, False

    def begin(self) -> None:
        self._previous = ()

    def recast(self, heard: Heard) -> Sequence[Any]:
        if heard.passage != self._passage:
            return heard.cotangents
        self.calls += 1
        if not self._mutation.of_cotangent:
            return heard.cotangents
        call, cotangents, changed = heard.call(()), list(heard.cotangents), False
        for position, cotangent in enumerate(call.cotangents):
            edit = None if cotangent is None else self._mutation.edit(call, position)
            if edit is not None and cotangent is not None and differs(cotangent, edited(edit, call.cotangents, position)):
                cotangents[position], changed = heard.kit.edit(edit, heard.cotangents, position), True
        self.shown = self.shown or (changed and not heard.pure)
        return cotangents if changed else heard.cotangents

    def compare(self, heard: Heard, right: Callable[[], Sequence[Any]], given: Sequence[Any]) -> None:
        if not self.shown:
            pairs = zip(heard.call(right()).gradients, heard.call(given).gradients, strict=True)
            self.shown = any(before is not None and after is not None and differs(before, after) for before, after in pairs)

    def regrade(self, heard: Heard, gradients: Sequence[Any]) -> Sequence[Any]:
        if heard.passage != self._passage or self._mutation.of_cotangent:
            return gradients
        call = heard.call(gradients, self._previous)
        self._previous = tuple(None if one is None else one.copy() for one in call.gradients)
        position = call.outputs.index(self._output) if self._output in call.outputs else None
        gradient = None if position is None else call.gradients[position]
        edit = None if position is None or gradient is None else self._mutation.edit(call, position)
        if position is None or gradient is None or edit is None:
            return gradients
        self.shown = self.shown or differs(gradient, edited(edit, call.gradients, position))
        mutated = list(gradients)
        mutated[position] = heard.kit.edit(edit, gradients, position)
        return mutated


class Scaler:
    """Multiplies every gradient of one pass by 1 + `error`: so the resolution of a test is measured."""

    def __init__(self, passage: str, error: float = 0.0) -> None:
        self._passage, self.error = passage, error

    def begin(self) -> None: ...

    def recast(self, heard: Heard) -> Sequence[Any]:
        return heard.cotangents

    def compare(self, heard: Heard, right: Callable[[], Sequence[Any]], given: Sequence[Any]) -> None: ...

    def regrade(self, heard: Heard, gradients: Sequence[Any]) -> Sequence[Any]:
        if heard.passage != self._passage:
            return gradients
        edit, view = Edit(factor=1 + self.error), heard.kit.view
        return [one if view(one) is None else heard.kit.edit(edit, gradients, i) for i, one in enumerate(gradients)]
