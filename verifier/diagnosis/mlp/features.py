"""What can be said of wrong gradients where no known mistake predicts them: which tensors, which ratio, which samples, which region."""

from collections.abc import Iterator, Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.relations import tell_multiples, tell_tensors
from verifier.oracles.reference import Answered

MANY = 20  # numbers, before their decimals are counted
MOST = 0.7  # of the networks: large inputs make the step longer than the weights
NEAR = 0.9  # the cosine of the angle between what came back and the parameters themselves
ALL_ALIKE = 1e-9  # how exactly a feature must hold to be reported


@np.errstate(all="ignore")
def tell_features(answered: Sequence[Answered]) -> list[str]:
    """Sentences about the networks on which the candidate is wrong; each holds on all of them."""
    wrong = [(one, _wrong_tensors(one)) for one in answered]
    wrong = [(one, tensors) for one, tensors in wrong if tensors]
    if not wrong:
        return []
    return [
        *_of_finiteness([one for one, _ in wrong]),
        *_of_networks([one for one, _ in wrong], [one for one in answered if not _wrong_tensors(one)]),
        *_of_digits([one for one, _ in wrong]),
        *_of_repetition([one for one, _ in wrong], [one for one in answered if not _wrong_tensors(one)]),
        *tell_tensors([one for one, _ in wrong]),
        *_of_parameters([one for one, _ in wrong]),
        *_of_elements(wrong),
        *_of_region([one for one, _ in wrong]),
    ]


def _wrong_tensors(one: Answered) -> set[str]:
    right = one.reference.gradients
    return {
        name
        for name, gradient in one.claimed.gradients.items()
        if not bool(np.all(np.abs(gradient - right[name]) <= one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0)))
    }


def _of_finiteness(wrong: Sequence[Answered]) -> Iterator[str]:
    """Whether every wrong network has a gradient that is no number."""
    if not any(all(bool(np.isfinite(gradient).all()) for gradient in one.claimed.gradients.values()) for one in wrong):
        yield (
            "The gradients are NaN or infinite there: look for log 0, 0 / 0 or 0 · ∞ "
            "(a target of exactly 0 or 1, a probability that is rounded to 0)."
        )


def _of_networks(wrong: Sequence[Answered], fine: Sequence[Answered]) -> Iterator[str]:
    batches, depths = (
        [{_batch(one) for one in group} for group in (wrong, fine)],
        [{_layers(one) for one in group} for group in (wrong, fine)],
    )
    if batches[1] == {1} and 1 not in batches[0]:
        yield "Single samples are right, batches are wrong."
    if depths[1] == {1} and 1 not in depths[0]:
        yield "Networks of one layer are right, deeper ones are wrong."
    activations = [set().union(*(one.problem.choices["activations"] for one in group)) if group else set() for group in (wrong, fine)]
    for name in sorted(activations[0] - activations[1]):
        if fine and all(name in one.problem.choices["activations"] for one in wrong):
            yield f"Every wrong network has {name}, and no right one does."


def _of_repetition(wrong: Sequence[Answered], fine: Sequence[Answered]) -> Iterator[str]:
    """Whether samples that are equal, inputs and targets, or long batches, are what the wrong networks have and the right ones have not."""
    repeats = [[_repeats(one) for one in group] for group in (wrong, fine)]
    if all(repeats[0]) and fine and not any(repeats[1]):
        yield "Every wrong network has samples that are equal, inputs and targets, and no right one has: are they taken for one?"
    least, most = min(map(_batch, wrong)), max(map(_batch, fine), default=0)
    if most > 1 and least > most:
        yield f"Batches of up to {most} samples are right, those of {least} and more are wrong."


def _repeats(one: Answered) -> bool:
    rows = np.concatenate([one.problem.arrays["x"], one.problem.arrays["y"]], axis=1)
    return len(np.unique(rows, axis=0)) < len(rows)


def _of_digits(wrong: Sequence[Answered]) -> Iterator[str]:
    """Whether every gradient is a whole number of some last decimal: rounded, or printed and read again."""
    numbers = np.concatenate(
        [np.zeros(0), *(g.ravel() for one in wrong for g in one.claimed.gradients.values() if one.problem.dtype == "float64")]
    )
    if numbers.size >= MANY and numbers.any() and bool(np.all(numbers == np.round(numbers))):  # zeros alone are another mistake
        yield "Every number is a whole number: values written into an array of integers (dtype=int) lose their decimals. Use floats."
        return
    numbers = numbers[numbers != 0]
    for decimals in range(2, 12) if numbers.size >= MANY else ():
        scaled = np.abs(numbers) * 10.0**decimals
        if bool(np.all(np.abs(scaled - np.round(scaled)) <= 1e-3)):
            yield f"Every number is rounded to {decimals} decimals."
            return


def _batch(one: Answered) -> int:
    return int(one.problem.arrays["x"].shape[0])


def _layers(one: Answered) -> int:
    return architecture_of(one.problem).layers


def _of_parameters(wrong: Sequence[Answered]) -> Iterator[str]:
    """Whether what came back lies near the weights themselves, as after a step along a wrong gradient."""
    near = [_lies_near(one) for one in wrong if not any(node.operation == "l2" for node in one.problem.program.nodes)]
    if len(near) >= MANY // 2 and sum(near) >= MOST * len(near):
        yield "What comes back lies near the weights themselves: are updated weights returned in place of gradients?"


def _lies_near(one: Answered) -> bool:
    names = [name for name in one.claimed.gradients if name.startswith("weights")]
    claimed = np.concatenate([one.claimed.gradients[name].ravel() for name in names])
    weights = np.concatenate([one.problem.arrays[name].ravel() for name in names]).astype(np.float64)
    along = float(claimed @ weights)
    square = float(weights @ weights)
    return 0.5 * square <= along <= 1.5 * square and along >= NEAR * np.sqrt(square * float(claimed @ claimed))


def _of_elements(wrong: Sequence[tuple[Answered, set[str]]]) -> Iterator[str]:
    pairs = [(one.claimed.gradients[name], one.reference.gradients[name]) for one, tensors in wrong for name in tensors]
    if all(not claimed.any() for claimed, _ in pairs):
        yield "The wrong numbers are zero."
        return
    multiples = list(tell_multiples([one for one, _ in wrong]))
    yield from multiples
    if multiples:
        return
    if all(_same_elements(claimed, right) for claimed, right in pairs):
        yield "The numbers are the right ones in the wrong places."
    elif all(bool(np.all(np.sign(claimed) == np.sign(right))) for claimed, right in pairs):
        yield "All signs are right."


def _same_elements(claimed: FloatArray, right: FloatArray) -> bool:
    largest = float(np.max(np.abs(right), initial=0.0))
    return right.size > 1 and float(np.max(np.abs(np.sort(claimed.ravel()) - np.sort(right.ravel())))) <= ALL_ALIKE * largest


def _of_region(wrong: Sequence[Answered]) -> Iterator[str]:
    """Batches of one: whether δ is wrong only in units with z below (or above) zero, and right in the other units that have some."""
    below, above, seen, fine = [], [], 0, {"<": 0, ">": 0}
    for one in wrong:
        if _batch(one) != 1:
            continue
        for layer in range(_layers(one)):
            claimed = one.claimed.gradients.get(f"biases[{layer}]")
            if claimed is None:
                continue
            right = one.reference.gradients[f"biases[{layer}]"]
            tolerance = one.reference.gradient_tolerance(f"biases[{layer}]")
            bad = np.abs(claimed - right) > tolerance
            z = one.reference.stages[f"pre_activations[{layer}]"][0]
            below.append(bool(bad[z < 0].any()))
            above.append(bool(bad[z > 0].any()))
            seen += int(bad.sum())
            for side, there in (("<", z < 0), (">", z > 0)) if bad.any() else ():
                fine[side] += int((there & ~bad & (np.abs(right) > tolerance)).sum())
    if seen >= 5 and any(below) != any(above) and fine[">" if any(below) else "<"] >= 5:
        yield f"δ is wrong only where z {'<' if any(below) else '>'} 0."
