"""The strategy of the `mlp` contract: Hypothesis draws what the networks are, in fixed strata."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe

# Ordinary widths; `max_width` only in the stratum of wide layers, so that most networks are small.
_ORDINARY_WIDTH = 8
# Hypothesis begins with its simplest examples, nearly all alike: so many of them are dropped.
_SIMPLEST = 2


@dataclass(frozen=True)
class Stratum:
    """A corner of the space of networks that every corpus visits. Ranges are held to what the claims allow."""

    layers: tuple[int, int] = (1, 4)
    batch: tuple[int, int] = (1, 8)
    widths: tuple[int, int] = (1, _ORDINARY_WIDTH)
    square: bool = False
    recipe: Recipe = field(default_factory=Recipe)


STRATA = (
    Stratum(layers=(1, 1), batch=(2, 8)),
    Stratum(layers=(2, 2), batch=(1, 1), widths=(2, 8)),
    Stratum(layers=(2, 2), batch=(2, 8), widths=(2, 8)),
    Stratum(layers=(3, 3), batch=(2, 8), widths=(2, 8)),
    Stratum(layers=(4, 20), batch=(1, 4), widths=(2, 6)),
    Stratum(layers=(20, 20), batch=(2, 4), widths=(2, 4)),
    Stratum(layers=(2, 2), batch=(2, 8), widths=(2, 8), square=True),
    Stratum(layers=(3, 3), batch=(2, 8), widths=(2, 8), square=True),
    Stratum(layers=(2, 3), batch=(1, 1), widths=(2, 8), square=True),
    Stratum(layers=(1, 3), batch=(1, 3), widths=(1, 1)),
    Stratum(layers=(2, 2), batch=(2, 8), widths=(6, 10_000)),
    Stratum(layers=(1, 3), batch=(1, 4), recipe=Recipe(weights="zero")),
    Stratum(layers=(2, 3), batch=(1, 4), recipe=Recipe(weights="tiny")),
    Stratum(layers=(2, 3), batch=(1, 4), recipe=Recipe(weights="saturating")),
    Stratum(layers=(2, 3), batch=(2, 8), widths=(2, 8), square=True, recipe=Recipe(weights="saturating")),
    Stratum(layers=(2, 3), batch=(2, 8), widths=(2, 8), recipe=Recipe(inputs="equal")),
    Stratum(layers=(2, 3), batch=(1, 4), recipe=Recipe(inputs="zero")),
    Stratum(layers=(2, 3), batch=(1, 4), recipe=Recipe(inputs="large")),
    Stratum(layers=(2, 3), batch=(2, 8), recipe=Recipe(targets="extreme")),
    Stratum(layers=(2, 3), batch=(2, 8), widths=(2, 6), square=True, recipe=Recipe(targets="extreme")),
    Stratum(layers=(1, 4), batch=(3, 8), widths=(2, 6), square=True),
    # What counts samples by their numbers, in a set, by a dictionary or through np.unique, shows where whole samples repeat.
    Stratum(layers=(1, 3), batch=(3, 8), widths=(2, 6), recipe=Recipe(samples="repeated")),
    Stratum(layers=(2, 3), batch=(2, 6), widths=(2, 6), recipe=Recipe(samples="alike", weights="twins")),
    # What takes a batch in parts, of 16 or 32 or 64, shows only beyond them.
    Stratum(layers=(1, 2), batch=(65, 70), widths=(1, 4)),
    Stratum(layers=(1, 2), batch=(33, 64), widths=(1, 4)),
    # As pictures and their classes are: no input below 0, every target 0 or 1.
    Stratum(layers=(1, 3), batch=(1, 8), recipe=Recipe(inputs="positive", targets="binary")),
    Stratum(layers=(2, 3), batch=(2, 8), widths=(2, 6), square=True, recipe=Recipe(targets="binary")),
    Stratum(layers=(1, 3), batch=(1, 4), recipe=Recipe(weights="large")),
)
EXTREME = Stratum(layers=(1, 3), batch=(1, 4), recipe=Recipe(weights="extreme"))


def _held(low: int, high: int, limits: tuple[int, int]) -> tuple[int, int]:
    """[low, high] within the limits; the nearest limit where they do not meet."""
    low = min(max(low, limits[0]), limits[1])
    return low, max(low, min(high, limits[1]))


@st.composite
def architectures(draw: DrawFn, claims: Claims, stratum: Stratum) -> Architecture:
    """Architectures of a stratum that the claims allow."""
    layers = _layers(draw, claims, stratum)
    output_activation, loss = draw(st.sampled_from(_pairs(claims)))
    hidden = tuple(draw(st.sampled_from(claims.activations)) for _ in range(layers - 1))
    widths = _widths(draw, claims, stratum, layers, output_activation, loss)
    batch = 1 if claims.batch == "single" else draw(st.integers(*stratum.batch))
    return Architecture(widths, (*hidden, output_activation), loss, batch, draw(st.sampled_from(claims.dtypes)))


def _pairs(claims: Claims) -> tuple[tuple[str, str], ...]:
    """The claimed pairs; without softmax where there is one output only: it is always 1, and its log(1 - p) infinite."""
    last = claims.sizes[-1] if claims.sizes is not None else 0
    if (last or claims.max_width) > 1:
        return claims.pairs()
    several = {("softmax", loss) for _, loss in claims.pairs()} | {(output, "softmax_cross_entropy") for output, _ in claims.pairs()}
    return tuple(pair for pair in claims.pairs() if pair not in several) or claims.pairs()


def _layers(draw: DrawFn, claims: Claims, stratum: Stratum) -> int:
    fixed = claims.layers if claims.sizes is None else len(claims.sizes) - 1
    if fixed is not None:
        return fixed
    return draw(st.integers(*_held(*stratum.layers, (1, claims.max_layers))))


def _widths(draw: DrawFn, claims: Claims, stratum: Stratum, layers: int, output_activation: str, loss: str) -> tuple[int, ...]:
    low, high = _held(*stratum.widths, (1, claims.max_width))
    drawn = [draw(st.integers(low, high))] * (layers + 1) if stratum.square else _different(draw, low, high, layers + 1)
    if drawn[-1] == 1 and (output_activation == "softmax" or loss in ("cross_entropy", "softmax_cross_entropy")):
        drawn[-1] = min(2, claims.max_width)  # one output of a softmax is always 1: nothing to differentiate
    if claims.sizes is not None:
        drawn = [fixed or free for fixed, free in zip(claims.sizes, drawn, strict=True)]
    return tuple(drawn)


def _different(draw: DrawFn, low: int, high: int, count: int) -> list[int]:
    """Widths whose neighbours mostly differ: a square layer hides a transposed matrix."""
    widths = [draw(st.integers(low, high))]
    for _ in range(count - 1):
        width = draw(st.integers(low, high))
        if width == widths[-1] and low < high:
            width = width + 1 if width < high else width - 1
        widths.append(width)
    return widths


def draw_architectures(claims: Claims, *, seed_: int, count: int, extreme: int) -> list[tuple[Architecture, Recipe]]:
    """`count` ordinary architectures, every stratum in turn, then `extreme` ones beyond the ordinary range, each with its recipe."""
    rounds: list[tuple[Architecture, ...]] = []
    strata = (*STRATA, EXTREME)
    wanted = max(-(-count // len(STRATA)), extreme) + _SIMPLEST

    @seed(seed_)
    @settings(max_examples=wanted, database=None, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*(architectures(claims, stratum) for stratum in strata)))
    def collect(drawn: tuple[Architecture, ...]) -> None:
        rounds.append(drawn)

    collect()
    rounds = rounds[_SIMPLEST:] or rounds
    ordinary = [(rounds[(i // len(STRATA)) % len(rounds)][i % len(STRATA)], STRATA[i % len(STRATA)].recipe) for i in range(count)]
    return ordinary + [(rounds[i % len(rounds)][-1], EXTREME.recipe) for i in range(extreme)]
