"""Loss, outputs, gradients and stages of a problem by PyTorch autograd in float64. PyTorch is imported here alone."""

import numpy as np
import torch

from verifier.oracles.threads import threads
from verifier.oracles.torch_operations import TORCH_OPERATIONS
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation


def evaluate(problem: Problem) -> Evaluation:
    """The reference for a problem: everything in float64; `deltas[l]` is ∂loss/∂`pre_activations[l]`; a gradient nobody depends on is 0.

    On one thread: several add up in another order, and the same seed would give other last bits.
    """
    with threads(1):
        return _evaluate(problem)


def _evaluate(problem: Problem) -> Evaluation:
    program = problem.program
    values = {name: torch.tensor(np.asarray(array, dtype=np.float64)) for name, array in problem.arrays.items()}
    for name in program.differentiate:
        values[name].requires_grad_(True)
    for node in program.nodes:
        inputs = tuple(values[name] for name in node.inputs)
        values[node.output] = TORCH_OPERATIONS[node.operation](inputs, node.attributes)
    inner = [name for name in program.stages if name.startswith("pre_activations") and values[name].requires_grad]
    wanted = [*program.differentiate, *inner]
    found = torch.autograd.grad(values[program.loss], [values[name] for name in wanted], allow_unused=True, materialize_grads=True)
    gradients = {name: gradient.numpy() for name, gradient in zip(wanted, found, strict=True)}
    stages = {name: values[name].detach().numpy() for name in program.stages}
    stages |= {name.replace("pre_activations", "deltas"): gradients.pop(name) for name in inner}
    outputs = None if program.outputs is None else values[program.outputs].detach().numpy()
    return Evaluation(float(values[program.loss].detach()), outputs, gradients, stages)
