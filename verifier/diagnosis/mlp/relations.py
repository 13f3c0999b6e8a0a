"""Clauses about wrong tensors: which are wrong, which are right, by what factor. Each is checked on every network before it is said."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of
from verifier.oracles.reference import Answered

SHOWN = 3  # networks, or tensors of several elements, that a clause must rest on
ALIKE = 1e-6  # how exactly a factor must follow its law


@dataclass(frozen=True)
class Tensor:
    """One tensor of one network: what it is called in clauses, whether it can decide anything, and whether it is wrong."""

    name: str
    place: str  # `output` or `hidden`
    kind: str  # `weights` or `biases`
    decides: bool
    wrong: bool


def allowed(one: Answered, name: str) -> FloatArray:
    """How far a gradient may be from the right one."""
    tolerance: FloatArray = one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0)
    return tolerance


def tensors_of(one: Answered) -> list[Tensor]:
    """Every tensor of a network; one whose right gradient is 0 within its tolerance decides nothing by being right."""
    last = architecture_of(one.problem).layers - 1
    found = []
    for name, claimed in one.claimed.gradients.items():
        right, tolerance = one.reference.gradients[name], allowed(one, name)
        wrong = not bool(np.all(np.abs(claimed - right) <= tolerance))
        place = "output" if name.endswith(f"[{last}]") else "hidden"
        found.append(Tensor(name, place, name.partition("[")[0], wrong or bool(np.any(np.abs(right) > tolerance)), wrong))
    return found


def tell_tensors(wrong: Sequence[Answered]) -> Iterator[str]:
    """Which tensors are wrong, and which are right on every network that is wrong."""
    networks = [[tensor for tensor in tensors_of(one) if tensor.decides] for one in wrong]
    everything = [tensor for tensors in networks for tensor in tensors]

    def right(of: Callable[[Tensor], bool]) -> bool:
        seen = [tensor for tensor in everything if of(tensor)]
        return len(seen) >= SHOWN and not any(tensor.wrong for tensor in seen)

    names = {frozenset(tensor.name for tensor in tensors if tensor.wrong) for tensors in networks}
    depths = {architecture_of(one.problem).layers for one in wrong}
    if right(lambda tensor: tensor.kind == "weights"):
        yield "Only bias gradients are wrong."
    elif right(lambda tensor: tensor.kind == "biases"):
        yield "Only weight gradients are wrong."
    if right(lambda tensor: tensor.place == "output"):
        hidden = [tensor for tensor in everything if tensor.place == "hidden"]
        if all(tensor.wrong for tensor in hidden):
            yield "The output layer's gradients are right, those of the layers below are wrong."
        else:
            yield "The output layer's gradients are right."
    elif right(lambda tensor: tensor.place == "hidden"):
        yield "Only the output layer's gradients are wrong."
    if len(names) == 1 and len(depths) == 1 and depths != {1} and len(wrong) >= SHOWN:
        (only,) = names
        if len(only) < max(len(tensors) for tensors in networks):
            yield f"Wrong on every one of these networks: {_listed(sorted(only))}, and no other."


def _listed(words: Sequence[str]) -> str:
    words = [words[0][:1].upper() + words[0][1:] if words[0].startswith("the ") else words[0], *words[1:]]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


@dataclass(frozen=True)
class _Multiple:
    """A wrong tensor that is a multiple of the right one; None where it is not. `several`: it has elements enough to show it."""

    factor: float | None
    several: bool
    sizes: Mapping[str, float]


_LAWS: tuple[tuple[str, Callable[[Mapping[str, float]], float]], ...] = (
    ("", lambda sizes: 1.0),
    ("(batch size)", lambda sizes: sizes["batch"]),
    ("1/(batch size)", lambda sizes: 1 / sizes["batch"]),
    ("(number of outputs)", lambda sizes: sizes["outputs"]),
    ("1/(number of outputs)", lambda sizes: 1 / sizes["outputs"]),
    ("(units of the layer)", lambda sizes: sizes["units"]),
    ("1/(units of the layer)", lambda sizes: 1 / sizes["units"]),
    ("(inputs of the layer)", lambda sizes: sizes["inputs"]),
    ("1/(inputs of the layer)", lambda sizes: 1 / sizes["inputs"]),
)


def tell_multiples(wrong: Sequence[Answered]) -> Iterator[str]:
    """By what factor tensors are wrong: by name where all networks have one depth, else by place and kind."""
    by_name = len({architecture_of(one.problem).layers for one in wrong}) == 1
    groups: dict[str, list[_Multiple]] = defaultdict(list)
    right: dict[str, list[_Multiple]] = defaultdict(list)
    for one in wrong:
        for tensor in tensors_of(one):
            if tensor.decides:
                group = groups if tensor.wrong else right
                group[tensor.name if by_name else f"{tensor.place} {tensor.kind}"].append(_multiple(one, tensor.name))
    laws = {key: _law(multiples) for key, multiples in sorted(groups.items())}
    known = [law for law in laws.values() if law is not None]
    if groups and len(known) == len(laws):
        if len(set(known)) == 1:
            yield f"Every wrong tensor is {known[0]} the right one."
        else:
            # A law of the wrong ones is said of all where the right ones of that place follow it too, as those of a batch of one may.
            whole = {key: not right[key] or _law([*groups[key], *right[key]]) == law for key, law in laws.items()}
            yield f"{_listed([_in_words(key, law, whole=whole[key]) for key, law in laws.items() if law is not None])}."
    elif _one_factor_a_network(wrong):
        yield "On each network every wrong tensor is the same multiple of the right one, by another factor on each."


def _in_words(key: str, law: str, *, whole: bool) -> str:
    if "[" in key:
        return f"{key}{'' if whole else ', where it is wrong,'} is {law} the right one"
    return f"the {'' if whole else 'wrong '}gradients of {key} are {law} the right ones"


def _multiple(one: Answered, name: str) -> _Multiple:
    claimed, right = one.claimed.gradients[name], one.reference.gradients[name]
    architecture = architecture_of(one.problem)
    shape = one.problem.arrays[name].shape
    layer = int(name.partition("[")[2].rstrip("]"))
    sizes = {
        **{"batch": float(architecture.batch), "outputs": float(architecture.widths[-1])},
        **{"units": float(shape[0]), "inputs": float(architecture.widths[layer])},
    }
    several = int((np.abs(right) > allowed(one, name)).sum()) > 1
    square = float((right**2).sum())
    if square == 0 or not np.isfinite(claimed).all():
        return _Multiple(None, several, sizes)
    factor = float((claimed * right).sum() / square)
    fits = bool(np.all(np.abs(claimed - factor * right) <= (1 + abs(factor)) * allowed(one, name)))
    return _Multiple(factor if fits else None, several, sizes)


def _law(multiples: Sequence[_Multiple]) -> str | None:
    """The law that the factor follows on every network, in words; None where there is none, or too little shows it."""
    factors = [multiple.factor for multiple in multiples if multiple.factor is not None]
    if len(factors) < len(multiples) or sum(multiple.several for multiple in multiples) < SHOWN:
        return None
    for words, size in _LAWS:
        numbers = np.array([factor / size(multiple.sizes) for factor, multiple in zip(factors, multiples, strict=True)])
        if np.all(np.abs(numbers - numbers[0]) <= ALIKE * np.abs(numbers).max()) and abs(numbers[0]) > ALIKE:
            if words and len({size(multiple.sizes) for multiple in multiples}) == 1:
                continue  # a size that never changes is no law
            number = f"{numbers[0]:.4g}"
            if not words and abs(numbers[0] - 1) <= 1e-4:
                return None
            return f"{number} times" if not words else f"{words} times" if number == "1" else f"{number} × {words} times"
    return None


def _one_factor_a_network(wrong: Sequence[Answered]) -> bool:
    shown, seen = 0, []
    for one in wrong:
        multiples = [_multiple(one, tensor.name) for tensor in tensors_of(one) if tensor.wrong]
        factors = [multiple.factor for multiple in multiples if multiple.factor is not None]
        if len(factors) < len(multiples) or np.ptp(factors) > ALIKE * max(map(abs, factors)):
            return False
        shown += len(factors) > 1 and any(multiple.several for multiple in multiples)
        seen.append(factors[0])
    return shown >= SHOWN and float(np.ptp(seen)) > ALIKE * max(map(abs, seen))
