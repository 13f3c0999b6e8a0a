"""Statements of a manifest, run beside the candidate over named values that stay here: objects and caches never travel.

A request names actions, done in order: "program" compiles the statements (the referee read them as text and let only assignments and calls
through), "pass" begins a fresh namespace and runs `setup` and `forward` in it, "backward" runs `backward` there, "points" runs `setup` and
`forward` at many points along a line, each from the start, "changed" does so with one of forward's operations changed. NumPy's global
generator is seeded before each pass, so that a mask is the same at every point. What is asked for comes back as arrays; all else stays.
"""

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from itertools import product
from math import prod
from time import process_time
from types import CodeType
from typing import Any

import numpy as np
from numpy import array as stacked
from numpy import (
    ascontiguousarray,
    asfortranarray,
    broadcast_to,
    concatenate,
    errstate,
    finfo,
    zeros,
)  # by name: a candidate may replace them
from numpy.random import seed as seed_numpy
from numpy.typing import NDArray

from verifier.coarser import Seen, coarse
from verifier.worker.conversion import Basket, Refused, to_array
from verifier.worker.loading import TEXT, Candidate, describe_raised, printable
from verifier.worker.probing import Pass, making, probed
from verifier.worker.proposing import change_of, proposals

Array = NDArray[Any]
Namespace = dict[str, Any]
Passing = Generator[tuple[Namespace, bool], Namespace | None, dict[str, Any]]
"""Yields arrays, and whether forward may raise there, and is sent the names after it, or None where it raised."""
PHASES = ("setup", "forward", "backward")
PREFIXES = ("", "d", "d_", "grad_")  # of a gradient's key in a mapping
SECONDS = 2.0  # of processor time that passes with changed operations may take at once
DEEPEST = 6  # of the values below a cache whose bytes are compared


class StatementError(Exception):
    """A statement raised; `phase` and `line` say which, the cause is what it raised."""

    def __init__(self, phase: str, line: int) -> None:
        super().__init__(phase)
        self.phase, self.line = phase, line


@dataclass
class Statements:
    """Runs the statements of one layer at a time. A candidate's exception is part of the answer, never raised."""

    candidate: Candidate
    program: dict[str, list[CodeType]] = field(default_factory=dict)
    mapping: CodeType | None = None
    imported: Namespace = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    constants: Namespace = field(default_factory=dict)
    seed: int = 0
    space: Namespace = field(default_factory=dict)

    def answer(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """The answer to one action: what was asked for, or what was raised or refused, with the phase in which it was."""
        act: Callable[..., dict[str, Any] | Passing] = getattr(self, f"_{action['do']}")
        try:
            answer = act(action, basket, arrays)
            return answer if isinstance(answer, dict) else self._passed(answer)
        except StatementError as error:
            cause = error.__cause__ or error
            return {"raised": describe_raised(cause, self.candidate.origin), "phase": error.phase, "line": error.line}
        except Refused as refused:
            return {"refused": printable(str(refused), TEXT), "phase": str(action["do"])}
        except BaseException as error:  # what a value does when it is looked at is the candidate's too
            return {"raised": describe_raised(error, self.candidate.origin), "phase": str(action["do"]), "line": 0}

    def _passed(self, passing: Passing) -> dict[str, Any]:
        """Run setup and forward from here alone: a pass and a point of a line have the same frames around them."""
        space: Namespace | None = None
        while True:
            try:
                arrays, may_raise = passing.send(space)
            except StopIteration as ended:
                answer: dict[str, Any] = ended.value
                return answer
            try:
                space = self._run_forward(arrays)
            except StatementError:
                if not may_raise:
                    raise
                space = None

    def _program(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> dict[str, Any]:
        self.program = {phase: [_compiled(text, phase) for text in action.get(phase, ())] for phase in (*PHASES, "once", "step")}
        self.mapping = _compiled(action["gradients"], "gradients", "eval") if action.get("gradients") else None
        self.imported = {}
        holder = self.candidate.holder
        self.imported = _execute("imports", [_compiled(text, "imports") for text in action.get("imports", ())], dict(vars(holder)))
        return {"values": {}}

    def _pass(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> Passing:
        """Setup and forward from the start; the values of `outputs` come back, those that are no real arrays as null."""
        if "arrays" in action:
            self.arrays = {name: arrays[key] for name, key in action["arrays"].items()}
            self.constants = dict(action.get("constants", {}))
            self.seed = int(action.get("seed", 0))
        given = {name: array.copy() for name, array in self.arrays.items()}
        space = yield given, False
        assert space is not None
        self.space = space
        values = {name: _leaf(self.space.get(name), name, basket) for name in action["outputs"]}
        changed = [name for name, array in given.items() if not _same_bytes(array, self.arrays[name])]
        return {"values": values, "changed": changed}

    def _backward(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """Backward after the last pass, with these cotangents; the gradients as copies, and what it changed."""
        given = {}
        for name, cotangent in action.get("cotangents", {}).items():
            given[name] = laid_out(_shaped(arrays[cotangent["values"]], self.space[cotangent["of"]], name), cotangent.get("layout", "C"))
        kept = {name: array.copy() for name, array in given.items()}
        before = self._digests(action.get("watched", ()))
        self.space.update(given)
        _execute("backward", self.program["backward"], self.space)
        values = {name: self._gradient(name, key, basket) for name, key in action["gradients"].items()}
        changed = [name for name, array in given.items() if not _same_bytes(array, kept[name])]
        after = self._digests(action.get("watched", ()))
        changed += [name for name, digest in before.items() if digest != after[name]]
        return {"values": values, "changed": changed}

    def _points(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> Passing:
        """Outputs at points along a line: one row a point, the outputs one after another; or projected on cotangents, a number a point.

        A point at which forward raises, or gives outputs of another size, is a row of NaN. "coarse" gives arrays whose results have half of
        their digits, and "met" says how many there were, and whether one was narrower than what went in.
        """
        narrow = np.dtype(action.get("dtype", "float64"))
        rays = {name: arrays[key].astype(np.float64) for name, key in action["directions"].items()}
        cotangents = {name: arrays[key] for name, key in action.get("cotangents", {}).items()}
        rows: list[Array | None] = []
        met = Seen(max((float(finfo(array.dtype).eps) for array in self.arrays.values() if array.dtype.kind == "f"), default=0.0))
        for step in arrays[action["steps"]]:
            moved = {name: array.copy() for name, array in self.arrays.items()}
            for name, along in rays.items():
                start = self.arrays[name]
                moved[name] = stacked(start.astype(np.float64) + step * along).astype(narrow).astype(start.dtype)
            if action.get("coarse"):
                moved = {name: coarse(array, met) if array.dtype.kind == "f" else array for name, array in moved.items()}
            space = yield moved, True  # beyond its domain, perhaps: the referee leaves the point out
            rows.append(None if space is None else _outputs_in(space, action["outputs"], cotangents))
        there = next((row for row in rows if row is not None), zeros(()))
        kept = [zeros(there.shape) + np.nan if row is None or row.shape != there.shape else row for row in rows]
        reply = {"values": {"points": basket.add(stacked(kept, dtype=np.float64))}}
        return {**reply, "met": {"results": met.results, "narrow": met.narrow}} if action.get("coarse") else reply

    def _changes(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> Passing:
        """Which operations of the last pass's forward may be changed, and how: see `probing`."""
        base = yield from self._recorded()
        return {"values": {}, "changes": proposals(base), "events": len(base.events)}

    def _changed(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> Passing:
        """Projected outputs with one operation changed: for each change, direction and step a number, NaN where it cannot be."""
        base = yield from self._recorded()
        cotangents = {name: arrays[key] for name, key in action["cotangents"].items()}
        rays = [{name: arrays[key] for name, key in named.items()} for named in action["directions"]]
        steps = arrays[action["steps"]].tolist()
        found = zeros((len(action["changes"]), len(rays), len(steps))) + np.nan
        until = process_time() + SECONDS
        for row, said in enumerate(action["changes"]):
            change = change_of(said)
            if process_time() > until:  # a hint is not worth the time limit of a worker
                raise Refused("takes too long to be asked so often")
            for column, place in product(range(len(rays)), range(len(steps))):
                doing = Pass(base.owns, base, change, self.arrays)
                with making(doing):
                    space = yield self._probed(doing, rays[column], steps[place]), True
                if space is None:
                    break  # whatever it raised, it raises it along the whole line
                found[row, column, place] = _outputs_in(space, action["outputs"], cotangents)
        return {"values": {"points": basket.add(found)}}

    def _recorded(self) -> Generator[tuple[Namespace, bool], Namespace | None, Pass]:
        base = Pass(cache(self.candidate.origin.owns), inputs=self.arrays)
        with making(base):
            space = yield self._probed(base, {}, 0.0), True
        if space is None:
            raise Refused("goes another way where it is watched")
        return base

    def _probed(self, doing: Pass, directions: Mapping[str, Array], step: float) -> Namespace:
        moved = {name: array.copy() for name, array in self.arrays.items()}
        for name, along in directions.items():
            moved[name] = moved[name] + step * along
        return {name: probed(array, doing) if array.dtype.kind == "f" else array for name, array in moved.items()}

    def _walk(self, action: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """A path of an optimiser: `once` runs before it, `step` at each point with that point's gradients; `carried` is the path's value.

        Comes back: by carried name its value after each step, stacked on a first axis.
        """
        defaults = dict(action.get("defaults", {}))  # a function of the candidate's may be called as an option is: momentum
        space = defaults | self._fresh(
            {name: arrays[key].copy() for name, key in action["arrays"].items()}, dict(action.get("constants", {}))
        )
        _execute("setup", self.program["once"], space)
        gradients = {name: arrays[key] for name, key in action["gradients"].items()}
        schedule = {name: arrays[key] for name, key in action.get("schedule", {}).items()}
        path: dict[str, list[Array]] = {name: [] for name in action["carried"]}
        for index in range(int(action["steps"])):
            for name, rows in gradients.items():
                space[name] = rows[index].copy()
            for name, rows in schedule.items():
                space[name] = float(rows[index])
            _execute("step", self.program["step"], space)
            for name, source in action["carried"].items():
                value = _real(space.get(source), source).astype(np.float64)
                path[name].append(value.copy())
                space[name] = space[source]
        return {"values": {name: basket.add(stacked(values)) for name, values in path.items()}}

    def _run_forward(self, arrays: Namespace) -> Namespace:
        space = self._fresh(arrays, self.constants)
        with errstate(all="ignore"):
            _execute("setup", self.program["setup"], space)
            return _execute("forward", self.program["forward"], space)

    def _fresh(self, arrays: Namespace, constants: Mapping[str, Any]) -> Namespace:
        """The candidate's names, what the manifest imports, sizes and options, and the arrays, in this order of increasing right."""
        seed_numpy(self.seed)
        random.seed(self.seed)
        # Options that are dictionaries or lists are new in each pass: running averages are kept in them.
        own = {name: deepcopy(value) if isinstance(value, dict | list) else value for name, value in constants.items()}
        return {"np": np, **self.imported, **own, **arrays}

    def _gradient(self, name: str, key: str, basket: Basket) -> Any:
        if self.mapping is None:
            return _leaf(self.space.get(key), key, basket, strict=True)
        found = eval(self.mapping, self.space)  # an expression that the referee let through, over the candidate's own values
        for prefix in PREFIXES:
            if isinstance(found, Mapping) and prefix + name in found:
                return _leaf(found[prefix + name], name, basket, strict=True)
        beside = next((prefix + name for prefix in PREFIXES if prefix and prefix + name in self.space), None)
        return None if beside is None else _leaf(self.space[beside], beside, basket, strict=True)

    def _digests(self, names: Sequence[str]) -> dict[str, bytes]:
        """Of the bytes of every array that is reached from these values by tuples, lists and dictionaries."""
        return {name: _digest(self.space.get(name)) for name in names}


@cache
def _compiled(text: str, phase: str, mode: str = "exec") -> CodeType:
    """A statement of the manifest; every problem brings the same ones."""
    code: CodeType = compile(text, f"<{phase}>", mode)
    return code


def _execute(phase: str, code: Sequence[CodeType], space: Namespace) -> Namespace:
    for line, statement in enumerate(code, 1):
        try:
            exec(statement, space)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a candidate's to raise, not ours to obey
            raise StatementError(phase, line) from error
    return space


def _outputs_in(space: Namespace, names: Sequence[str], cotangents: Mapping[str, Array]) -> Array:
    outputs = [stacked(_real(space.get(name), name), dtype=np.float64).ravel() for name in names]
    return _projected(outputs, [cotangents[name] for name in names]) if cotangents else concatenate(outputs)


def _real(value: Any, name: str) -> Array:
    if value is None:
        raise Refused(f"left {name} as None, expected an array or a number")
    return to_array(value, name)


def _leaf(value: Any, name: str, basket: Basket, *, strict: bool = False) -> Any:
    """The name of the value's array in the basket; None for None, and for what is no real array where that may be (a cache)."""
    if value is None:
        return None
    if not strict and not isinstance(value, np.ndarray | np.number | int | float | list):
        return None
    try:
        return basket.add(to_array(value, name))
    except Refused:
        if strict:
            raise
        return None


def _shaped(values: Array, output: Any, name: str) -> Array:
    """As many of the values as the output has elements, in its shape."""
    shape = np.shape(output)
    size = prod(shape)
    if size > values.size:
        raise Refused(f"needs {size} values for {name}")
    dtype = output.dtype if isinstance(output, np.ndarray) and output.dtype in (np.float32, np.float16) else np.float64
    return stacked(values[:size].reshape(shape), dtype=dtype)


def laid_out(array: Array, layout: str) -> Array:
    """The same numbers in another layout of memory: Fortran's order, every second element of a larger array, one row for all;
    or read-only."""
    if layout == "fortran":
        return asfortranarray(array)
    if layout == "strided" and array.ndim:
        wide = zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    if layout == "expanded" and array.ndim:
        return broadcast_to(array[:1], array.shape)
    return ascontiguousarray(array) if array.ndim else array


def _projected(outputs: Sequence[Array], cotangents: Sequence[Array]) -> Array:
    """Σ cotangent · output, in extended precision: the sum's own rounding must not be the noise."""
    total = np.longdouble(0)
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output.size > cotangent.size:
            raise Refused(f"needs {output.size} values for a cotangent")
        total = total + (cotangent[: output.size].astype(np.longdouble) * output).sum()
    return stacked(float(total))


def _same_bytes(one: Array, other: Array) -> bool:
    return bool(one.shape == other.shape and one.tobytes() == other.tobytes())


def _digest(value: Any) -> bytes:
    digest = blake2b(digest_size=16)
    for array in _arrays_below(value, DEEPEST):
        digest.update(array.tobytes())
    return digest.digest()


def _arrays_below(value: Any, depth: int) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "O":
            yield value
    elif depth and isinstance(value, tuple | list):
        for one in value:
            yield from _arrays_below(one, depth - 1)
    elif depth and isinstance(value, dict):
        for one in value.values():
            yield from _arrays_below(one, depth - 1)
