"""The networks on which a candidate is watched: small, all sizes different, so that a shape says which layer an array belongs to."""

from collections.abc import Iterator, Sequence

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe
from verifier.diagnosis.mlp.probing import ATTEMPTS, draw_gentle
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem

Network = tuple[Problem, Reference]
Widths = tuple[tuple[int, ...], int]

BATCH = 3  # samples; 1 for code that goes through them one by one, whose values are those of one sample
WIDTHS = (4, 5, 6, 7, 8), 2  # inputs and hidden units, none of which is the batch; outputs
SQUARE = (4, 4, 4, 4, 4), 4  # for code that runs on nothing else
OTHER_BATCH = 4
OTHER_WIDTHS, OTHER_SQUARE = ((6, 5, 7, 8, 9), 3), ((5, 5, 5, 5, 5), 5)
LOUD = Recipe(targets="extreme")


def watched_networks(claims: Claims, likes: Sequence[Architecture], *, seed: int) -> Iterator[tuple[Network, list[Network]]]:
    """Networks to repair on, of the kinds that failed, each with those that have to confirm it: of other sizes, deeper where it may be."""
    for like in likes:
        for layers in _depths(claims, like):
            depths = tuple(dict.fromkeys((layers, _deeper(claims, layers))))
            for batch, other_batch, widths, others, recipe in _ways(claims):
                first = _draw(claims, like, layers, batch, widths, recipe, seed)
                confirming = [_draw(claims, like, depth, other_batch, others, recipe, seed + 1) for depth in depths]
                if first is not None:
                    yield first, [network for network in confirming if network is not None]


def _ways(claims: Claims) -> Iterator[tuple[int, int, Widths, Widths, Recipe]]:
    batches = ((BATCH, OTHER_BATCH), (1, 1)) if claims.batch != "single" else ((1, 1),)
    yield from ((*pair, WIDTHS, OTHER_WIDTHS, Recipe()) for pair in batches)
    yield (*batches[0], SQUARE, OTHER_SQUARE, Recipe())
    yield (*batches[0], WIDTHS, OTHER_WIDTHS, LOUD)


def _depths(claims: Claims, like: Architecture) -> Sequence[int]:
    if claims.layers:
        return [claims.layers]
    return range(min(2, claims.max_layers), min(claims.max_layers, max(2, min(like.layers, 3))) + 1)


def _deeper(claims: Claims, layers: int) -> int:
    return claims.layers or min(layers + 1, claims.max_layers)


def _draw(claims: Claims, like: Architecture, layers: int, batch: int, pool: Widths, recipe: Recipe, seed: int) -> Network | None:
    if layers > len(pool[0]):
        return None
    widths = [*(min(width, claims.max_width) for width in pool[0][:layers]), min(pool[1], claims.max_width)]
    if claims.sizes:
        widths = [fixed or free for fixed, free in zip(claims.sizes, widths, strict=True)]
    hidden = (like.activations[:-1] or claims.activations)[0]
    architecture = Architecture(tuple(widths), (*[hidden] * (layers - 1), like.activations[-1]), like.loss, batch, like.dtype)
    drawn = (draw_gentle(architecture, claims, recipe, seed=seed, index=layers, attempt=attempt) for attempt in range(ATTEMPTS))
    return next((network for network in drawn if network is not None), None)
