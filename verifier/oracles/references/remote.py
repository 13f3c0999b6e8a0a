"""A candidate in another process: what it is asked, as statements for its worker, and what comes back.

Only numbers travel. The statements are ours: the arguments become tensors of the right type and memory, the candidate is called, and what
it was given is read again afterwards, so that bytes show what it changed. A candidate in NumPy gets arrays, and its own backward function
is called.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from verifier.oracles.functions.layouts import GARBAGE, Layout
from verifier.oracles.references.candidate import ELSEWHERE, USUAL, Answered, Array, Candidate, Manner, RefusedError, to_array

Exchange = Callable[[Mapping[str, Any], Mapping[str, Array]], tuple[Mapping[str, Any], Mapping[str, Array]]]
"""(message, arrays) -> the worker's answer. Raises RaisedError where a worker ends."""


class RaisedError(Exception):
    """What the candidate raised, in the worker's words."""


def elsewhere(*_: Any, **__: Any) -> Any:
    """What stands in a `Remote` for the candidate's functions."""
    raise AssertionError("the candidate lives in another process")


@dataclass(frozen=True)
class Remote(Candidate):
    """A `Candidate` that is asked by messages.

    Attributes:
        function, gradient: names in the candidate's module; `gradient` is "" where autograd goes through the function.
        outputs: subscripts of the real outputs in what the function returns: ("",), ("[0]", "[1]"), ("['y']",).
    """

    exchange: Exchange = elsewhere
    function: str = ""
    gradient: str = ""
    outputs: tuple[str, ...] = ("",)

    def answer(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        manner: Manner = USUAL,
    ) -> Answered:
        """As `Candidate.answer`."""
        writer = _Numpy(self, options, manner) if self.gradient else _Torch(self, options, manner)
        places = {name: f"in_{index}" for index, name in enumerate(tensors)}
        values = {places[name]: to_array(tensor) for name, tensor in tensors.items()}
        if manner.between is not None:
            values |= {f"{places[name]}_between": to_array(tensor) for name, tensor in manner.between.items()}
        kept = [f"out_{index}" for index in range(len(self.outputs))]
        program = writer.program(places, tensors)
        passing = {"do": "pass", "arrays": {name: name for name in values}, "constants": {}, "seed": 0, "outputs": kept}
        reply, arrays = self._asked([program, passing], values)
        outputs = [np.asarray(_value(name, reply[1], arrays)) for name in kept]
        wanted = [name for name in (manner.needed or self.differentiated) if manner.shared is None or name != manner.shared[1]]
        # Flat: the worker gives each the form of the output that it kept.
        given = {f"c_{index}": array.astype(np.float64).ravel() for index, array in enumerate(cotangents(outputs))}
        after = [f"{one}_after" for one in (*places.values(), *given)]
        back = {
            "do": "backward",
            "cotangents": {name: {"values": name, "of": kept[index]} for index, name in enumerate(given)},
            "gradients": {name: name for name in (*(f"d_{places[name]}" for name in wanted), *after)},
        }
        reply, arrays = self._asked([back], given)
        found = {name: arrays[leaf] for name, leaf in reply[0]["values"].items() if leaf is not None}
        gradients = {name: found.get(f"d_{places[name]}") for name in wanted} if wanted else {}
        read = {name: _value(name, reply[0], arrays) for name in after}
        changed = [name for name, place in places.items() if not _same(read[f"{place}_after"], tensors[name])]
        changed += [] if all(_as_it_was(read[f"{name}_after"], one) for name, one in given.items()) else ["the cotangent"]
        return Answered(tuple(outputs), gradients, tuple(changed))

    def _asked(self, actions: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array]) -> tuple[Any, Mapping[str, Array]]:
        message, answered = self.exchange({"actions": list(actions)}, arrays)
        if "died" in message:
            raise RaisedError(message["died"])
        for reply in message["actions"]:
            if "says" in reply:
                error = RaisedError(reply["says"])
                if reply.get("phase") == "backward":
                    raise error
                raise RefusedError from error
        return message["actions"], answered


def _value(name: str, reply: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    """What the worker read of a name that always has a value; a reply without it is forged."""
    leaf = reply["values"][name]
    if leaf is None:
        raise RaisedError(f"{name} came back as nothing")
    return arrays[leaf]


@dataclass(frozen=True)
class _Torch:
    """Statements for a function of tensors."""

    remote: Remote
    options: Mapping[str, Any]
    manner: Manner

    def program(self, places: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        setup = [text for name, place in places.items() for text in self._tensor(place, tensors[name], name in self._needed)]
        shared = self.manner.shared
        if shared is not None:
            setup.append(f"{places[shared[1]]} = {places[shared[0]]}")
        forward = ["seeded = torch.manual_seed(0)", f"answer = {self._call(places, '')}"]
        if self.manner.between is not None:
            setup += [f"{place}_between = torch.as_tensor({place}_between).to({_dtype(tensors[name])})" for name, place in places.items()]
            forward.append(f"between = {self._call(places, '_between')}")
        for index, subscript in enumerate(self.remote.outputs):
            forward += [f"o_{index} = answer{subscript}", f"out_{index} = {_numpy(f'o_{index}')}"]
        return {"do": "program", "imports": ["import torch"], "setup": setup, "forward": forward, "backward": self._backward(places)}

    @property
    def _needed(self) -> tuple[str, ...]:
        return self.remote.differentiated if self.manner.needed is None else self.manner.needed

    def _tensor(self, place: str, tensor: Tensor, needed: bool) -> list[str]:
        lines = [
            f"{place} = torch.as_tensor({place}).to({_dtype(tensor)})",
            *_layout(place, tuple(tensor.shape), self.manner.inputs, inputs=True),
        ]
        return [*lines, *([f"{place} = {place}.requires_grad_()"] if needed else [])]

    def _call(self, places: Mapping[str, str], suffix: str) -> str:
        arguments = [places[name] + suffix if name in places else repr(self.remote.fixed[name]) for name in self.remote.names]
        return f"{self.remote.function}({', '.join([*arguments, *(f'{name}={value!r}' for name, value in self.options.items())])})"

    def _backward(self, places: Mapping[str, str]) -> list[str]:
        wanted = [places[n] for n in self._needed if self.manner.shared is None or n != self.manner.shared[1]]
        used = [index for index in range(len(self.remote.outputs)) if self.manner.used in (None, index)]
        lines = []
        for index in range(len(self.remote.outputs)):
            lines.append(f"g_{index} = torch.as_tensor(c_{index}).to(o_{index}.dtype)")
            lines += _layout(f"g_{index}", (1, 1), self.manner.layout)
        others = wanted if self.manner.joined else []
        outputs = [f"o_{index}" for index in used] + [f"{place} * 1" for place in others]
        cotangents = [f"g_{index}" for index in used] + [f"torch.full_like({place}, {ELSEWHERE})" for place in others]
        lines.append(
            f"found = torch.autograd.grad([{', '.join(outputs)}], [{', '.join(wanted)}], [{', '.join(cotangents)}], "
            "allow_unused=True, materialize_grads=True)"
        )
        lines += [f"d_{place} = {_numpy(f'found[{index}]')}" for index, place in enumerate(wanted)]
        lines += [f"{place}_after = {_numpy(place)}" for place in places.values()]
        return [*lines, *(f"c_{index}_after = {_numpy(f'g_{index}')}.reshape(-1)" for index in range(len(self.remote.outputs)))]


@dataclass(frozen=True)
class _Numpy:
    """Statements for a pair of functions of arrays."""

    remote: Remote
    options: Mapping[str, Any]
    manner: Manner

    def program(self, places: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        setup = [text for name, place in places.items() for text in _array_layout(place, tensors[name].dim(), self.manner.inputs)]
        forward = [f"answer = {self._call(self.remote.function, places, '', [])}"]
        if self.manner.between is not None:
            forward.append(f"between = {self._call(self.remote.function, places, '_between', [])}")
        forward += [f"out_{index} = np.asarray(answer{subscript})" for index, subscript in enumerate(self.remote.outputs)]
        several = self.remote.outputs != ("",)
        seeds = [f"c_{index}" for index in range(len(self.remote.outputs))]
        passed = [f"({', '.join(seeds)},)"] if several else seeds
        backward = [f"found = {self._call(self.remote.gradient, places, '', passed)}"]
        single = len(self.remote.differentiated) == 1
        for index, name in enumerate(self.remote.differentiated):
            backward.append(f"d_{places[name]} = {'found' if single else f'found[{index}]'}")
        backward += [f"{place}_after = {place}" for place in places.values()]
        return {
            "do": "program",
            "setup": setup,
            "forward": forward,
            "backward": [*backward, *(f"{one}_after = {one}.reshape(-1)" for one in seeds)],
        }

    def _call(self, function: str, places: Mapping[str, str], suffix: str, more: Sequence[str]) -> str:
        arguments = [places[name] + suffix if name in places else repr(self.remote.fixed[name]) for name in self.remote.names]
        return f"{function}({', '.join([*arguments, *more, *(f'{name}={value!r}' for name, value in self.options.items())])})"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype)


def _numpy(name: str) -> str:
    return f"{name}.detach().double().numpy().copy()"


def _layout(name: str, shape: tuple[int, ...], layout: Layout, *, inputs: bool = False) -> list[str]:
    """Statements that lay a tensor out; the numbers are those that the layout can hold already, of inputs those of a matrix alone."""
    if not shape or 0 in shape:
        return []
    match layout:
        case "transposed":
            return [f"{name} = {name}.mT.contiguous().mT if {name}.dim() > 1 else {name}"]
        case "stepped" | "sliced":
            wide = f"torch.cat([{name}, torch.full_like({name}, {GARBAGE})], -1)"
            if layout == "stepped":
                wide = f"torch.stack([{name}, torch.full_like({name}, {GARBAGE})], -1).flatten(-2)"
                return [f"{name} = {wide}[..., ::2] if {name}.dim() else {name}"]
            return [f"{name} = {wide}[..., :{name}.shape[-1]] if {name}.dim() else {name}"]
        case "rows":
            return [f"{name} = {name}[:1].expand({name}.shape) if {name}.dim() > {int(inputs)} else {name}"]
        case "expanded":
            return [f"{name} = {name}.reshape(-1)[0].expand({name}.shape)"]
    return []


def _array_layout(name: str, dimensions: int, layout: Layout) -> list[str]:
    match layout:
        case "transposed":
            return [f"{name} = np.asfortranarray({name})"]
        case "stepped" if dimensions:
            return [f"{name} = np.repeat({name}, 2, -1)[..., ::2]"]
        case "sliced" if dimensions:
            return [f"{name} = np.concatenate([{name}, {name}], -1)[..., :{name}.shape[-1]]"]
    return []


def _same(after: Array, tensor: Tensor) -> bool:
    return _as_it_was(after, to_array(tensor))


def _as_it_was(after: Array, before: Array) -> bool:
    """Whether an array came back with the numbers that it had, in whatever type it was given."""
    return bool(np.array_equal(after, before.astype(after.dtype), equal_nan=True))


def subscripts(outputs: Sequence[str]) -> tuple[str, ...]:
    """Of the names that the dispatched oracle gives to outputs ("output[0]"), what stands after "output"."""
    return tuple(name.removeprefix("output") for name in outputs)
