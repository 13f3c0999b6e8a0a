"""Ways in which right code adds up its products: they differ in the last bits only."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # of NumPy: einsum and many operators are typed so, and here stands what a candidate's author writes


class Sums:
    """The three products and the two sums of backpropagation, samples in rows: the plain one, by matrix products."""

    def layer(self, activation: Array, weights: Array) -> Array:
        """W a, (batch, out)."""
        return activation @ weights.T

    def back(self, delta: Array, weights: Array) -> Array:
        """Wᵀ δ, (batch, in)."""
        return delta @ weights

    def outer(self, delta: Array, activation: Array) -> Array:
        """Σ δ aᵀ over the batch, (out, in)."""
        return delta.T @ activation

    def over_batch(self, delta: Array) -> Array:
        """Σ δ over the batch, (out,)."""
        return delta.sum(axis=0)

    def total(self, terms: Array) -> float:
        """Σ of all terms, rounded to their type."""
        return float(terms.sum())


class Columns(Sums):
    """Samples in columns and weights (in, out): the same products of transposed, contiguous copies."""

    def layer(self, activation: Array, weights: Array) -> Array:
        return (np.ascontiguousarray(weights) @ np.ascontiguousarray(activation.T)).T

    def back(self, delta: Array, weights: Array) -> Array:
        return (np.ascontiguousarray(weights.T) @ np.ascontiguousarray(delta.T)).T

    def outer(self, delta: Array, activation: Array) -> Array:
        return (np.ascontiguousarray(activation.T) @ np.ascontiguousarray(delta)).T

    def over_batch(self, delta: Array) -> Array:
        return np.ascontiguousarray(delta.T).sum(axis=1)

    def total(self, terms: Array) -> float:
        return float(np.ascontiguousarray(terms.T).sum())


class Einsum(Sums):
    """einsum: one term after another."""

    def layer(self, activation: Array, weights: Array) -> Array:
        return np.einsum("oi,bi->bo", weights, activation)

    def back(self, delta: Array, weights: Array) -> Array:
        return np.einsum("bo,oi->bi", delta, weights)

    def outer(self, delta: Array, activation: Array) -> Array:
        return np.einsum("bo,bi->oi", delta, activation)


class Loop(Sums):
    """One sample after another, as outer products that are added up; the batch from the first to the last."""

    reverse = False

    def _order(self, count: int) -> range:
        return range(count)[::-1] if self.reverse else range(count)

    def layer(self, activation: Array, weights: Array) -> Array:
        result = np.zeros((len(activation), len(weights)), activation.dtype)
        for unit in self._order(weights.shape[1]):
            result += activation[:, unit, None] * weights[:, unit]
        return result

    def back(self, delta: Array, weights: Array) -> Array:
        result = np.zeros((len(delta), weights.shape[1]), delta.dtype)
        for unit in self._order(len(weights)):
            result += delta[:, unit, None] * weights[unit]
        return result

    def outer(self, delta: Array, activation: Array) -> Array:
        result = np.zeros((delta.shape[1], activation.shape[1]), delta.dtype)
        for sample in self._order(len(delta)):
            result += np.outer(delta[sample], activation[sample])
        return result

    def over_batch(self, delta: Array) -> Array:
        result = np.zeros(delta.shape[1], delta.dtype)
        for sample in self._order(len(delta)):
            result += delta[sample]
        return result

    def total(self, terms: Array) -> float:
        result = terms.dtype.type(0)
        for index in self._order(terms.size):
            result += terms.flat[index]
        return float(result)


class Reversed(Loop):
    """The same from the last to the first."""

    reverse = True


class Exact(Sums):
    """math.fsum: each sum is rounded once. In double precision, rounded to the type at the end."""

    def _product(self, left: Array, right: Array) -> Array:
        terms = left[:, None, :] * right[None, :, :]
        flat = terms.reshape(-1, terms.shape[-1])
        sums = np.array([math.fsum(row) for row in flat.tolist()], dtype=left.dtype)
        return sums.reshape(terms.shape[:2])

    def layer(self, activation: Array, weights: Array) -> Array:
        return self._product(activation, weights)

    def back(self, delta: Array, weights: Array) -> Array:
        return self._product(delta, weights.T)

    def outer(self, delta: Array, activation: Array) -> Array:
        return self._product(delta.T, activation.T)

    def over_batch(self, delta: Array) -> Array:
        return np.array([math.fsum(column) for column in delta.T.tolist()], dtype=delta.dtype)

    def total(self, terms: Array) -> float:
        return float(terms.dtype.type(math.fsum(terms.ravel().tolist())))


@dataclass(frozen=True)
class Named:
    """A way to sum and its name."""

    name: str
    sums: Sums


MATMUL, COLUMNS, EINSUM = Named("matmul", Sums()), Named("columns", Columns()), Named("einsum", Einsum())
LOOP, REVERSED, EXACT = Named("loop", Loop()), Named("reversed", Reversed()), Named("fsum", Exact())
