"""What a submission is worth: a part for each thing that was asked, by the tensors that are wrong. A function of the report alone.

Right gradients are most of it. They are divided by where a wrong equation shows: weights and biases, of the output layer and of the layers
before it. A bias that is not summed costs the biases, a slope that is forgotten in hidden layers costs those, a turned sign costs them all.
What one mistake makes fail beside the gradients (batch additivity, differences) costs nothing again. What was not asked is no part, and the
others take its place.
"""

from collections.abc import Iterable, Mapping

from verifier.results.report import Part, Report, Score

POINTS = 100.0
WEIGHTS: Mapping[str, float] = {"weights": 60.0, "biases": 20.0, "loss": 10.0, "others": 10.0}
WITNESSES = ("autograd", "finite-difference")  # the first that compared gradients decides which tensors are wrong
CONSEQUENCES = frozenset({"finite-difference", "batch-additivity", "unit-permutation", "stages", "stability", "update"})
WHY = {
    "inconclusive": "Nothing could be decided: a person has to look.",
    "not-judged": "It was not judged.",
    "not-done": "Nothing is filled in yet.",
    "error": "It cannot be judged.",
}


def score(report: Report, weights: Mapping[str, float] | None = None) -> Score:
    """The points of a report; `weights` go before the usual ones, `points` among them says how many there are in all."""
    chosen = {"points": POINTS, **WEIGHTS, **(weights or {})}
    of = chosen["points"]
    if report.verdict == "inconclusive" or (report.verdict == "error" and not report.layers):
        return Score(0.0, of, (Part("verdict", 0.0, of, WHY[report.reason or report.verdict]),))
    raising = next((outcome for outcome in report.checks if outcome.id == "contract" and outcome.status == "error"), None)
    if raising is not None and not report.layers:  # of several layers each is a part
        why = f"It gives no usable answer on {raising.failed} of {raising.problems} networks."
        return Score(0.0, of, (Part("verdict", 0.0, of, why),))
    missed = next((outcome for outcome in report.checks if outcome.id == "contract" and outcome.status == "fail"), None)
    if missed is not None and not report.layers:
        return Score(0.0, of, (Part("verdict", 0.0, of, "It does not do what the assignment requires."),))
    asked = list(_parts(report, chosen))
    whole = sum(weight for _, weight, _ in asked)
    if not whole:  # only what weighs nothing was asked
        asked, whole = [("verdict", 1.0, _failing(report))], 1.0
    if report.verdict == "fail" and not any(weight and why for _, weight, why in asked):
        asked = [(name, weight, why or _failing(report)) if weight else (name, weight, why) for name, weight, why in asked]
    worth = [(name, round(of * weight / whole, 2), why) for name, weight, why in asked]
    parts = tuple(Part(name, 0.0 if why else points, points, why) for name, points, why in worth)
    lost = sum(part.of for part in parts if part.why)
    return Score(round(max(0.0, of - lost), 2), of, parts)


def _parts(report: Report, weights: Mapping[str, float]) -> Iterable[tuple[str, float, str]]:
    """Name, weight, and why it is lost ("" where it is earned) of each part that was asked."""
    if report.layers:
        yield from ((layer.name, 1.0, "" if layer.verdict == "pass" else layer.sentence or layer.verdict) for layer in report.layers)
        return
    status = {outcome.id: outcome.status for outcome in report.checks}
    witness = next((check for check in WITNESSES if any(m.check == check for m in report.measurements)), None)
    if witness is not None:
        yield from _gradients(report, witness, weights)
    elif status.get("autograd") == "fail":
        yield "gradients", weights["weights"] + weights["biases"], "Wrong."
    if status.get("forward") in ("pass", "fail"):
        yield "loss", weights["loss"], "The loss or the outputs are wrong." if status["forward"] == "fail" else ""
    wrong = status.get("autograd") == "fail"
    explained = CONSEQUENCES if wrong else {"finite-difference"} if status.get("forward") == "fail" else frozenset()
    others = [check for check, one in status.items() if one == "fail" and check not in {"autograd", "forward", *explained}]
    yield "others", weights["others"], f"Failed: {', '.join(others)}." if others else ""


def _gradients(report: Report, witness: str, weights: Mapping[str, float]) -> Iterable[tuple[str, float, str]]:
    """The share of each group of tensors that was compared."""
    failed = next((outcome.status == "fail" for outcome in report.checks if outcome.id == witness), False)
    wrong: dict[str, bool] = {}
    for measurement in report.measurements:
        if measurement.check == witness:
            group = _group(measurement.tensor, measurement.network)
            wrong[group] = wrong.get(group, False) or measurement.status == "fail"
    if failed and (wrong.pop("all", False) or not any(wrong.values())):
        wrong = dict.fromkeys(wrong or ("gradients",), True)
    wrong.pop("all", None)
    kinds = [next((kind for kind in ("weights", "biases") if group.endswith(kind)), "gradients") for group in wrong]
    for (group, lost), kind in zip(wrong.items(), kinds, strict=True):
        share = weights[kind] if kind in weights else weights["weights"] + weights["biases"]
        yield group, share / kinds.count(kind), "Its gradient is wrong." if lost else ""


def _group(tensor: str, network: str) -> str:
    """`weights[0]` of a network of three layers -> ``hidden-layer weights``; a tensor that is no layer's is a group of its own."""
    kind, bracket, layer = tensor.rstrip("]").partition("[")
    if kind not in ("weights", "biases") or not bracket or not layer.isdigit():
        return tensor
    last = int(layer) == network.split(",")[0].count("-") - 1
    return f"{'output' if last else 'hidden'}-layer {kind}"


def _failing(report: Report) -> str:
    failed = [outcome.id for outcome in report.checks if outcome.status == "fail"]
    return f"Failed: {', '.join(failed)}." if failed else ""
