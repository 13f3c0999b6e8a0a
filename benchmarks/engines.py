"""Right code by an autograd engine: somebody writes the forward pass, PyTorch or HIPS autograd differentiates it, in the network's dtype.

The engines round where nobody chose to: log(1 − σ(z)) is differentiated as it stands, σ by its parts.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.right_code import CROSS_ENTROPY, EXPONENTIAL, OF_LOGITS, Answer, decay_of, factor_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.problems.program import Problem

Activate = Callable[[Any, str, Any, Claims], Any]
Ops = Any
"""A namespace with NumPy's names: exp, log, tanh, abs, concatenate, maximum, minimum, where, sum, max."""


class TorchOps:
    """NumPy's names for PyTorch."""

    def __init__(self) -> None:
        import torch

        self.exp, self.log, self.tanh, self.where, self.abs = torch.exp, torch.log, torch.tanh, torch.where, torch.abs
        self.concatenate = torch.cat

    def maximum(self, value: Any, bound: float) -> Any:
        return value.clamp(min=bound)

    def minimum(self, value: Any, bound: float) -> Any:
        return value.clamp(max=bound)

    def sum(self, value: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return value.sum() if axis is None else value.sum(axis, keepdim=keepdims)

    def max(self, value: Any, axis: int, keepdims: bool) -> Any:
        return value.max(axis, keepdim=keepdims).values


def loss_of(ops: Ops, problem: Problem, claims: Claims, values: dict[str, Any], activate: Activate | None = None) -> Any:
    """The claimed loss as plain code writes it, over whatever arrays the namespace has; `activate` writes activations otherwise."""
    activate = activate or _activate
    architecture = architecture_of(problem)
    a = values["x"]
    z = a
    for layer, kind in enumerate(architecture.activations):
        z = a @ values[f"weights[{layer}]"].T
        if f"biases[{layer}]" in values:
            z = z + values[f"biases[{layer}]"]
        if claims.clip_preactivation is not None and kind in EXPONENTIAL:
            z = ops.minimum(ops.maximum(z, -claims.clip_preactivation), claims.clip_preactivation)
        a = activate(ops, kind, z, claims)
    losses = _losses(ops, architecture.loss, architecture.activations[-1], z, a, values["y"], claims, activate)
    loss = factor_of(problem, claims) * ops.sum(losses)
    decay = decay_of(problem, claims)
    if decay:
        for layer in range(architecture.layers):
            loss = loss + decay * ops.sum(values[f"weights[{layer}]"] ** 2)
    return loss


def _activate(ops: Ops, kind: str, z: Any, claims: Claims) -> Any:
    if kind == "sigmoid":
        return 1 / (1 + ops.exp(-z))
    if kind == "tanh":
        return ops.tanh(z)
    if kind == "softplus":
        exact = ops.log(1 + ops.exp(z))
        return exact if claims.softplus_threshold is None else ops.where(z > claims.softplus_threshold, z, exact)
    if kind == "softmax":
        powers = ops.exp(z - ops.max(z, axis=1, keepdims=True))
        return powers / ops.sum(powers, axis=1, keepdims=True)
    if kind == "relu":
        return ops.maximum(z, 0.0)
    return ops.where(z > 0, z, claims.leaky_slope * z) if kind == "leaky_relu" else z


def _by_difference(ops: Ops, kind: str, z: Any, claims: Claims) -> Any:
    """Activations in other right forms: the softmax's last entry is 1 less the others, the leaky ReLU Theano's, σ by tanh."""
    if kind == "softmax":
        shares = _activate(ops, kind, z, claims)
        return ops.concatenate([shares[:, :-1], 1 - ops.sum(shares[:, :-1], axis=1, keepdims=True)], 1)
    if kind == "leaky_relu":
        return 0.5 * (1 + claims.leaky_slope) * z + 0.5 * (1 - claims.leaky_slope) * ops.abs(z)
    if kind == "sigmoid":
        return 0.5 * (1 + ops.tanh(0.5 * z))
    return _activate(ops, kind, z, claims)


def _losses(ops: Ops, loss: str, activation: str, z: Any, a: Any, y: Any, claims: Claims, activate: Activate) -> Any:
    if loss in ("squared_error", "half_squared_error"):
        return (0.5 if loss == "half_squared_error" else 1.0) * (y - a) ** 2
    epsilon = of_rest = 0.0
    if loss in OF_LOGITS:
        p = activate(ops, OF_LOGITS[loss], z if OF_LOGITS[loss] == activation else a, claims)
    else:
        p, own = a, claims.log_epsilon or 0.0
        epsilon, of_rest = own if isinstance(own, tuple) else (own, own)
        if claims.clip_ends is not None:
            low, high = claims.clip_ends
            p = ops.minimum(ops.maximum(p, low), high)
    if loss in CROSS_ENTROPY:
        return -y * ops.log(p + epsilon)
    return -(y * ops.log(p + epsilon) + (1 - y) * ops.log(1 - p + of_rest))


def by_torch(problem: Problem, claims: Claims, activate: Activate | None = None) -> Answer:
    """Loss and gradients by PyTorch, of the plain forward pass, or of one with activations in other forms."""
    import torch

    values = {name: torch.tensor(array) for name, array in problem.arrays.items()}
    parameters = [values[name].requires_grad_(True) for name in problem.program.differentiate]
    loss = loss_of(TorchOps(), problem, claims, values, activate)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    named = zip(problem.program.differentiate, gradients, strict=True)
    return Answer(float(loss.detach()), {name: gradient.numpy() for name, gradient in named}, {})


def by_autograd(problem: Problem, claims: Claims) -> Answer:
    """Loss and gradients by HIPS autograd, of the plain forward pass."""
    autograd, anp = import_module("autograd"), import_module("autograd.numpy")  # an extra, and untyped

    def loss(parameters: dict[str, Any]) -> Any:
        return loss_of(anp, problem, claims, {**problem.arrays, **parameters})

    with np.errstate(all="ignore"):
        parameters = {name: problem.arrays[name] for name in problem.program.differentiate}
        value, gradients = autograd.value_and_grad(loss)(parameters)
    return Answer(float(value), {name: np.asarray(gradient) for name, gradient in gradients.items()}, {})


def by_torch_otherwise(problem: Problem, claims: Claims) -> Answer:
    """Loss and gradients by PyTorch, of activations that lose digits by a difference."""
    return by_torch(problem, claims, _by_difference)


ENGINES: dict[str, Callable[[Problem, Claims], Answer]] = {
    "engine: PyTorch": by_torch,
    "engine: PyTorch, by difference": by_torch_otherwise,
    "engine: autograd": by_autograd,
}
