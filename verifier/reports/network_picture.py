"""The counterexample's network drawn: layers as columns, weights as lines; what has a wrong gradient stands out, beside the equation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.reports.heat_map import LEAST_SHARE, numbers_in
from verifier.results.equations import EQUATIONS
from verifier.results.report import Counterexample

SHOWN = 8  # units of a layer; a ninth is not drawn but named
COLUMN, ROW, RADIUS = 150.0, 40.0, 12.0
LEFT, TOP, BOTTOM = 46.0, 58.0, 46.0
BARE_TOP = 8.0  # where no equation stands above
LONGEST = 7  # layers


@dataclass(frozen=True)
class Layer:
    """One layer's deviations from the right gradient, relative to the tensor's largest element.

    Attributes:
        weights: by output and input.
        biases: by output; empty where there are none.
    """

    weights: Sequence[Sequence[float]]
    biases: Sequence[float]


def network_picture(example: Counterexample, equation: str | None) -> str:
    """The picture; "" where the arrays are not those of a multilayer perceptron, or of one too deep to be drawn.

    Args:
        equation: id of the equation that departs from the truth, to be marked; None where it is not known.
    """
    layers = layers_of(example)
    if not layers or len(layers) > LONGEST:
        return ""
    widths = [len(layers[0].weights[0]), *(len(layer.weights) for layer in layers)]
    tallest = min(max(widths), SHOWN)
    width = LEFT * 2 + COLUMN * len(layers)
    height = TOP + ROW * tallest + BOTTOM
    places = [_column(index, count, tallest) for index, count in enumerate(widths)]
    worst = max((deviation for layer in layers for deviation in _all(layer)), default=0.0)
    least = worst * LEAST_SHARE
    parts = [*_edges(layers, places, least), *_units(layers, places, widths, least), *_captions(layers, least, height)]
    if equation in EQUATIONS:
        parts = [_where(equation, len(layers), height), *parts, _name(equation, width)]
    label = _label(widths, layers, least, equation)
    top = 0.0 if equation in EQUATIONS else TOP - BARE_TOP
    size = f'style="min-width: {min(width, 560):g}px; max-width: {width * 1.15:g}px"'
    frame = f'viewBox="0 {top:g} {width:g} {height - top:g}" {size}'
    return f'<svg class="plot network" {frame} role="img" aria-label="{label}">{"".join(parts)}</svg>'


def layers_of(example: Counterexample) -> list[Layer]:
    """The layers with their deviations, from arrays named `weights[l]` and `biases[l]`; none where they do not fit together."""
    layers: list[Layer] = []
    while isinstance(matrix := example.arrays.get(f"weights[{len(layers)}]"), list):
        if not matrix or not all(isinstance(row, list) and len(row) == len(matrix[0]) and row for row in matrix):
            return []
        if layers and len(matrix[0]) != len(layers[-1].weights):
            return []
        weights = _deviations(example, f"weights[{len(layers)}]", [[0.0] * len(row) for row in matrix])
        biases = _deviations(example, f"biases[{len(layers)}]", [0.0] * len(matrix)) if f"biases[{len(layers)}]" in example.arrays else []
        layers.append(Layer(weights, biases))
    return layers


def _deviations(example: Counterexample, name: str, zeros: Any) -> Any:
    claimed, reference = example.claimed.get(name), example.reference.get(name)
    scale = max((abs(value) for value in numbers_in(reference)), default=0.0) or 1.0
    return _deviation(claimed, reference, zeros, scale)


def _deviation(claimed: Any, reference: Any, zeros: Any, scale: float) -> Any:
    if isinstance(zeros, list):
        pairs = [
            values if isinstance(values, list) and len(values) == len(zeros) else [None] * len(zeros) for values in (claimed, reference)
        ]
        return [_deviation(one, other, zero, scale) for one, other, zero in zip(*pairs, zeros, strict=True)]
    if isinstance(claimed, (int, float)) and isinstance(reference, (int, float)):
        return abs(claimed - reference) / scale
    return 0.0 if reference is None else float("inf")  # claimed something that is no number


def _all(layer: Layer) -> Iterator[float]:
    deviations = [*(value for row in layer.weights for value in row), *layer.biases]
    return (value for value in deviations if value < float("inf"))


def _column(index: int, count: int, tallest: int) -> list[tuple[float, float]]:
    shown = min(count, SHOWN)
    top = TOP + ROW * (tallest - shown) / 2 + ROW / 2
    return [(LEFT + COLUMN * index, top + ROW * unit) for unit in range(shown)]


def _edges(layers: Sequence[Layer], places: Sequence[Sequence[tuple[float, float]]], least: float) -> Iterator[str]:
    drawn = []
    for index, layer in enumerate(layers):
        for unit, (x1, y1) in enumerate(places[index + 1]):
            for before, (x0, y0) in enumerate(places[index]):
                wrong = layer.weights[unit][before] > least
                line = f'<path class="{"edge bad" if wrong else "edge"}" d="M{x0 + RADIUS:g} {y0:g}L{x1 - RADIUS:g} {y1:g}"/>'
                drawn.append((wrong, line))
    yield from (line for _, line in sorted(drawn, key=lambda one: one[0]))


def _units(layers: Sequence[Layer], places: Sequence[Sequence[tuple[float, float]]], widths: Sequence[int], least: float) -> Iterator[str]:
    for index, column in enumerate(places):
        for unit, (x, y) in enumerate(column):
            bad = index > 0 and unit < len(layers[index - 1].biases) and layers[index - 1].biases[unit] > least
            yield f'<circle class="{"unit bad" if bad else "unit"}" cx="{x:g}" cy="{y:g}" r="{RADIUS:g}"/>'
            if index == 0:
                yield f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle">x</text>'
            elif bad:
                yield f'<text class="bad" x="{x:g}" y="{y + 4:g}" text-anchor="middle">b</text>'
        if widths[index] > SHOWN:
            x, y = column[-1]
            yield f'<text x="{x:g}" y="{y + ROW / 2 + 8:g}" text-anchor="middle">and {widths[index] - SHOWN} more</text>'


def _captions(layers: Sequence[Layer], least: float, height: float) -> Iterator[str]:
    for index, layer in enumerate(layers):
        middle = LEFT + COLUMN * (index + 0.5)
        for line, (name, wrong) in enumerate(_tensors(index, layer, least)):
            words = f"{name} wrong" if wrong else name
            kind = ' class="bad"' if wrong else ""
            yield f'<text{kind} x="{middle:g}" y="{height - 24 + 16 * line:g}" text-anchor="middle">{words}</text>'


def _tensors(index: int, layer: Layer, least: float) -> Iterator[tuple[str, bool]]:
    yield f"weights[{index}]", any(value > least for row in layer.weights for value in row)
    if layer.biases:
        yield f"biases[{index}]", any(value > least for value in layer.biases)


def _where(equation: str, layers: int, height: float) -> str:
    """A frame around the part of the network that the equation computes."""
    columns = {"output-delta": (layers, layers), "hidden-delta": (1, layers - 1), "bias-gradient": (1, layers)}
    first, last = columns.get(equation, (0, layers))
    x = LEFT + COLUMN * first - RADIUS - 10
    right = LEFT + COLUMN * max(first, last) + RADIUS + 10
    return f'<rect class="where" x="{x:g}" y="{TOP - 8:g}" width="{right - x:g}" height="{height - TOP - BOTTOM + 16:g}" rx="10"/>'


def _name(equation: str, width: float) -> str:
    return (
        f'<text class="bad strong" x="{width / 2:g}" y="20" text-anchor="middle">{equation}</text>'
        f'<text class="bad" x="{width / 2:g}" y="38" text-anchor="middle">{EQUATIONS[equation]}</text>'
    )


def _label(widths: Sequence[int], layers: Sequence[Layer], least: float, equation: str | None) -> str:
    wrong = [name for index, layer in enumerate(layers) for name, bad in _tensors(index, layer, least) if bad]
    broken = f"; the equation that departs: {equation}" if equation in EQUATIONS else ""
    return f"Network of layers {'-'.join(map(str, widths))}; wrong gradients: {', '.join(wrong) or 'none'}{broken}"
