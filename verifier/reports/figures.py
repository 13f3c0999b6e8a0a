"""The pictures of a report, as SVG drawn by hand: no library, no script, colours from the page's own variables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.reports.wording import number
from verifier.results.outcome import Measurement

WIDTH, HEIGHT = 560.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 16.0, 16.0, 44.0
LARGEST = 1e150  # beyond, not even the axis can be computed: such a point is left out


@dataclass(frozen=True)
class Axes:
    """Where data stand in the picture: steps on a logarithmic axis, differences on a straight one."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, step: float) -> float:
        share = (math.log10(step) - self.x_low) / (self.x_high - self.x_low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def differences_picture(measurement: Measurement) -> str:
    """Every D_k of a finite difference over its step h_k, with the zero of a right gradient and the tolerance around it; "" for none.

    The differences are of the loss less the claimed gradient's part, so each is the error along the line as seen with that step.
    """
    pairs = zip(measurement.steps, measurement.differences, strict=False)
    points = [(step, value) for step, value in pairs if value is not None and _finite(step) and _finite(value) and step > 1 / LARGEST]
    if len(points) < 2:
        return ""
    tolerance = measurement.tolerance if _finite(measurement.tolerance) else 0.0
    axes = _axes(points, abs(tolerance or 0.0))
    parts = [_band(axes, abs(tolerance or 0.0)), _line(axes, 0.0, "zero"), _curve(axes, points), *_ticks(axes)]
    if measurement.step and _finite(measurement.step) and 10**axes.x_low <= measurement.step <= 10**axes.x_high:
        parts.append(_chosen(axes, measurement.step))
    label = "Finite differences over their steps; a right gradient gives zero, within the shaded tolerance"
    return f'<svg class="plot" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def margin_picture(error: float | None, tolerance: float | None) -> str:
    """A bar from 1e-6 to 1e6 tolerances, with a mark at one tolerance; "" where there is nothing to show."""
    if not _finite(error) or not _finite(tolerance) or not tolerance or error is None:
        return ""
    ratio = abs(error) / tolerance
    exponent = max(-6.0, min(6.0, math.log10(ratio))) if ratio > 0 else -6.0
    length = (exponent + 6) / 12 * 96
    kind = "over" if ratio > 1 else "within"
    return (
        f'<svg class="margin" viewBox="0 0 100 10" aria-hidden="true"><rect class="rail" x="2" y="4" width="96" height="2"/>'
        f'<rect class="{kind}" x="2" y="2.5" width="{length:.1f}" height="5"/><line class="one" x1="50" y1="0" x2="50" y2="10"/></svg>'
    )


def _finite(value: float | None) -> bool:
    return value is not None and abs(value) < LARGEST


def _axes(points: Sequence[tuple[float, float]], tolerance: float) -> Axes:
    exponents = [math.log10(step) for step, _ in points]
    values = [value for _, value in points] + [0.0]
    span = max(values) - min(values) or 1 / LARGEST  # a picture of equal values still needs a height
    # A tolerance far below the error would be a hair, one far above would flatten the curve: it is drawn as far as it fits.
    reach = min(tolerance, span)
    low, high = min(*values, -reach), max(*values, reach)
    margin = 0.08 * (high - low) or 1.0
    return Axes(min(exponents) - 0.3, max(exponents) + 0.3, low - margin, high + margin)


def _band(axes: Axes, tolerance: float) -> str:
    top = max(TOP, axes.y(min(tolerance, axes.y_high)))
    bottom = min(HEIGHT - BOTTOM, axes.y(max(-tolerance, axes.y_low)))
    height = max(bottom - top, 1.0)
    return f'<rect class="band" x="{LEFT:g}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT:g}" height="{height:.1f}"/>'


def _line(axes: Axes, value: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{axes.y(value):.1f}" y2="{axes.y(value):.1f}"/>'


def _curve(axes: Axes, points: Sequence[tuple[float, float]]) -> str:
    places = [(axes.x(step), axes.y(value)) for step, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
    return f'<polyline class="curve" points="{path}"/>{dots}'


def _chosen(axes: Axes, step: float) -> str:
    x = axes.x(step)
    return (
        f'<line class="chosen" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}"/>'
        f'<text x="{x + 4:.1f}" y="{TOP + 10:g}">chosen</text>'
    )


def _ticks(axes: Axes) -> list[str]:
    base = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{base:g}" y2="{base:g}"/>']
    first, last = math.ceil(axes.x_low), math.floor(axes.x_high)
    every = max(1, math.ceil((last - first) / 8))
    for exponent in range(first, last + 1, every):
        parts.append(f'<text x="{axes.x(10.0**exponent):.1f}" y="{base + 16:g}" text-anchor="middle">1e{exponent}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 8:g}" text-anchor="middle">step of the difference</text>')
    for value in (axes.y_low / 1.16, 0.0, axes.y_high / 1.16):
        if value == 0 or abs(axes.y(value) - axes.y(0.0)) > 14:
            parts.append(f'<text x="{LEFT - 6:g}" y="{axes.y(value) + 4:.1f}" text-anchor="end">{number(value)}</text>')
    return parts
