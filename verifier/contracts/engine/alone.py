"""The questions about one operation alone: graphs of one node over leaves of chosen shapes, values and options."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verifier.contracts.engine.claims import DEFAULTS, Engine, Entry
from verifier.contracts.engine.forms.form import Form
from verifier.contracts.engine.forms.table import forms, scalar_forms
from verifier.contracts.engine.graph import VARIANT, Graph, Node, single
from verifier.contracts.engine.operations.operation import Operation, meeting
from verifier.contracts.engine.operations.table import value_of

ATTEMPTS = 40


@dataclass(frozen=True)
class Case:
    """One question about an operation.

    Attributes:
        feature: what is special about it (`plain`, `broadcast`, `self`, `axis`, …): graphs use only what is right alone.
        column: `plain`, `number`, `broadcasting`, `edge`, `second` or `empty` (no elements): where the table of operations shows it.
        slopes: at a kink, the least and the largest slope of each operand that count as a convention; None where the derivative exists.
    """

    operation: str
    feature: str
    graph: Graph
    column: str = "plain"
    slopes: tuple[float, float] | None = None


def cases_of(entry: Entry, engine: Engine, seed: int) -> list[Case]:
    """Every question about one operation of an engine, before its ending; those with options that the entry does not take are left out."""
    operation = entry.operation
    found = []
    for number, form in enumerate(_forms(operation, engine)):
        generator = np.random.default_rng([seed, number, *operation.name.encode()])
        options = _options(entry, form.options)
        if options is None or (operation.kind == "axis" and "axis" in entry.options and "axis" not in form.options):
            continue
        graph = _drawn(operation, entry, form, options, generator)
        if graph is not None:
            found.append(Case(operation.name, form.feature, graph, form.column, form.slopes))
    return found


def _forms(operation: Operation, engine: Engine) -> Iterator[Form]:
    for form in scalar_forms(operation) if engine.scalar else forms(operation):
        ranks = {len(shape) for name, shape in form.shapes.items() if name not in form.plain}
        ranks |= {array.ndim for name, array in form.arrays.items() if name not in form.plain}
        sizes = [size for shape in form.shapes.values() for size in shape]
        if ranks <= engine.ranks and max(sizes, default=0) <= engine.largest:
            yield form


def _options(entry: Entry, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options by the entry's own keywords, defaults of ours filled in where it needs them; None where it does not take one."""
    said = {key: value for key, value in options.items() if key in entry.options}
    if any(key not in entry.options and value != DEFAULTS.get(key) for key, value in options.items()):
        return None
    for key in entry.needed - said.keys():
        if key not in DEFAULTS:
            return None
        said[key] = DEFAULTS[key]
    return said


def renamed(graph: Graph, engine: Engine) -> Graph:
    """The graph with operations and options by the engine's own names, as the worker is sent it."""
    nodes = []
    for node in graph.nodes:
        entry = (engine.in_place if node.output in graph.written else engine.entries)[node.operation]
        options = {entry.options.get(key, key): value for key, value in node.options.items() if key != VARIANT}
        for option in entry.needed - node.options.keys():
            options.setdefault(entry.options[option], DEFAULTS.get(option))
        nodes.append(replace(node, operation=entry.name, options=options))
    return replace(graph, nodes=tuple(nodes))


def _drawn(operation: Operation, entry: Entry, form: Form, options: Mapping[str, Any], generator: np.random.Generator) -> Graph | None:
    """Arrays of the form's shapes at which the operation is differentiable; as they are where the form fixes its values."""
    for _ in range(ATTEMPTS):
        arrays = {name: _array(operation, name, form, shape, generator) for name, shape in form.shapes.items()}
        arrays |= {name: array.copy() for name, array in form.arrays.items()}
        node = Node(operation.name, form.operands or tuple(arrays), "y", dict(options), operation.kind == "list")
        values = node.given(arrays)
        if form.fixed or operation.kind in ("choice", "labels", "layer") or operation.allows(values, {**form.options, **options}):
            try:
                value_of(operation.name, values, options)
            except (ValueError, IndexError, TypeError):
                return None
            return single(arrays, node, plain=form.plain, features=(form.feature,))
    return None


def _array(operation: Operation, name: str, form: Form, shape: Sequence[int], generator: np.random.Generator) -> np.ndarray:
    if operation.name in ("amax", "amin"):
        # Multiples of 1/8 in random order: no two alike.
        size = int(np.prod(shape))
        return np.asarray((generator.permutation(size) - size / 2) / 8, dtype=np.float64).reshape(tuple(shape))
    operands = form.operands or tuple(form.shapes)
    domains = [operation.domain(position) for position, operand in enumerate(operands) if operand == name]
    return meeting(domains).draw(generator, shape)
