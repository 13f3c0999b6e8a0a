"""Numbers within the range of the examples, where the reference takes no others: logarithms of probabilities, cosines."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from verifier.oracles.references.domains import WITHIN
from verifier.oracles.references.judging import Judge
from verifier.oracles.references.points import Source, point
from verifier.oracles.references.space import Case

TRIED = 4  # ordinary points: if the reference has no number at half of them, they are not what it takes


def within_examples(judge: Judge, base: Case, examples: Mapping[str, Tensor]) -> Mapping[str, Source]:
    """How the tensors are drawn, with as few as possible kept to their examples' range; as before where that does not help."""
    real = {name: one for name, one in judge.sources.items() if one.domain == "real" and one.draw is None and one.shape.kind is None}
    real = {name: one for name, one in real.items() if one.example.is_floating_point() and one.example.numel()}
    kept = {name: replace(one, domain=WITHIN) for name, one in real.items()}

    def answered(sources: Mapping[str, Source]) -> int:
        cases = [replace(base, seed=seed) for seed in range(TRIED)]
        return sum(judge.truth_at(point(sources, case), case).is_finite() for case in cases)

    if not kept or answered(judge.sources) > TRIED // 2 or not judge.truth_at(examples, base).is_finite():
        return judge.sources
    if answered({**judge.sources, **kept}) < TRIED:
        return judge.sources
    for name in tuple(kept):
        fewer = {other: one for other, one in kept.items() if other != name}
        if answered({**judge.sources, **fewer}) == TRIED:
            kept = fewer
    return {**judge.sources, **kept}
