"""The cache stays in the worker; outputs are projected there."""

from verifier.contracts.calling import Call
from verifier.contracts.defaults import advice, entry_of, namesakes, read_outputs, taken, to_claimed  # noqa: F401
from verifier.results.evaluation import Evaluation

OUTPUTS = {"out": "dout", "gate": "dgate"}
PARTS = ("out", "gate", "cache")


def values_of(problem, claims):
    return {name: name for name in problem.arrays}, dict(problem.arrays)


def forward(**more):
    return Call("forward", ("x", "w"), {}, ["array", "array", "nothing"], parts=PARTS, **more)


def entry_call(problem, claims, entry):
    return Call(entry, ("dout", "dgate", "cache"), {}, ["array", "array"], parts=("dx", "dw"), before=(forward(keep={2: "cache"}),))


def read_entry(tree, arrays, problem, claims, entry):
    outputs, gradients = tree
    loss = sum(
        float((taken(name, leaf, arrays, problem.arrays[own].shape) * problem.arrays[own]).sum())
        for (name, own), leaf in zip(OUTPUTS.items(), outputs, strict=False)
    )
    found = {name: taken(f"d{name}", leaf, arrays, problem.arrays[name].shape) for name, leaf in zip(("x", "w"), gradients, strict=True)}
    return Evaluation(loss, None, found)


def optional_calls(problem, claims):
    return {"predict": forward(projected=tuple(OUTPUTS.values()))}
