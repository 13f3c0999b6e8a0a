"""Problem <-> plain calls in the layout that a manifest claims, and what comes back -> an evaluation or a refusal.

A message to a worker is plain data: values to keep (`put`), then calls over them. What comes back is believed only after its number,
shape and size have been checked here; values are the checks' to judge.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.contracts.calling import Arrays, Call, Namesake, Read, Tree
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.contracts.mlp.optional_functions import doubtful, helpers
from verifier.errors import AnswerError
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation

RECOVERY_RATE = 2.0**20  # learning rate at which a step shows its gradient: at 0.1 rounding hides it in a third of networks
_ANSWER = ["array", "arrays", "arrays"]
_ANSWER_PARTS = ("loss", "weight_gradients", "bias_gradients")
_PAIR = ["arrays", "arrays"]
STAGES = {"forward": ("pre_activations", "activations"), "deltas": ("deltas",)}


def values_of(problem: Problem, claims: Claims) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The arguments by name (`weights`, `biases`, `x`, `y`) for a worker to keep, and their arrays in the claimed layout."""
    layers = architecture_of(problem).layers
    weights = [f"weights[{layer}]" for layer in range(layers)]
    biases = [] if claims.bias == "none" else [f"biases[{layer}]" for layer in range(layers)]
    arrays = {name: to_claimed(name, problem.arrays[name], claims) for name in (*weights, *biases, "x", "y")}
    return {"weights": weights, "biases": biases, "x": "x", "y": "y"}, arrays


def to_claimed(name: str, array: NDArray[Any], claims: Claims) -> NDArray[Any]:
    """An array of a problem, or one laid out like it (a stage like `x`), as the candidate takes it; a copy, C-contiguous."""
    if name.startswith("weights"):
        laid = array.T if claims.weight_layout == "in_out" else array
    elif name.startswith("biases"):
        laid = {"column": array[:, None], "row": array[None, :]}.get(claims.bias, array)
    elif claims.batch == "single":
        laid = {"column": array[0][:, None], "row": array[0][None, :]}.get(claims.bias, array[0])
    else:
        laid = array.T if claims.batch == "columns" else array
    return np.array(laid, order="C")


def from_claimed(name: str, answer: NDArray[Any], shape: tuple[int, ...], claims: Claims) -> tuple[FloatArray, str | None]:
    """What a candidate returned for a tensor of this shape (of the program), in the program's layout and float64, and a note.

    The note says what was accepted although it is not as claimed: the same elements in another shape; one number for a layer's biases.
    Raises AnswerError where the number of elements is wrong; it names the tensor, the shape that came and the right one.
    """
    size = int(np.prod(shape))
    claimed_shape = to_claimed(name, np.zeros(shape), claims).shape
    note = None
    if answer.shape != claimed_shape:
        if answer.size == size:
            note = f"{name} came back with shape {answer.shape}, not {claimed_shape}: its elements were taken in order"
        elif answer.size == 1 and name.startswith("biases"):
            note = f"{name} came back as one number for {size} biases"
            answer = np.broadcast_to(answer.reshape(()), claimed_shape)
        else:
            raise AnswerError(
                f"{name} came back with shape {answer.shape}, {answer.size} elements; "
                f"it must have shape {claimed_shape}{_hint(name, claims)}.{_unsummed(name, answer, size)}"
            )
    laid = np.asarray(answer, dtype=np.float64).reshape(claimed_shape)
    if name.startswith("weights"):
        laid = laid.T if claims.weight_layout == "in_out" else laid
    elif not name.startswith("biases") and claims.batch == "columns":
        laid = laid.T
    return laid.reshape(shape), note


def _unsummed(name: str, answer: NDArray[Any], size: int) -> str:
    """What to do where δ came back for the bias gradient, one row or column a sample."""
    if not name.startswith("biases") or answer.ndim != 2 or size not in answer.shape:
        return ""
    axis = 0 if answer.shape[1] == size else 1
    return f" That is one {('row', 'column')[axis]} per sample: sum it over the batch, `delta.sum(axis={axis})`."


def _hint(name: str, claims: Claims) -> str:
    if name.startswith("weights"):
        return f' as weights go in (weight_layout = "{claims.weight_layout}")'
    if name.startswith("biases"):
        return f' as biases go in (bias = "{claims.bias}")'
    return f' (batch = "{claims.batch}")'


def keywords_of(problem: Problem, claims: Claims, *, with_loss: bool) -> dict[str, Any]:
    """What the claims leave open, and the candidate must be given: `activations` (one a layer), `loss`."""
    keywords: dict[str, Any] = {}
    if len(claims.activations) > 1 or len(claims.output_activations) > 1:
        keywords["activations"] = list(architecture_of(problem).activations)
    if with_loss and len(claims.losses) > 1:
        keywords["loss"] = architecture_of(problem).loss
    return keywords


def gradient_call(problem: Problem, claims: Claims, entry: str) -> Call:
    """entry(weights, biases, x, y) -> (loss or None, weight_gradients, bias_gradients)."""
    keywords = keywords_of(problem, claims, with_loss=True)
    return Call(entry, ("weights", "biases", "x", "y"), keywords, _ANSWER, parts=_ANSWER_PARTS, loss=0)


def predict_call(problem: Problem, claims: Claims) -> Call:
    """predict(weights, biases, x) -> outputs, laid out like x."""
    return Call("predict", ("weights", "biases", "x"), keywords_of(problem, claims, with_loss=False), "array")


def forward_call(problem: Problem, claims: Claims) -> Call:
    """forward(weights, biases, x) -> (pre_activations, activations), one entry a layer."""
    return Call(
        "forward",
        ("weights", "biases", "x"),
        keywords_of(problem, claims, with_loss=False),
        _PAIR,
        parts=("pre_activations", "activations"),
    )


def deltas_call(problem: Problem, claims: Claims) -> Call:
    """deltas(weights, biases, x, y) -> one entry a layer."""
    return Call("deltas", ("weights", "biases", "x", "y"), keywords_of(problem, claims, with_loss=True), "arrays")


def update_call(problem: Problem, claims: Claims, rate: float, *, goes_on: bool = False) -> Call:
    """update(weights, biases, x, y, learning_rate) -> (weights, biases) after one step; `goes_on`: after the last one, with its state."""
    keywords, state = keywords_of(problem, claims, with_loss=True), "kept" if goes_on else "new"
    return Call("update", ("weights", "biases", "x", "y"), keywords, _PAIR, (rate,), ("weights", "biases"), in_place=True, state=state)


def entry_of(functions: Collection[str], named: str) -> str:
    """The function that is asked for gradients: the one that is named, or `update` where there is no other."""
    return "update" if named == "backprop" and "backprop" not in functions and "update" in functions else named


def entry_call(problem: Problem, claims: Claims, entry: str) -> Call:
    """The call that asks for gradients: they come back, or are seen in a step of a large learning rate."""
    if entry == "update":
        return update_call(problem, claims, recovery_rate(claims))
    return gradient_call(problem, claims, entry)


def read_entry(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims, entry: str) -> Evaluation:
    """The evaluation that came back from `entry_call`: without gradients where the claimed rule's step shows none.

    Raises AnswerError as `read_gradients`.
    """
    if entry == "update":
        updated = read_update(tree, arrays, problem, claims)
        return gradients_of_step(updated, problem, recovery_rate(claims)) if _descends_plainly(claims) else Evaluation(None, None, {})
    return read_gradients(tree, arrays, problem, claims)


def _descends_plainly(claims: Claims) -> bool:
    return claims.optimizer is None or claims.optimizer.plain


def recovery_rate(claims: Claims) -> float:
    """The learning rate at which a step is asked for gradients."""
    if not _descends_plainly(claims):
        return 1.0 if claims.learning_rate is None else claims.learning_rate
    return RECOVERY_RATE if claims.learning_rate is None else claims.learning_rate


def optional_calls(problem: Problem, claims: Claims) -> Mapping[str, Call]:
    """Calls of the functions that show outputs and stages."""
    return {"predict": predict_call(problem, claims), "forward": forward_call(problem, claims), "deltas": deltas_call(problem, claims)}


def namesakes(parameters: Mapping[str, Sequence[str]], claims: Claims) -> Mapping[str, Namesake]:
    """Functions called `predict`, `forward`, `deltas` or `update` that are helpers by their parameters, or may be."""
    certain = {name: Namesake(call) for name, call in helpers(parameters, claims).items()}
    return certain | {name: Namesake(call, partial(_trial, name, claims)) for name, call in doubtful(parameters, claims).items()}


def _trial(name: str, claims: Claims, problem: Problem) -> tuple[Call, Read]:
    """The contract's call of an optional function for a problem, and how its answer is read."""

    def read(tree: Tree, arrays: Arrays) -> object:
        if name == "update":
            return read_update(tree, arrays, problem, claims)
        if name == "predict":
            return _outputs_and_no_classes(tree, arrays, problem, claims)
        return read_stages(tree, arrays, problem, claims, STAGES[name])

    calls = {**optional_calls(problem, claims), "update": update_call(problem, claims, recovery_rate(claims))}
    return calls[name], read


def _outputs_and_no_classes(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims) -> FloatArray:
    """As `read_outputs`; raises AnswerError for whole numbers too: those are the classes that some `predict` decides for."""
    outputs = read_outputs(tree, arrays, problem, claims)
    if outputs.any() and np.array_equal(outputs, np.round(outputs)):
        raise AnswerError("predict returned whole numbers, classes it seems.")
    return outputs


def advice(kind: str, text: str) -> str:
    """What to do where the manifest leaves a choice that the candidate does not expect, or claims any depth of code for one."""
    keyword = re.search(r"unexpected keyword argument '(activations|loss)'", text)
    if kind == "TypeError" and keyword:
        word = keyword[1]
        return f"The manifest claims several, so {word}=… says which one to use: add the parameter, or claim only one."
    unpacked = re.search(r"(?:not enough|too many) values to unpack \(expected (\d{1,2})", text)
    if kind == "ValueError" and unpacked:
        return f"Code for {unpacked[1]} layers says so in its manifest: `layers = {unpacked[1]}`. Then it is asked about no others."
    return ""


def read_gradients(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims) -> Evaluation:
    """The evaluation that came back from `gradient_call`. Raises AnswerError where its number of arrays or elements is wrong."""
    loss_name, weights, biases = _tuple(tree, 3)
    parameters, notes = _parameters(weights, biases, arrays, problem, claims, "gradients")
    loss = None if loss_name is None else read_loss(_array("the loss", loss_name, arrays))
    return Evaluation(loss, None, parameters, notes=notes)


def read_loss(array: NDArray[Any]) -> float:
    """The one number of a loss; raises AnswerError for several."""
    if array.size != 1:
        raise AnswerError(f"the loss came back with shape {array.shape}; it must be one number: reduce it over the batch as claimed.")
    return float(array.reshape(()))


def read_outputs(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims) -> FloatArray:
    """Outputs (batch, outputs) that came back from `predict_call`. Raises AnswerError as `from_claimed`."""
    if not isinstance(tree, str):
        raise AnswerError("predict returned nothing; it must return the outputs, in the layout of x.")
    return from_claimed("outputs", _array("outputs", tree, arrays), problem.arrays["y"].shape, claims)[0]


def read_stages(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims, kinds: Sequence[str]) -> dict[str, FloatArray]:
    """Stages by name (`pre_activations[l]`, …), one list a kind. Raises AnswerError for a wrong number of layers or elements."""
    widths = architecture_of(problem).widths
    lists = [tree] if len(kinds) == 1 else _tuple(tree, len(kinds))
    stages: dict[str, FloatArray] = {}
    for kind, names in zip(kinds, lists, strict=True):
        names = _list(names)
        if len(names) != len(widths) - 1:
            raise AnswerError(
                f"{kind} came back with {len(names)} entries; there must be {len(widths) - 1}, one per layer, without the input."
            )
        for layer, name in enumerate(names):
            shape = (problem.arrays["x"].shape[0], widths[layer + 1])
            stage = f"{kind}[{layer}]"
            stages[stage], _ = from_claimed(stage, _array(stage, name, arrays), shape, claims)
    return stages


def read_update(tree: Tree, arrays: Arrays, problem: Problem, claims: Claims) -> dict[str, FloatArray]:
    """The new parameters by name, float64, in the program's layout. Raises AnswerError as `read_gradients`."""
    weights, biases = _tuple(tree, 2)
    return _parameters(weights, biases, arrays, problem, claims, "parameters")[0]


def gradients_of_step(updated: Mapping[str, FloatArray], problem: Problem, rate: float) -> Evaluation:
    """Gradients recovered from one step, (θ - θ')/η, with what the step's rounding can do to them: ε·max(|θ|, |θ'|)/η."""
    epsilon = machine_epsilon(problem.dtype)
    gradients, rounding = {}, {}
    for name, after in updated.items():
        before = problem.arrays[name].astype(np.float64)
        with np.errstate(all="ignore"):
            gradients[name] = (before - after) / rate
            rounding[name] = epsilon * np.maximum(np.abs(before), np.abs(after)) / rate
    return Evaluation(None, None, gradients, rounding=rounding)


def _tuple(tree: Tree, parts: int) -> list[Any]:
    if not isinstance(tree, list) or len(tree) != parts:
        raise AnswerError(f"the answer does not have {parts} parts.")
    return tree


def _list(part: Tree) -> list[Any]:
    return part if isinstance(part, list) else []


def _array(what: str, name: Tree, arrays: Arrays) -> NDArray[Any]:
    """The array of this name in an answer; whoever answered need not have put one there."""
    if not isinstance(name, str) or name not in arrays:
        raise AnswerError(f"{what} came back as nothing; it must be an array.")
    return arrays[name]


def _parameters(
    weights: Tree, biases: Tree, arrays: Arrays, problem: Problem, claims: Claims, what: str
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    layers = architecture_of(problem).layers
    if claims.bias == "none":
        biases = []
    found: dict[str, FloatArray] = {}
    notes: list[str] = []
    for kind, names, wanted in (("weights", weights, layers), ("biases", biases, 0 if claims.bias == "none" else layers)):
        names = _list(names)
        if len(names) != wanted:
            raise AnswerError(
                f"{len(names)} { {'weights': 'weight', 'biases': 'bias'}[kind] } {what} came back; "
                f"there must be {wanted}, one per layer, first layer first."
                f"{' Does the loop end one layer too early?' if len(names) == wanted - 1 else ''}"
            )
        _refuse_another_order(kind, names, arrays, problem, claims)
        for layer, name in enumerate(names):
            tensor = f"{kind}[{layer}]"
            found[tensor], note = from_claimed(tensor, _array(tensor, name, arrays), problem.arrays[tensor].shape, claims)
            notes += [] if note is None else [note]
    return found, tuple(notes)


def _refuse_another_order(kind: str, names: Sequence[Tree], arrays: Arrays, problem: Problem, claims: Claims) -> None:
    """A list that fits from its end and not from its start was appended to on the way back; one that fits in another order was mixed up.

    Not where each matrix may as well be transposed, as (3, 4) and (4, 3) of layers 3-4-3. Raises AnswerError.
    """
    wanted = [to_claimed(f"{kind}[{layer}]", problem.arrays[f"{kind}[{layer}]"], claims).shape for layer in range(len(names))]
    came = [arrays[name].shape for name in names if isinstance(name, str) and name in arrays]
    if came in (wanted, [shape[::-1] for shape in wanted]) or sorted(came) != sorted(wanted):
        return
    shapes = ", ".join(map(str, came))
    if came[::-1] == wanted:
        raise AnswerError(
            f"the {kind} came back in reverse order, last layer first (shapes {shapes}): the backward pass begins at the last layer, "
            "so put each in front, `gradients.insert(0, …)`, or reverse the list at the end.",
            fault="reversed-order",
        )
    raise AnswerError(
        f"the {kind} came back in another order than the layers (shapes {shapes}): return them first layer first. "
        'A set has no order of its own, and sorted names put "10" before "2".',
        fault="layers-in-another-order",
    )
