"""Every comparison of a run in one picture: error against tolerance on logarithmic axes, each point a link to its network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from verifier.reports.figures import BOTTOM, LEFT, RIGHT, TOP, LogAxes, drawable, mark, spanned, ticks
from verifier.reports.untrusted import one_line
from verifier.reports.wording import excess, number
from verifier.results.outcome import Measurement

WIDTH, HEIGHT = 760.0, 400.0
MOST_POINTS = 5_000  # a page of more opens slowly; what is left out passes and is far below its tolerance
DECADES_BELOW = 5.0  # of the smallest tolerance


def chosen_points(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The comparisons that are drawn: those with a tolerance, the worst where they are too many."""
    with_place = [measurement for measurement in measurements if drawable(measurement.tolerance)]
    if len(with_place) <= MOST_POINTS:
        return with_place
    return sorted(with_place, key=excess, reverse=True)[:MOST_POINTS]


def errors_picture(measurements: Sequence[Measurement], checks: Mapping[str, int], anchors: Mapping[int, str]) -> str:
    """The picture; "" where no comparison has a place in it.

    Args:
        checks: a number for each check id; it becomes a class, which the page's filter knows.
        anchors: what a point of a network leads to.
    """
    points = chosen_points(measurements)
    if not points:
        return ""
    tolerances = [point.tolerance for point in points if point.tolerance is not None]
    errors = [abs(point.error) for point in points if point.error is not None and drawable(abs(point.error))]
    axes = spanned(tolerances, errors + tolerances, width=WIDTH, height=HEIGHT)
    # Both ends of the line "error = tolerance" lie at the picture's sides.
    # An error of 1e-70 says no more than none at all: it stands on the floor, or the others would share a tenth of the picture.
    lowest = max(axes.y_low, axes.x_low - DECADES_BELOW)
    axes = replace(axes, y_low=min(lowest, axes.x_low), y_high=max(axes.y_high, axes.x_high))
    # The worst are drawn last, on top of the others.
    drawn = "".join(_point(axes, point, checks, anchors) for point in sorted(points, key=excess))
    parts = [_beyond(axes), *ticks(axes, "tolerance", "error"), drawn]
    return f'<svg class="plot errors" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true">{"".join(parts)}</svg>'


def _beyond(axes: LogAxes) -> str:
    """The region above the line on which an error is its tolerance."""
    left, right = f"{LEFT:g} {axes.y(10.0**axes.x_low):.1f}", f"{axes.width - RIGHT:g} {axes.y(10.0**axes.x_high):.1f}"
    return (
        f'<path class="beyond" d="M{left}L{right}V{TOP:g}H{LEFT:g}Z"/><path class="one" d="M{left}L{right}"/>'
        f'<text x="{LEFT + 8:g}" y="{TOP + 14:g}">wrong: the error is beyond its tolerance</text>'
    )


def _point(axes: LogAxes, point: Measurement, checks: Mapping[str, int], anchors: Mapping[int, str]) -> str:
    assert point.tolerance is not None
    x = axes.x(point.tolerance)
    # No error at all stands on the floor, one that is no number at the ceiling.
    y = TOP + 3 if point.error is None else axes.height - BOTTOM - 3
    if point.error is not None and drawable(abs(point.error)):
        y = min(axes.y(abs(point.error)), y)
    elif point.error:
        y = TOP + 3
    words = f"{one_line(point.check)}, {one_line(point.tensor)}, network {point.problem}: error {number(point.error)}"
    anchor = anchors.get(point.problem)
    drawn = f"{mark(point.status, x, y)}<title>{escape(words)}</title>"
    name = f"p {point.status} c{checks.get(point.check, 0)}"
    return f'<a class="{name}" href="#{anchor}" tabindex="-1">{drawn}</a>' if anchor else f'<g class="{name}">{drawn}</g>'
