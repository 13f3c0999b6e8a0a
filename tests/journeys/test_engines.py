"""Whole runs over engines: real worker, real report. Each planted engine has one published mistake."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.planted_engines import plants
from verifier import check

ROOT = Path(__file__).resolve().parents[2]
RIGHT = ROOT / "reference_impls" / "engines" / "tensor_engine.py"
PLANTS = {plant.name: plant for plant in plants()}
# One of each kind; all are judged by benchmarks.planted_engines.
SHOWN = (
    *("self_once", "softmax_assigns", "exponent_shallow", "changes_operand"),
    *("waits_for_all_readers", "keyed_by_array", "second_call_adds", "no_grad_stays", "in_place_takes_the_node"),
)


def judged(path):
    return check(path, profile="quick")


@pytest.mark.parametrize("name", ["tensor_engine", "scalar_engine"])
def test_a_right_engine_passes(name):
    report = judged(ROOT / "reference_impls" / "engines" / f"{name}.py")
    assert report.verdict == "pass", report.summary
    assert all(row.value == "right" for row in report.operations)


def planted(tmp_path, name):
    file = tmp_path / f"{name}.py"
    file.write_text(PLANTS[name].text())
    return file


def test_every_plant_changes_the_right_engine():
    right = RIGHT.read_text()
    assert all(plant.text() != right and plant.faults for plant in PLANTS.values())


@pytest.mark.parametrize("name", SHOWN)
def test_a_planted_mistake_is_found_and_named(name, tmp_path):
    report = judged(planted(tmp_path, name))
    assert report.verdict == "fail"
    assert report.diagnosis[0].fault.startswith(PLANTS[name].faults), report.diagnosis
    assert report.counterexample is not None
    assert any(step.parts for step in report.counterexample.walkthrough)


def test_a_narrow_gradient_is_judged_as_what_it_is(tmp_path):
    file = tmp_path / "engine.py"
    kept = "node.grad = own if node.grad is None else node.grad + own"
    file.write_text(RIGHT.read_text().replace(kept, "node.grad = (own if node.grad is None else node.grad + own).astype(np.float32)"))
    report = judged(file)
    assert report.verdict == "pass"
    assert any("float32" in note.message for note in report.notes)


def test_a_file_without_a_table_is_an_error_that_says_so(tmp_path):
    file = tmp_path / "engine.py"
    file.write_text('# /// script\n# [tool.verifier]\n# contract = "engine"\n# ///\nleaf = value = backward = gradient = print\n')
    report = judged(file)
    assert report.verdict == "error"
    assert "operations" in report.summary


def test_the_smallest_graph_is_replayed(tmp_path, command):
    wrong = planted(tmp_path, "zero_grad_keeps")
    command("check", wrong, "--profile", "quick", "--report-dir", tmp_path)
    stored = tmp_path / "zero_grad_keeps" / "counterexample.safetensors"
    assert command("replay", stored, wrong, "--report-dir", tmp_path / "again").returncode == 1
    assert command("replay", stored, RIGHT, "--report-dir", tmp_path / "right").returncode == 0
    page = (tmp_path / "zero_grad_keeps" / "report.html").read_text()
    assert "The smallest graph that fails" in page
    assert "Graph of" in page
    assert json.loads((tmp_path / "zero_grad_keeps" / "report.json").read_text())["operations"]


OTHERWISE = {
    "matrices made of vectors": "leaf = lambda array: Tensor(np.atleast_2d(array))",
    "a softmax of exp, sum and div": """
def softmax(a, axis=-1):
    powers = operations["exp"](a)
    return operations["div"](powers, total(powers, axis=axis, keepdims=True))
operations["softmax"] = softmax""",
    "the variance over N": """
def variance(a, axis=None, keepdims=False):
    apart = operations["sub"](a, mean(a, axis=axis, keepdims=True))
    return mean(operations["mul"](apart, apart), axis=axis, keepdims=keepdims)
operations["var"] = variance""",
    "sums that keep their axes unless told otherwise": """
operations["sum"] = lambda a, axis=None, keepdims=True: total(a, axis=axis, keepdims=keepdims)""",
    "maxima that always keep their axes": """
operations["amax"] = lambda a, axis=None: amax(a, axis=axis, keepdims=True)""",
    "sums of one element": """
operations = {"sum": lambda a: reshape(total(a), (1,)), "mul": multiply, "exp": operations["exp"]}
backward = lambda output: output.backward(np.ones(output.data.shape))""",
}


def otherwise(tmp_path, text):
    file = tmp_path / "engine.py"
    file.write_text(RIGHT.read_text() + "\n\n" + text + "\n")
    return judged(file)


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_what_an_engine_means_otherwise_is_no_fault(tmp_path, text):
    report = otherwise(tmp_path, text)
    assert report.verdict == "pass", report.summary


STRICT = """
operations["sum"] = lambda a, axis=None: total(a, axis=axis, keepdims=True)
def backward(output, cotangent):
    assert cotangent.shape == output.data.shape, "a cotangent of another shape"
    output.backward(cotangent)"""


def test_a_sum_that_keeps_its_axes_is_given_cotangents_of_its_own_shape(tmp_path):
    report = otherwise(tmp_path, STRICT)
    assert report.verdict == "pass", report.summary
    assert {row.name: row.gradients for row in report.operations}["sum"] == {"a": "right"}
    assert not any("Refuses late" in note.message or "came back as" in note.message for note in report.notes if "sum" in note.message)


TWO_WRONG = """
def overwriting(a, index):
    def back(c):
        found = np.zeros_like(a.data)
        found[index] = c
        return (found,)
    return Tensor(a.data[index], (a,), back)
operations["getitem"] = overwriting
div = operations["div"]
operations["div"] = lambda a, b: div(a, b) if isinstance(a, Tensor) else div(b, a)"""


def test_the_first_of_two_mistakes_is_the_one_that_the_smallest_graph_shows(tmp_path):
    report = otherwise(tmp_path, TWO_WRONG)
    first, second = report.diagnosis
    shown = report.counterexample.nodes[0].text
    assert first.fault.split(":")[1] in shown and first.explanation in report.summary
    assert {first.fault.split(":")[1], second.fault.split(":")[1]} == {"getitem", "div"}
    assert (first.also, second.also) == (False, True)


def test_an_epsilon_inside_a_logarithm_is_named(tmp_path):
    report = otherwise(tmp_path, 'operations["log"] = lambda a: unary(np.log, lambda x, y: 1 / x)(operations["add"](a, 1e-8))')
    assert report.verdict == "fail"
    assert "1e-08 added" in report.diagnosis[0].explanation


WITHOUT_BACKWARD = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
leaf, value, gradient = lambda array: array.copy(), lambda array: array, lambda leaf: None
backward = lambda output: None
operations = {"detach": lambda a: a}
"""


def test_an_engine_that_could_not_have_been_wrong_is_no_pass(tmp_path):
    file = tmp_path / "engine.py"
    file.write_text(WITHOUT_BACKWARD)
    report = judged(file)
    assert report.verdict == "inconclusive", report.summary


MOSTLY_REFUSED = """
def refused(*operands, **options):
    raise NotImplementedError("not yet")
operations = {name: operation if name in KEPT else refused for name, operation in operations.items()}"""


def test_an_engine_that_refuses_most_of_its_table_does_not_pass(tmp_path):
    report = otherwise(tmp_path, 'KEPT = ("add", "neg", "exp")' + MOSTLY_REFUSED)
    assert report.verdict == "inconclusive", report.summary
    assert "refused" in report.summary


def test_an_engine_whose_graphs_are_not_answered_does_not_pass(tmp_path):
    text = """
def of_one(output, cotangent):
    if len(output.parents) and output.parents[0].parents:
        raise NotImplementedError("one operation at a time")
    output.backward(cotangent)
backward = of_one"""
    report = otherwise(tmp_path, text)
    assert report.verdict == "inconclusive", report.summary
    assert "one operation at a time" in report.summary


READ_ONCE = """
def of_tree(self, cotangent):
    seen, waiting = set(), [self]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            raise RuntimeError("each value can be read once")
        seen.add(id(node))
        waiting += node.parents
    swept(self, cotangent)

swept, Tensor.backward = Tensor.backward, of_tree
operations = {name: operations[name] for name in ("sum", "mul", "exp", "neg")}
operations["prod"] = operations["conv2d"] = lambda a, *b, **options: 1 / 0"""


def test_a_pass_says_which_operations_and_which_kinds_of_graphs_were_never_answered(tmp_path):
    report = otherwise(tmp_path, READ_ONCE)
    assert report.verdict == "pass", report.summary
    assert "Not judged, since refused: prod, conv2d; one value as both operands" in report.summary
    assert re.search(r"since every one was refused: .*a computed value that is read several times \(\d+ graphs\)", report.summary)


DUAL = """
# /// script
# [tool.verifier]
# contract = "engine"
# ///
import numpy as np

leaf = lambda array, direction: (array, direction)
value = lambda dual: dual[0]
derivative = lambda output: output[1]
pair = lambda a: a if isinstance(a, tuple) else (a, 0.0)
def binary(function):
    return lambda a, b: function(*pair(a), *pair(b))
operations = {
    "add": binary(lambda a, da, b, db: (a + b, da + db)),
    "mul": binary(lambda a, da, b, db: (a * b, da * b + a * db)),
    "sin": lambda a: (np.sin(a[0]), np.cos(a[0]) * a[1]),
    "exp": lambda a: (np.exp(a[0]), np.exp(a[0]) * a[1]),
    "sum": lambda a, axis=None: (a[0].sum(axis), a[1].sum(axis)),
}
"""


@pytest.mark.parametrize(("text", "verdict"), [(DUAL, "pass"), (DUAL.replace("np.cos(a[0])", "np.sin(a[0])"), "fail")])
def test_forward_mode_is_judged_along_a_direction_of_each_leaf(tmp_path, text, verdict):
    file = tmp_path / "dual.py"
    file.write_text(text)
    report = judged(file)
    assert report.verdict == verdict, report.summary
    assert verdict == "pass" or report.diagnosis[0].fault.startswith("operation:sin:a")


def test_a_second_backward_call_that_is_not_claimed_is_a_note(tmp_path):
    text = PLANTS["second_call_adds"].text().replace("retain_graph = True", "retain_graph = False")
    file = tmp_path / "engine.py"
    file.write_text(text)
    report = judged(file)
    assert report.verdict == "pass", report.summary
    assert any("retain_graph" in note.message for note in report.notes)


def test_a_name_that_a_library_brings_is_no_flag(tmp_path):
    assert otherwise(tmp_path, "class dtypes: float64 = 8").verdict == "pass"


def test_a_gradient_that_is_a_tensor_of_the_engine_is_read_as_one(tmp_path):
    text = "gradient = lambda leaf: None if leaf.grad is None else Tensor(leaf.grad)"
    assert otherwise(tmp_path, text).verdict == "pass"


PARTLY = """
def strict(operation):
    def apply(a, b):
        if tensor(a).data.ndim == 0 < tensor(b).data.ndim:
            raise ValueError("a number stands on the right")
        return operation(a, b)
    return apply
operations |= {name: strict(operations[name]) for name in ("add", "sub", "mul", "div")}
"""


def test_a_form_that_is_refused_is_not_called_wrong(tmp_path):
    file = tmp_path / "engine.py"
    file.write_text(PLANTS["sqrt_half"].text() + PARTLY)
    faults = [diagnosis.fault for diagnosis in judged(file).diagnosis]
    assert faults
    assert all(fault.startswith("operation:sqrt") for fault in faults)


TWICE = """
# /// script
# [tool.verifier]
# contract = "engine"
# ///
import math

class Value:
    def __init__(self, x, *parents):
        self.x, self.parents = x, parents

lift = lambda a: a if isinstance(a, Value) else Value(a)
def add(a, b):
    a, b = lift(a), lift(b)
    return Value(a.x + b.x, (a, lambda: 1.0), (b, lambda: 1.0))
def mul(a, b):
    a, b = lift(a), lift(b)
    return Value(a.x * b.x, (a, lambda: b), (b, lambda: a))
def sin(a):
    a = lift(a)
    return Value(math.sin(a.x), (a, lambda: cosine(a)))
def cosine(a):
    a = lift(a)
    return Value(math.cos(a.x), (a, lambda: mul(-1.0, sin(a))))

def gradients(output, leaves):
    order = []
    def visit(node):
        if node not in order:
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)
    visit(lift(output))
    found = {output: Value(1.0)}
    for node in reversed(order):
        for parent, slope in node.parents:
            found[parent] = add(found.get(parent, 0.0), mul(found[node], slope()))
    return [found.get(leaf, Value(0.0)) for leaf in leaves]

def differentiate(function, leaves):
    leaves = [Value(x) for x in leaves]
    return [one.x for one in gradients(function(*leaves), leaves)]

def second(function, leaves, directions):
    leaves, total = [Value(x) for x in leaves], Value(0.0)
    for one, along in zip(gradients(function(*leaves), leaves), directions):
        total = add(total, mul(one, along))
    return [one.x for one in gradients(total, leaves)]

scalar, chain = True, 20
value = lambda a: lift(a).x
operations = {"add": add, "mul": mul, "sin": sin}
"""


@pytest.mark.parametrize(("text", "verdict"), [(TWICE, "pass"), (TWICE.replace("mul(-1.0, sin(a))", "sin(a)"), "fail")])
def test_where_an_engine_differentiates_twice_that_is_judged_too(tmp_path, text, verdict):
    file = tmp_path / "twice.py"
    file.write_text(text)
    report = judged(file)
    assert report.verdict == verdict, report.summary
    rows = {row.name: (row.gradients["a"], row.second) for row in report.operations}
    assert rows["mul"] == ("right", "right")
    assert rows["sin"] == ("right", "right" if verdict == "pass" else "wrong")
    assert [diagnosis.fault for diagnosis in report.diagnosis] == ([] if verdict == "pass" else ["operation:sin:second-order"])
