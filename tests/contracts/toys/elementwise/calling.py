"""value(x) -> f(x), slope(x) -> f'(x)."""

from verifier.contracts.calling import Call
from verifier.contracts.defaults import advice, entry_of, namesakes, taken, to_claimed  # noqa: F401
from verifier.results.evaluation import Evaluation


def values_of(problem, claims):
    return {"x": "x", "c": "c"}, dict(problem.arrays)


def entry_call(problem, claims, entry):
    return Call(entry, ("x",), {}, "array")


def read_entry(tree, arrays, problem, claims, entry):
    return Evaluation(None, None, {"x": problem.arrays["c"] * taken("the slope", tree, arrays, problem.arrays["x"].shape)})


def optional_calls(problem, claims):
    return {"predict": Call("value", ("x",), {}, "array", projected=("c",))}


def read_outputs(tree, arrays, problem, claims):
    return taken("the value", tree, arrays, problem.arrays["x"].shape)
