"""The smallest failing graph of an engine drawn: leaves on the left, operations by depth, ✓ and ✗ at what is known."""

from collections.abc import Mapping, Sequence

from markupsafe import escape

from verifier.reports.untrusted import one_line
from verifier.results.report import Counterexample, GraphNode

WIDTH, HEIGHT, ACROSS, DOWN = 138.0, 50.0, 178.0, 68.0
MARGIN = 8.0
MOST = 24  # boxes: a larger graph is read in the table below
LONGEST = 20  # characters of a box's first line
Place = tuple[float, float]


def graph_picture(example: Counterexample) -> str:
    """The picture; "" where the counterexample is no graph, or one too large to be taken in."""
    leaves = list(dict.fromkeys(name for node in example.nodes for name in node.operands if name in example.arrays))
    if not example.nodes or len(example.nodes) + len(leaves) > MOST:
        return ""
    places = _places(example.nodes, leaves)
    marks = _marks(example)
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    edges = [_edge(places[name], places[node.output]) for node in example.nodes for name in node.operands if name in places]
    boxes = [_box(places[name], name, _shape(example.arrays[name]), marks.get(name, "")) for name in leaves]
    boxes += [_box(places[node.output], f"{node.output} = {node.text}", "", marks.get(node.output, "")) for node in example.nodes]
    wrong = [name for name, mark in marks.items() if "✗" in mark and name in places]
    label = escape(one_line(f"Graph of {len(example.nodes)} operations over {', '.join(leaves)}; wrong: {', '.join(wrong) or 'none'}"))
    size = f'style="min-width: {min(width, 560):g}px; max-width: {width * 1.15:g}px"'
    frame = f'viewBox="0 0 {width:g} {height:g}" {size}'
    return f'<svg class="plot network" {frame} role="img" aria-label="{label}">{"".join([*edges, *boxes])}</svg>'


def _places(nodes: Sequence[GraphNode], leaves: Sequence[str]) -> Mapping[str, Place]:
    """Where each box stands: a column further to the right than everything that it reads."""
    depth = dict.fromkeys(leaves, 0)
    for node in nodes:
        depth[node.output] = 1 + max((depth.get(name, 0) for name in node.operands), default=0)
    filled: dict[int, int] = {}
    places = {}
    for name, column in depth.items():
        row = filled.get(column, 0)
        filled[column] = row + 1
        places[name] = (MARGIN + ACROSS * column, MARGIN + DOWN * row + DOWN / 3 * (column % 2))
    return places


def _marks(example: Counterexample) -> Mapping[str, str]:
    """By name, ``value ✓ gradient ✗``, as far as the candidate's numbers are known."""
    found: dict[str, str] = {}
    for step in example.walkthrough:
        if step.claimed is not None or step.parts:
            name, what = (step.name, "value") if step.equation == "value" else (step.name.removeprefix("d"), "gradient")
            found[name] = f"{found.get(name, '')} {what} {'✗' if step.parts else '✓'}".strip()
    return found


def _edge(start: Place, end: Place) -> str:
    x0, y0, x1, y1 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    middle = (x0 + x1) / 2
    return f'<path class="edge" fill="none" d="M{x0:g} {y0:g}C{middle:g} {y0:g} {middle:g} {y1:g} {x1:g} {y1:g}"/>'


def _box(place: Place, title: str, beside: str, marks: str) -> str:
    x, y = place
    bad = "✗" in marks
    title = title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"
    lines = [(one_line(title), 20.0), (one_line(f"{beside} {marks}".strip()), 38.0)]
    colour = ' class="bad"' if bad else ""
    text = "".join(
        f'<text{colour} x="{x + WIDTH / 2:g}" y="{y + down:g}" text-anchor="middle">{escape(line)}</text>' for line, down in lines
    )
    kind = "unit bad" if bad else "unit"
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH:g}" height="{HEIGHT:g}" rx="8"/>{text}'


def _shape(values: object) -> str:
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
