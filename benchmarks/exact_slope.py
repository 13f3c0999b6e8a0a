"""The slope of a network's loss along a line, to 50 digits: dual numbers over mpmath; no float of NumPy takes part."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.engines import loss_of
from verifier.contracts.mlp.claims import Claims
from verifier.problems.program import Problem

mpmath = import_module("mpmath")  # an extra, and untyped
DIGITS = 50


class Dual:
    """value + slope·t, forgetting t²; both of mpmath."""

    __slots__ = ("slope", "value")

    def __init__(self, value: Any, slope: Any = 0) -> None:
        self.value, self.slope = value, slope

    def __add__(self, other: Any) -> "Dual":
        other = dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Any) -> "Dual":
        other = dual(other)
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)

    def __truediv__(self, other: Any) -> "Dual":
        other = dual(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.slope - quotient * other.slope) / other.value)

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> "Dual":
        return self + -dual(other)

    def __rsub__(self, other: Any) -> "Dual":
        return dual(other) - self

    def __rtruediv__(self, other: Any) -> "Dual":
        return dual(other) / self

    def __pow__(self, exponent: int) -> "Dual":
        return Dual(self.value**exponent, exponent * self.value ** (exponent - 1) * self.slope)

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > dual(other).value)

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= dual(other).value)

    __radd__, __rmul__ = __add__, __mul__


def dual(number: Any) -> Dual:
    """A number as it is, without a slope."""
    return number if isinstance(number, Dual) else Dual(mpmath.mpf(float(number)))


class DualOps:
    """NumPy's names for arrays of dual numbers."""

    def __init__(self) -> None:
        def each(function: Any) -> Any:
            return np.frompyfunc(function, 1, 1)

        self.exp = each(lambda z: _chain(z, mpmath.exp(z.value), mpmath.exp(z.value)))
        self.log = each(lambda z: _chain(z, mpmath.log(z.value), 1 / z.value))
        self.tanh = each(lambda z: _chain(z, mpmath.tanh(z.value), 1 - mpmath.tanh(z.value) ** 2))
        self.sum = np.sum
        self.where: Any = np.where

    def maximum(self, value: Any, bound: float) -> Any:
        return self.where(value > bound, value, dual(bound))

    def minimum(self, value: Any, bound: float) -> Any:
        return self.where(value > bound, dual(bound), value)

    def max(self, value: Any, axis: int, keepdims: bool) -> Any:
        return np.max(value, axis=axis, keepdims=keepdims)


def _chain(z: Dual, value: Any, derivative: Any) -> Dual:
    return Dual(value, derivative * z.slope)


def exact_slope(problem: Problem, claims: Claims, direction: Mapping[str, Any]) -> Any:
    """d loss(θ + t·v)/dt at t = 0, an mpmath number of 50 digits."""
    with mpmath.workdps(DIGITS):
        values = {name: _dual_array(array, direction.get(name)) for name, array in problem.arrays.items()}
        return loss_of(DualOps(), problem, claims, values).slope


def _dual_array(array: Any, along: Any) -> Any:
    slopes = np.zeros(array.shape) if along is None else np.asarray(along)
    pairs = zip(array.ravel().tolist(), slopes.ravel().tolist(), strict=True)
    result = np.empty(array.size, dtype=object)
    result[:] = [Dual(mpmath.mpf(value), mpmath.mpf(slope)) for value, slope in pairs]
    return result.reshape(array.shape)
