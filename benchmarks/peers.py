"""The peers, each asked the same question: is this the gradient of this loss? Each at its own defaults, or at the threshold of its custom.

Every peer sees one NumPy function from parameters to the loss, and the claimed gradient as the function's backward pass.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.arithmetic import Array

SCIPY_THRESHOLD = 1e-6  # check_grad returns a norm and leaves the judgement to its caller
COURSE_THRESHOLD, COURSE_STEP = 1e-7, 1e-5  # "1e-7 and less you should be happy", CS231n


@dataclass(frozen=True)
class Question:
    """A loss over parameters by name, in their dtype, and the gradient that is claimed for it. `asked` counts the evaluations."""

    loss: Callable[[Mapping[str, Array]], float]
    parameters: Mapping[str, Array]
    claimed: Mapping[str, Array]

    @property
    def names(self) -> list[str]:
        return list(self.parameters)

    def of_list(self, arrays: Sequence[Array]) -> Array:
        """The loss of parameters in order, an array of their dtype."""
        dtype = next(iter(self.parameters.values())).dtype
        moved = {name: np.asarray(array) for name, array in zip(self.names, arrays, strict=True)}
        return np.asarray(self.loss(moved), dtype=dtype)

    def of_vector(self, vector: Array) -> float:
        """The loss of all parameters as one vector."""
        dtype, moved, start = next(iter(self.parameters.values())).dtype, {}, 0
        for name, array in self.parameters.items():
            moved[name] = np.asarray(vector[start : start + array.size]).astype(dtype).reshape(array.shape)
            start += array.size
        return self.loss(moved)

    @property
    def point(self) -> Array:
        return np.concatenate([array.ravel() for array in self.parameters.values()])

    @property
    def gradient(self) -> Array:
        return np.concatenate([np.asarray(self.claimed[name], dtype=self.point.dtype).ravel() for name in self.names])


Peer = Callable[[Question], bool]
"""Whether it accepts the claimed gradient."""


def _gradcheck(question: Question, *, fast: bool) -> bool:
    import torch

    class Claimed(torch.autograd.Function):
        """The NumPy loss with the claimed gradient as its backward pass."""

        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            return torch.from_numpy(question.of_list([tensor.detach().numpy() for tensor in tensors]))

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            arrays = (np.asarray(question.claimed[name], dtype=question.parameters[name].dtype) for name in question.names)
            return tuple(cotangents[0] * torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)

    tensors = [torch.tensor(array, requires_grad=True) for array in question.parameters.values()]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # it warns of float32, which is a part of the answer
        return bool(torch.autograd.gradcheck(Claimed.apply, tensors, fast_mode=fast, raise_exception=False))


def gradcheck_slow(question: Question) -> bool:
    """torch.autograd.gradcheck: every element, eps 1e-6, rtol 1e-3, atol 1e-5."""
    return _gradcheck(question, fast=False)


def gradcheck_fast(question: Question) -> bool:
    """The same with fast_mode: one random projection a tensor."""
    return _gradcheck(question, fast=True)


def jax_check_grads(question: Question) -> bool:
    """jax.test_util.check_grads, reverse mode, first order: one random direction through all arguments."""
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    check_grads = import_module("jax.test_util").check_grads
    dtype = question.point.dtype

    def by_numpy(*arrays: Any) -> Any:
        return jax.pure_callback(lambda *a: question.of_list(a), jax.ShapeDtypeStruct((), dtype), *arrays)

    function = jax.custom_vjp(by_numpy)
    claimed = tuple(np.asarray(question.claimed[name], dtype=dtype) for name in question.names)
    function.defvjp(lambda *arrays: (by_numpy(*arrays), None), lambda _, cotangent: tuple(cotangent * array for array in claimed))
    accepted = _accepts(lambda: check_grads(function, tuple(question.parameters.values()), order=1, modes=("rev",)))
    jax.clear_caches()  # each question is a function of its own: gigabytes else
    return accepted


def autograd_check_grads(question: Question) -> bool:
    """autograd.test_util.check_grads, reverse mode, first order: one random direction."""
    extend, util = import_module("autograd.extend"), import_module("autograd.test_util")
    function = extend.primitive(lambda vector: np.asarray(question.of_vector(vector), dtype=vector.dtype))
    gradient = question.gradient
    extend.defvjp(function, lambda answer, vector: lambda cotangent: cotangent * gradient)
    return _accepts(lambda: util.check_grads(function, modes=["rev"], order=1)(question.point))


def scipy_check_grad(question: Question) -> bool:
    """scipy.optimize.check_grad: forward differences of every element, accepted below a norm of 1e-6."""
    check_grad = import_module("scipy.optimize").check_grad
    with np.errstate(all="ignore"):
        error = check_grad(question.of_vector, lambda _: question.gradient, question.point)
    return bool(error <= SCIPY_THRESHOLD)


def course_check(question: Question) -> bool:
    """As taught in CS231n: central differences of every element at h = 1e-5, largest relative error at most 1e-7."""
    point, gradient = question.point, question.gradient
    worst = 0.0
    for index in range(point.size):
        up, down = point.copy(), point.copy()
        up[index] += COURSE_STEP
        down[index] -= COURSE_STEP
        numeric = (question.of_vector(up) - question.of_vector(down)) / (2 * COURSE_STEP)
        worst = max(worst, abs(numeric - gradient[index]) / max(1e-8, abs(numeric) + abs(gradient[index])))
    return worst <= COURSE_THRESHOLD


def _accepts(check: Callable[[], object]) -> bool:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            check()
    except AssertionError:
        return False
    return True


PEERS: Mapping[str, Peer] = {
    "gradcheck, slow": gradcheck_slow,
    "gradcheck, fast": gradcheck_fast,
    "jax check_grads": jax_check_grads,
    "autograd check_grads": autograd_check_grads,
    "scipy check_grad < 1e-6": scipy_check_grad,
    "CS231n < 1e-7": course_check,
}
