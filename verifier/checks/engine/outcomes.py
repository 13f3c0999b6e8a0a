"""What was found about an engine -> outcomes, notes, the counterexample and the headline."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from verifier.arrays import element_of, finite_or_none
from verifier.checks.engine.alone import Alone, Asked
from verifier.checks.engine.asking import Asking
from verifier.checks.engine.comparing import Departure, fitted
from verifier.checks.engine.graphs import Answers
from verifier.checks.engine.shrinking import Smallest
from verifier.checks.engine.unjudged import of_graphs, of_operations
from verifier.contracts.engine.graph import call_of, described, shapes_of, to_bytes
from verifier.counting import counted
from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import COUNTEREXAMPLE_FILE, Counterexample, Diagnosis, GraphNode, Step

SHOWN_NOTES = 8


def operations_outcome(alone: Alone) -> Outcome:
    """The outcome of `operations`: each alone."""
    wrong = alone.wrong()
    asked = [one for questions in alone.asked.values() for one in questions]
    answered = [one for one in asked if one.status not in ("refuses", "late")]
    if not wrong:
        right = sum(any(one.status == "right" for one in questions) for questions in alone.asked.values())
        words = (
            f"{right} of {counted(len(alone.asked), 'operation')} are right alone, on {counted(len(answered), 'graph')} of one operation."
        )
        if 2 * right < len(alone.asked):
            why = next((one.words for one in asked if one.words and one.status in ("refuses", "late")), "no question fits their options")
            return Outcome("operations", "inconclusive", f"{words} The others are refused: {why[:300]}.", problems=len(asked))
        words += of_operations(alone)
        # Where each gradient is zero, as behind `detach`, an engine without any backward pass answers the same.
        shown = any(
            np.any(gradient) for one in answered for each in one.reply.gradients for gradient in each.values() if gradient is not None
        )
        found = [one.compared.worst.resolves for one in answered if one.compared.worst is not None]
        resolves = float(np.median(found)) if found else None
        return Outcome("operations", "pass" if shown else "inconclusive", words, problems=len(asked), resolves=resolves)
    names = list(dict.fromkeys(one.case.operation for one in wrong))
    first = min(wrong, key=lambda one: (one.status != "value", one.departure is None))
    departure = first.departure
    words = f"Wrong alone: {', '.join(names)}. {sentence_of(first)}"
    tensor, (error, tolerance) = None if departure is None else departure.tensor, _figures(departure)
    return Outcome("operations", "fail", words, len(asked), len(wrong), error, tolerance, tensor)


def graph_outcome(answers: Answers, smallest: Smallest | None) -> Outcome:
    """The outcome of `graphs`: over what is right alone."""
    refused = sum(answers.refused.values()) + sum(answers.late.values())
    if answers.failed:
        first = answers.failed[0]
        shown = smallest if smallest is not None and smallest.check == "graphs" else first
        words = f"{len(answers.failed)} of {answers.asked} graphs of operations that are right alone are wrong."
        words += f" {in_words(shown.departure)}, in {described(shown.graph)}."
        figures, tensor = _figures(shown.departure), first.departure.tensor
        return Outcome("graphs", "fail", words, answers.asked, len(answers.failed), *figures, tensor, first.index)
    if 2 * answers.right < answers.asked or not answers.right:
        why = next(iter([*answers.refused, *answers.late]), "no operation is right alone, over leaves of ordinary shapes")
        words = f"Only {answers.right} of {answers.asked} graphs were answered: {why[:300]}."
        return Outcome("graphs", "inconclusive", words, problems=answers.asked)
    refusals = f" {refused} more were refused." if refused else ""
    words = f"Right on {counted(answers.right, 'graph')} of operations that are right alone.{refusals}{of_graphs(answers.kinds)}"
    resolves = float(np.median(answers.resolves)) if answers.resolves else None
    return Outcome("graphs", "pass", words, problems=answers.asked, resolves=resolves)


def notes_of(asking: Asking, alone: Alone, answers: Answers) -> list[tuple[str, str]]:
    """What is worth knowing and no wrong gradient: narrower numbers, refusals, kinks, forms."""
    notes = [("contract", text) for text in alone.notes]
    if asking.engine.unknown:
        unknown = ", ".join(asking.engine.unknown)
        notes.append(("contract", f"Not judged, since the table of operations (docs/engines.md) has no such names: {unknown}"))
    late = [words for name, questions in alone.asked.items() if (words := _late(name, questions))]
    if late or answers.late:
        refused_late = "; ".join([*late, *answers.late][:SHOWN_NOTES])
        notes.append(("operations", f"Refuses late: a backward pass raises where its forward pass answered. {refused_late}"))
    refusing = [name for name, questions in alone.asked.items() if all(one.status == "refuses" for one in questions)]
    if refusing:
        notes.append(("operations", f"Refused altogether: {', '.join(refusing)}. {_refusals(alone, refusing)}"))
    notes += [("graphs", f"{note[0].upper()}{note[1:]}.") for note in answers.notes]
    if answers.unclaimed:
        notes.append(
            ("graphs", f"A second backward call over one graph {answers.unclaimed}. That is not claimed: `retain_graph = True` would.")
        )
    if answers.changed:
        notes.append(("graphs", f"In {answers.changed} graphs an array that a leaf was made from was changed."))
    return notes


def _late(name: str, questions: Sequence[Asked]) -> str:
    """``add (broadcast, empty): ValueError: …``, in the words of the first backward pass of an operation that raised; empty if none did."""
    late = [one for one in questions if one.status == "late"]
    return f"{name} ({', '.join(dict.fromkeys(one.case.feature for one in late))}): {late[0].words}" if late else ""


def _refusals(alone: Alone, refusing: Sequence[str]) -> str:
    """Every message with the operations that refuse with it: they rarely have one reason in common."""
    by_words: dict[str, list[str]] = {}
    for name in refusing:
        words = alone.asked[name][0].words if alone.asked[name] else "no question fits its options"
        by_words.setdefault(words, []).append(name)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in list(by_words.items())[:SHOWN_NOTES])


def in_words(departure: Departure) -> str:
    """``the gradient of a[0, 1] is 2, should be 1``."""
    comparison = departure.comparison
    name = f"the {departure.what} of {element_of(departure.tensor, None if comparison is None else comparison.index)}"
    if comparison is None:
        return f"{name} {departure.words}"
    after = f" after backward call {departure.number + 1}" if departure.number else ""
    return f"{name} is {comparison.claimed:.6g}{after}, should be {comparison.reference:.6g}"


def sentence_of(asked: Asked) -> str:
    """What is wrong in a question about one operation."""
    departure = asked.departure
    return "" if departure is None else f"{in_words(departure).capitalize()}, in {described(asked.graph)} with {shapes_of(asked.graph)}."


def summary_of(verdict: Verdict, outcomes: Sequence[Outcome], diagnosis: Sequence[Diagnosis], smallest: Smallest | None) -> str:
    """The headline."""
    if verdict == "pass":
        return " ".join(outcome.message for outcome in outcomes if outcome.id in ("operations", "graphs") and outcome.status == "pass")
    first = next((outcome for outcome in outcomes if outcome.status == verdict), outcomes[-1])
    if verdict != "fail" or smallest is None:
        return first.message
    explained = f"{diagnosis[0].explanation} " if diagnosis else ""
    graph = f"{described(smallest.graph)} with {shapes_of(smallest.graph)}"
    return f"{explained}On the smallest failing graph, {graph}, {in_words(smallest.departure)}."


def counterexample_of(smallest: Smallest) -> tuple[Counterexample, bytes]:
    """The smallest graph as a record, worked node by node, and the file that replays it."""
    graph, last = smallest.graph, len(smallest.reply.gradients) - 1
    claimed = {name: _listed(array) for name, array in smallest.reply.gradients[last].items()} if last >= 0 else {}
    record = Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem=f"{described(graph)} ({shapes_of(graph)})",
        check=smallest.check,
        arrays={name: array.tolist() for name, array in graph.arrays.items()},
        claimed=claimed,
        reference={name: smallest.reference.passes[last][name].right.tolist() for name in graph.leaves} if last >= 0 else {},
        walkthrough=tuple(_worked(smallest)),
        nodes=tuple(GraphNode(node.output, node.names, call_of(node)) for node in graph.nodes),
    )
    return record, to_bytes(graph)


def _worked(smallest: Smallest) -> list[Step]:
    """Every node's value, then every cotangent that can be read, then the leaves' gradients: right beside claimed, at the worst element."""
    graph, reply, reference = smallest.graph, smallest.reply, smallest.reference
    wrong = {(one.what == "value", one.tensor) for one in smallest.compared.departures}
    steps = []
    for node in graph.nodes:
        right, claimed = reference.values[node.output].right, reply.values.get(node.output)
        steps.append(_step("value", node.output, f"{node.output} = {call_of(node)}", right, claimed, (True, node.output) in wrong))
    if not reply.gradients:
        return steps
    final = reference.passes[len(reply.gradients) - 1]
    for node in reversed(graph.nodes):
        if node.output in final and node.output in reply.cotangents and not graph.directions:
            held, read = final[node.output], reply.cotangents[node.output]
            parts = read.shape == held.right.shape and bool(np.any(np.abs(read - held.right) > held.tolerance))
            steps.append(_step("cotangent", f"d{node.output}", f"d{node.output}", held.right, read, parts))
    for leaf, gradient in reply.gradients[-1].items():
        found = np.zeros(final[leaf].right.shape) if gradient is None else gradient
        steps.append(_step("gradient", f"d{leaf}", f"d{leaf}", final[leaf].right, found, (False, leaf) in wrong))
    return steps


def _step(equation: str, name: str, text: str, right: np.ndarray, claimed: np.ndarray | None, parts: bool) -> Step:
    fits = None if claimed is None else fitted(claimed, right.shape)
    place = int(np.argmax(np.nan_to_num(np.abs(fits - right), nan=np.inf))) if fits is not None and right.size else 0
    index = f"[{', '.join(str(int(one)) for one in np.unravel_index(place, right.shape))}]" if right.ndim and right.size else ""
    number = float(right.flat[place]) if right.size else 0.0
    theirs = float(fits.flat[place]) if fits is not None and fits.size else None
    theirs = theirs if theirs is None or np.isfinite(theirs) else None
    unfit = claimed.shape if claimed is not None and fits is None else None
    return Step(equation, name, f"{text}{', at ' + index if index else ''}", number, theirs, parts, unfit)


def _figures(departure: Departure | None) -> tuple[float | None, float | None]:
    """Error and tolerance at the worst element, where the shapes fit."""
    if departure is None or departure.comparison is None:
        return None, None
    return finite_or_none(departure.comparison.error), departure.comparison.tolerance


def _listed(array: np.ndarray | None) -> Any:
    if array is None:
        return "none"
    return array.tolist() if np.all(np.isfinite(array)) else str(array.tolist())
