"""The pictures of a report, as SVG drawn by hand: no library, no script, colours from the page's own variables."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from verifier.reports.wording import number
from verifier.results.outcome import Measurement

WIDTH, HEIGHT = 640.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 14.0, 44.0
LARGEST = 1e150  # beyond, not even the axis can be computed: such a point is left out
TICKS = 8  # at most so many numbers on an axis


@dataclass(frozen=True)
class LogAxes:
    """Where positive numbers stand in a picture of this size; the limits are powers of ten."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    width: float = WIDTH
    height: float = HEIGHT

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.x_low) / (self.x_high - self.x_low)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.y_low) / (self.y_high - self.y_low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def differences_picture(measurement: Measurement) -> str:
    """The size of every D_k of a finite difference over its step h_k, beside the tolerance and the chosen step; "" for none.

    The differences are of the loss less the claimed gradient's part, so each is the error along the line as seen with that step.
    """
    pairs = zip(measurement.steps, measurement.differences, strict=False)
    points = [(step, abs(value)) for step, value in pairs if value is not None and drawable(step) and finite(value)]
    seen = [(step, value) for step, value in points if drawable(value)]
    if len(seen) < 2:
        return ""
    tolerance = measurement.tolerance if drawable(measurement.tolerance) else None
    axes = spanned([step for step, _ in seen], [value for _, value in seen] + ([tolerance] if tolerance else []))
    parts = [*ticks(axes, "step of the difference", "error that it shows")]
    if tolerance:
        parts.insert(0, _within(axes, tolerance))
    if drawable(measurement.step) and measurement.step and axes.x_low <= math.log10(measurement.step) <= axes.x_high:
        parts.append(_chosen(axes, measurement.step))
    parts.append(_curve(axes, seen))
    chosen = f", chosen {number(measurement.step)}" if drawable(measurement.step) else ""
    label = f"Error of the gradient against the step of the difference: {number(seen[0][1])} at {number(seen[0][0])}{chosen}"
    return f'<svg class="plot" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def margin_picture(error: float | None, tolerance: float | None) -> str:
    """A bar from 1e-6 to 1e6 tolerances, with a mark at one tolerance; "" where there is nothing to show."""
    if not finite(error) or not finite(tolerance) or not tolerance or error is None:
        return ""
    ratio = abs(error) / tolerance
    exponent = max(-6.0, min(6.0, math.log10(ratio))) if ratio > 0 else -6.0
    length = (exponent + 6) / 12 * 96
    kind = "over" if ratio > 1 else "within"
    return (
        f'<svg class="margin" viewBox="0 0 100 10" aria-hidden="true"><rect class="rail" x="2" y="4" width="96" height="2"/>'
        f'<rect class="{kind}" x="2" y="2.5" width="{length:.1f}" height="5"/><line class="one" x1="50" y1="0" x2="50" y2="10"/></svg>'
    )


def finite(value: float | None) -> bool:
    """Whether it is a number that an axis can be computed with."""
    return value is not None and abs(value) < LARGEST


def drawable(value: float | None) -> bool:
    """Whether it has a place on a logarithmic axis."""
    return value is not None and 1 / LARGEST < value < LARGEST


def mark(status: str, x: float, y: float) -> str:
    """A point whose form tells its status, for those who do not see its colour: a triangle where it is wrong."""
    if status in ("fail", "error"):
        return f'<path d="M{x:.1f} {y - 4.4:.1f}l4 7h-8z"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}"/>'


def spanned(across: Sequence[float], upwards: Sequence[float], *, width: float = WIDTH, height: float = HEIGHT) -> LogAxes:
    """Axes with room for these numbers, all of them positive."""
    return LogAxes(*_limits(across), *_limits(upwards), width, height)


def _limits(values: Iterable[float]) -> tuple[float, float]:
    exponents = [math.log10(value) for value in values]
    low, high = min(exponents) - 0.4, max(exponents) + 0.4
    spare = max(0.0, 2.0 - (high - low)) / 2  # less than two decades would make a flat line look rough
    return low - spare, high + spare


def ticks(axes: LogAxes, across: str, upwards: str) -> list[str]:
    """Both axes with their powers of ten and what they measure."""
    base, right = axes.height - BOTTOM, axes.width - RIGHT
    parts = [f'<path class="axis" d="M{LEFT:g} {TOP:g}V{base:g}H{right:g}"/>']
    for exponent in _exponents(axes.x_low, axes.x_high):
        parts.append(f'<text x="{axes.x(10.0**exponent):.1f}" y="{base + 16:g}" text-anchor="middle">1e{exponent}</text>')
    for exponent in _exponents(axes.y_low, axes.y_high):
        y = axes.y(10.0**exponent)
        parts.append(f'<path class="grid" d="M{LEFT:g} {y:.1f}H{right:g}"/>')
        parts.append(f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2:g}" y="{axes.height - 8:g}" text-anchor="middle">{across}</text>')
    middle = (TOP + base) / 2
    parts.append(f'<text x="13" y="{middle:g}" text-anchor="middle" transform="rotate(-90 13 {middle:g})">{upwards}</text>')
    return parts


def _exponents(low: float, high: float) -> range:
    first, last = math.ceil(low), math.floor(high)
    return range(first, last + 1, max(1, math.ceil((last - first + 1) / TICKS)))


def _within(axes: LogAxes, tolerance: float) -> str:
    y, right = axes.y(tolerance), axes.width - RIGHT
    return (
        f'<rect class="band" x="{LEFT:g}" y="{y:.1f}" width="{right - LEFT:g}" height="{axes.height - BOTTOM - y:.1f}"/>'
        f'<path class="zero" d="M{LEFT:g} {y:.1f}H{right:g}"/>'
        f'<text x="{right - 4:g}" y="{y - 5:.1f}" text-anchor="end">tolerance {number(tolerance)}</text>'
    )


def _curve(axes: LogAxes, points: Sequence[tuple[float, float]]) -> str:
    places = [(axes.x(step), axes.y(value)) for step, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
    return f'<polyline class="curve" points="{path}"/>{dots}'


def _chosen(axes: LogAxes, step: float) -> str:
    x = axes.x(step)
    anchor = "end" if x > axes.width / 2 else "start"
    place = x - 5 if anchor == "end" else x + 5
    return (
        f'<path class="chosen" d="M{x:.1f} {TOP:g}V{axes.height - BOTTOM:g}"/>'
        f'<text x="{place:.1f}" y="{(TOP + axes.height - BOTTOM) / 2:g}" text-anchor="{anchor}">chosen step</text>'
    )
