"""A fault as a variation of the textbook: one piece is replaced, everything else stays. Faults combine by replacing one after another.

Three kinds of piece can be replaced: what a node's vjp gives (`back`), the finished gradients (`finish`), and the program itself
(`program`, for faults of the forward pass). All of them work on arrays with leading axes, so that a fault has a scatter of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.oracles.scatter import measure_scatter
from verifier.problems.operations import Store, exact
from verifier.problems.program import Node, Problem, Program, longest_sum, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.textbook import Applied, Back, Sweep
from verifier.tolerance import SAFETY, element_tolerance, safety

Gradients = dict[str, FloatArray]


class Inapplicable(Exception):
    """Code with this fault cannot run on this network (shapes do not fit): whoever answered there does not have it."""


@dataclass(frozen=True)
class Context:
    """What a piece may know: the network, the claims, and the fault's free constant."""

    architecture: Architecture
    claims: Claims
    constant: float

    @property
    def last(self) -> int:
        return self.architecture.layers - 1

    @property
    def batch(self) -> int:
        return self.architecture.batch

    @property
    def outputs(self) -> int:
        return self.architecture.widths[-1]


BackPiece = Callable[[Applied, Back, Context], Back]
FinishPiece = Callable[[Gradients, Sweep, Program, Context], Gradients]
ProgramPiece = Callable[[Program, Context], Program]
Plausible = Callable[[str, FloatArray], bool]


@dataclass(frozen=True)
class Constant:
    """A free constant of a fault: what it is called, and how a first guess is found.

    `fit`: `affine` (gradients somewhere are an affine function of it), `choices` (one of these), `largest` (of the claimed elements),
    `norm` (of the claimed gradient), `norm_each` (the largest norm of one claimed tensor).
    """

    words: str
    fit: str = "affine"
    choices: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fault:
    """A known mistake.

    Attributes:
        id: its name in reports.
        equation: the equation that it breaks.
        explanation: one sentence for a student; {c} stands for the fitted constant.
        hint: how to fix it, one sentence.
        kind: faults of one kind are scopes of the same mistake and never combined.
        unfused: whether it needs the chain rule through output activation and loss, which δ = a - y has cancelled.
        couples: whether what it does to one tensor depends on the others, so that a second fault anywhere changes what it does here.
        pattern: it is recognised by a test of its own (precision, state, differences), not by a prediction.
    """

    id: str
    equation: str
    explanation: str
    hint: str
    back: BackPiece | None = None
    finish: FinishPiece | None = None
    program: ProgramPiece | None = None
    constant: Constant | None = None
    kind: str = ""
    unfused: bool = False
    pattern: bool = False
    couples: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """One fault, or several at once, each with its constant: what a candidate may have done."""

    faults: tuple[Fault, ...]
    constants: tuple[float, ...]

    @property
    def id(self) -> str:
        return " + ".join(fault.id for fault in self.faults)


@dataclass(frozen=True)
class Prediction:
    """The gradients that a hypothesis predicts, the loss, and the tolerance of each gradient's elements."""

    loss: float
    gradients: Mapping[str, FloatArray]
    tolerance: Mapping[str, FloatArray]
    loss_tolerance: float


def single(fault: Fault, constant: float = 0.0) -> Hypothesis:
    """The hypothesis of one fault alone."""
    return Hypothesis((fault,), (constant,))


def sweep_faulty(
    problem: Problem,
    claims: Claims,
    hypothesis: Hypothesis,
    arrays: Mapping[str, FloatArray],
    store: Store = exact,
    values: Mapping[str, FloatArray] | None = None,
    plausible: Plausible | None = None,
) -> tuple[Program, Sweep, Evaluation]:
    """The textbook with a hypothesis' faults in it: the program that was swept, every value and cotangent, and the evaluation.

    Args:
        values: the forward pass of these arrays, where it is known already (a fault of the forward pass makes its own).
        plausible: whether a tensor may have this gradient; asked from the output down, so that most wrong guesses end there.
    Raises:
        Inapplicable: code with these faults could not run, or a gradient is not plausible.
    """
    architecture = architecture_of(problem)
    contexts = [Context(architecture, claims, constant) for constant in hypothesis.constants]
    program = problem.program
    if any(fault.program is not None for fault in hypothesis.faults):
        values = None
    if any(fault.unfused for fault in hypothesis.faults):
        program = unfused(program)
    for fault, context in zip(hypothesis.faults, contexts, strict=True):
        if fault.program is not None:
            program = fault.program(program, context)
    pieces = [(fault.back, context) for fault, context in zip(hypothesis.faults, contexts, strict=True) if fault.back is not None]

    def replaced(applied: Applied, back: Back) -> Back:
        for piece, context in pieces:
            back = piece(applied, back, context)
        if plausible is not None and applied.node.operation == "affine":
            for name, gradient in zip(applied.node.inputs[1:], back[1:], strict=False):
                if gradient is not None and not plausible(name, gradient + applied.cotangents.get(name, 0.0)):
                    raise Inapplicable
        return back

    if values is None:
        values = textbook.forward(program, arrays, store)
    swept = textbook.backward(program, values, store, replaced if pieces else None)
    evaluation = textbook.evaluation_of(program, swept)
    gradients: Gradients = dict(evaluation.gradients)
    for fault, context in zip(hypothesis.faults, contexts, strict=True):
        if fault.finish is not None:
            gradients = fault.finish(gradients, swept, program, context)
    return program, swept, replace(evaluation, gradients=gradients)


@np.errstate(all="ignore")
def predict_nominal(
    problem: Problem,
    claims: Claims,
    hypothesis: Hypothesis,
    values: Mapping[str, FloatArray] | None = None,
    plausible: Plausible | None = None,
) -> Mapping[str, FloatArray] | None:
    """The gradients that a hypothesis predicts, without tolerances; None where its code could not run, or gives none that is plausible."""
    if any(fault.finish is not None for fault in hypothesis.faults):
        plausible = None  # what the sweep gives is not what comes back
    try:
        return sweep_faulty(problem, claims, hypothesis, textbook.double(problem.arrays), values=values, plausible=plausible)[2].gradients
    except Inapplicable:
        return None


@np.errstate(all="ignore")
def predict(problem: Problem, claims: Claims, hypothesis: Hypothesis, *, seed: int = 0) -> Prediction | None:
    """What a hypothesis predicts, at its own scatter; None where its code could not run."""
    exact_copy: dict[str, Evaluation] = {}
    losses: list[float] = []

    def variation(arrays: Mapping[str, FloatArray], store: Store) -> tuple[Evaluation, FloatArray]:
        program, swept, evaluation = sweep_faulty(problem, claims, hypothesis, arrays, store)
        loss = swept.values[program.loss]
        if not losses:
            exact_copy["0"] = evaluation
            losses.append(float(loss.reshape(-1)[0]))
        return evaluation, loss

    try:
        scatter = measure_scatter(problem, seed=seed, variation=variation)
    except Inapplicable:
        return None
    longest, epsilon = longest_sum(problem), machine_epsilon(problem.dtype)
    gradients = {name: gradient[0] for name, gradient in exact_copy["0"].gradients.items()}
    tolerance = {
        name: element_tolerance(scatter.gradients[name], longest) + SAFETY * epsilon * np.abs(gradient)
        for name, gradient in gradients.items()
    }
    return Prediction(losses[0], gradients, tolerance, safety(longest) * scatter.loss)


_PLAIN_OF = {"softmax_cross_entropy": "cross_entropy", "binary_cross_entropy_with_logits": "binary_cross_entropy"}
_ACTIVATION_OF = {"softmax_cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}


def unfused(program: Program) -> Program:
    """The same program with the loss taken of the output's probabilities, so that the chain rule goes through the output's σ'."""
    last = sum(node.operation == "affine" for node in program.nodes) - 1
    by_output = {node.output: node.operation for node in program.nodes}
    nodes = []
    for node in program.nodes:
        plain = _PLAIN_OF.get(node.operation)
        if plain is not None and by_output.get(f"activations[{last}]") == _ACTIVATION_OF[node.operation]:
            node = Node(plain, (f"activations[{last}]", node.inputs[1]), node.output, node.attributes)
        nodes.append(node)
    return replace(program, nodes=tuple(nodes))
