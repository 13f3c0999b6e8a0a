"""PyTorch's answers about the operations of layers, each asked once: what an earlier run kept needs no PyTorch.

An answer is known by the digest of its whole question: operation, arrays, values, cotangents, type. Nothing of a candidate is in one.
"""

import contextlib
import hashlib
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.oracles.steps import Stepped, follow
from verifier.problems.optimizers import Rule

Kept = list[Array] | None
Arrays = Mapping[str, Any]


class Answers:
    """Asks PyTorch what is not known yet.

    Args:
        kept: what an earlier run asked, by digest of the question.

    Attributes:
        known: all that was kept or asked; `fresh` says whether something new is among it.
    """

    def __init__(self, kept: Mapping[str, Kept] | None = None) -> None:
        self.known: dict[str, Kept] = dict(kept or {})
        self.fresh = False

    def prepare(self) -> None:
        """Begin to import PyTorch, which takes a second or two, while a worker is waited for; not where some is known."""
        if not self.known:
            threading.Thread(target=_import_references).start()

    def about(self, operation: str) -> tuple[tuple[str, ...], bool, bool] | None:
        """What its reference needs, whether it is settled, and whether it takes arrays as they lie; None where it has none."""

        def ask() -> Kept:
            from verifier.oracles.layer_operations.catalogue import REFERENCES

            found = REFERENCES.get(operation)
            if found is None:
                return None
            words = " ".join(found.needs).encode()
            return [np.frombuffer(words, np.uint8).copy(), np.array([found.settled, found.as_they_lie], np.uint8)]

        answer = self._known(ask, "about", operation)
        if answer is None:
            return None
        needs, flags = answer
        return tuple(needs.tobytes().decode().split()), bool(flags[0]), bool(flags[1])

    def outputs_of(self, operation: str, arrays: Arrays, values: Mapping[str, Any]) -> list[FloatArray] | None:
        """See `catalogue.outputs_of`."""

        def ask() -> Kept:
            from verifier.oracles.layer_operations import catalogue

            found = catalogue.outputs_of(operation, arrays, values)
            return None if found is None else list(found)

        return self._known(ask, "outputs", operation, arrays, values)

    def tolerances_of(self, operation: str, arrays: Arrays, values: Mapping[str, Any], *, dtype: str) -> list[FloatArray]:
        """See `catalogue.tolerances_of`."""

        def ask() -> Kept:
            from verifier.oracles.layer_operations import catalogue

            return list(catalogue.tolerances_of(operation, arrays, values, dtype=dtype))

        return self._known(ask, "tolerances", operation, arrays, values, dtype) or []

    def gradients_of(
        self, operation: str, arrays: Arrays, values: Mapping[str, Any], cotangents: Sequence[FloatArray], names: Sequence[str]
    ) -> Mapping[str, FloatArray] | None:
        """See `catalogue.gradients_of`."""

        def ask() -> Kept:
            from verifier.oracles.layer_operations import catalogue

            found = catalogue.gradients_of(operation, arrays, values, cotangents, names)
            return None if found is None else [found[name] for name in names]

        answer = self._known(ask, "gradients", operation, arrays, values, list(cotangents), list(names))
        return None if answer is None else dict(zip(names, answer, strict=True))

    def gradients_with_tolerances(
        self, operation: str, arrays: Arrays, values: Mapping[str, Any], cotangents: Sequence[FloatArray], names: Sequence[str], dtype: str
    ) -> Mapping[str, tuple[FloatArray, FloatArray]] | None:
        """See `catalogue.gradients_with_tolerances`."""

        def ask() -> Kept:
            from verifier.oracles.layer_operations import catalogue

            found = catalogue.gradients_with_tolerances(operation, arrays, values, cotangents, names, dtype=dtype)
            return None if found is None else [one for name in names for one in found[name]]

        answer = self._known(ask, "tolerances of gradients", operation, arrays, values, list(cotangents), list(names), dtype)
        return None if answer is None else {name: (answer[2 * at], answer[2 * at + 1]) for at, name in enumerate(names)}

    def path_of(self, rule: Rule, start: Arrays, gradients: Sequence[Arrays]) -> tuple[Stepped, ...]:
        """The path of an optimiser by `oracles.steps.follow`."""
        names = sorted(start)

        def ask() -> Kept:
            return [part[name] for one in follow(rule, start, gradients) for part in (one.parameters, one.scatter) for name in names]

        answer = self._known(ask, "path", rule.name, dict(rule.options), start, list(gradients)) or []
        rows = [dict(zip(names, answer[at : at + len(names)], strict=True)) for at in range(0, len(answer), len(names))]
        return tuple(Stepped(parameters, scatter) for parameters, scatter in zip(rows[::2], rows[1::2], strict=True))

    def _known(self, ask: Callable[[], Kept], *question: Any) -> Kept:
        digest = hashlib.sha256()
        _feed(digest, question)
        key = digest.hexdigest()[:40]
        if key not in self.known:
            self.known[key] = ask()
            self.fresh = True
        return self.known[key]


def _import_references() -> None:
    """Whoever asks first waits for it, and hears what it raises; here nobody does."""
    with contextlib.suppress(Exception):
        importlib.import_module("verifier.oracles.layer_operations.catalogue")


def _feed(digest: Any, value: Any) -> None:
    """All of a question, with where its parts begin."""
    if isinstance(value, str | int | float):
        _feed_plain(digest, value)  # most parts are: asked first, since whether something is a Mapping takes longer to tell
    elif isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.str} {value.shape} ".encode())
        digest.update(value.tobytes())
    elif isinstance(value, Mapping):
        digest.update(b"mapping %d " % len(value))
        for key in sorted(value, key=str):
            _feed_plain(digest, str(key))
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        digest.update(b"list %d " % len(value))
        for one in value:
            _feed(digest, one)
    else:
        _feed_plain(digest, value)


def _feed_plain(digest: Any, value: Any) -> None:
    written = repr(value)
    digest.update(f"{type(value).__name__} {len(written)} {written} ".encode())
