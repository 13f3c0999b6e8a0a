"""Shapes in named sizes, as people write them, and sizes drawn for them: "N C *", "4*H L+1", "int<C> N".

One grammar for the layers' manifests and for `assert_gradients`. An expression is arithmetic, comparisons, `and`, `or`, `not` and `in`
over names, numbers, texts and lists. It is read with `ast` and worked out by functions of ours, one for each kind of node: nothing that
somebody wrote is executed.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

ANY = "*"  # in a shape: any number of dimensions, none too
REAL = "real"  # numbers that are not differentiated
KINDS = (REAL, "positive", "prob", "int", "bool")
SPAN = (1, 6)  # sizes where nothing is said
ATTEMPTS = 400  # at sizes that meet what is required
LONGEST = 200  # characters of an expression
LARGEST_POWER = 64.0

Values = Mapping[str, Any]
"""Sizes and options by name."""


class GrammarError(ValueError):
    """What somebody wrote cannot be read; the text quotes it and says what is allowed."""


@dataclass(frozen=True)
class Expression:
    """Arithmetic or a condition over sizes and options.

    Attributes:
        text: as it was written.
        names: the sizes and options in it, in the order in which they occur.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    @cached_property
    def _work(self) -> Callable[[Values], Any]:
        return _worker(self._tree)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is put together again when it is needed: functions do not go to another process."""
        return {name: value for name, value in vars(self).items() if name != "_work"}

    def value(self, values: Values) -> Any:
        """Its value; GrammarError where a name has none, or where it cannot be worked out (a division by zero)."""
        try:
            return self._work(values)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise GrammarError(f'"{self.text}" cannot be worked out with {_listed(self.names, values)}: {error}') from None


@dataclass(frozen=True)
class Shape:
    """A tensor's shape in named sizes.

    Attributes:
        text: as it was written.
        kind: "real", "positive", "prob", "int" or "bool" where it stands before the sizes, else None.
        below: of an "int": what its elements stay below.
        dimensions: an expression for each, or `ANY`, at most once.
        constant: whether no gradient of it is claimed: "real N", or "real positive N" where it has another kind too.
    """

    text: str
    kind: str | None
    below: Expression | None
    dimensions: tuple[Expression | str, ...]
    constant: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The sizes and options in it, `below` included, each once."""
        parts = [part for part in (self.below, *self.dimensions) if isinstance(part, Expression)]
        return tuple(dict.fromkeys(name for part in parts for name in part.names))

    @property
    def any_rank(self) -> bool:
        """Whether the shape has a `*`."""
        return ANY in self.dimensions

    def of(self, values: Values, rest: Sequence[int] = ()) -> tuple[int, ...]:
        """The shape with these sizes, `rest` standing for `*`. GrammarError where a dimension is negative or no whole number."""
        found: list[int] = []
        for dimension in self.dimensions:
            if isinstance(dimension, str):
                found.extend(rest)
                continue
            size = dimension.value(values)
            if isinstance(size, float) and size.is_integer():
                size = int(size)
            if isinstance(size, bool) or not isinstance(size, int) or size < 0:
                raise GrammarError(f'"{dimension.text}" is {size} with {_listed(dimension.names, values)}; a size is a whole number.')
            found.append(size)
        return tuple(found)


@dataclass(frozen=True)
class Allowed:
    """What a size or an option may be: an inclusive range, or one of a list."""

    low: int = 1
    high: int | None = None
    listed: tuple[Any, ...] | None = None

    def admits(self, value: Any) -> bool:
        """Whether a size or option may have this value."""
        if self.listed is not None:
            return value in self.listed
        return bool(value >= self.low and (self.high is None or value <= self.high))

    def within(self, low: int, high: int) -> list[int]:
        """The values between these two that are allowed; where there is none, the nearest one."""
        if self.listed is not None:
            inside = [value for value in self.listed if low <= value <= high]
            return inside or [min(self.listed, key=lambda value: abs(value - low))]
        upper = high if self.high is None else min(high, self.high)
        inside = list(range(max(low, self.low), upper + 1))
        return inside or [self.low if high < self.low else int(upper)]


def allowed(given: Any) -> Allowed:
    """One number is fixed, two are an inclusive range, three or more a list."""
    if isinstance(given, int) and not isinstance(given, bool):
        return Allowed(listed=(given,))
    numbers = list(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else []
    if not numbers or not all(isinstance(one, int) and not isinstance(one, bool) for one in numbers):
        raise GrammarError(f"{given!r} says no size: one whole number is fixed, two are an inclusive range, three or more a list.")
    if len(numbers) != 2:
        return Allowed(listed=tuple(numbers))
    if numbers[0] > numbers[1]:
        raise GrammarError(f"{given!r} is an empty range: the first number is above the second.")
    return Allowed(low=numbers[0], high=numbers[1])


def parse_expression(text: str) -> Expression:
    """Arithmetic or a condition over names. GrammarError quotes what is not allowed."""
    if len(text) > LONGEST:
        raise GrammarError(f'"{text[:40]}…" is longer than {LONGEST} characters.')
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise GrammarError(f'"{text}" is no expression in sizes, such as N, 4*H or L+1.') from None
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    _refuse_what_is_not_arithmetic(tree, text)
    ordered = dict.fromkeys(node.id for node in sorted(names, key=lambda node: node.col_offset))
    return Expression(text.strip(), tuple(ordered), tree)


def parse_shape(text: str) -> Shape:
    """A shape: an optional kind, then a size for each dimension: "N D", "int<C> N", "prob N C", "4*H", "L+1", "N C *", "" (one number)."""
    words = _words(text)
    kind: str | None = None
    below = None
    constant = words[:1] == [REAL]
    if words[:2] in ([REAL, "positive"], [REAL, "prob"]):
        words.pop(0)
    if words and words[0].split("<")[0] in KINDS:
        kind, bound = _kind(words.pop(0), text)
        below = parse_expression(bound) if bound else None
    if words.count(ANY) > 1:
        raise GrammarError(f'"{text}": * stands for any number of dimensions, so it can stand there only once.')
    return Shape(text, kind, below, tuple(word if word == ANY else parse_expression(word) for word in words), constant)


def sizes_of(shapes: Mapping[str, Shape], actual: Mapping[str, Sequence[int]], given: Values) -> tuple[dict[str, int], tuple[int, ...]]:
    """The named sizes that actual tensors show, and the dimensions for which `*` stands.

    Args:
        shapes, actual: by tensor; a tensor without an actual shape says nothing.
        given: values that are known already: options, fixed sizes.
    Raises:
        GrammarError: two tensors contradict each other, a rank is another one, or nothing shows a size.
    """
    found: dict[str, int] = {}
    rest: tuple[int, ...] | None = None
    pending: list[tuple[str, Expression, int]] = []
    for name, shape in shapes.items():
        if name in actual:
            dimensions, between = _aligned(name, shape, tuple(actual[name]))
            pending += [(name, dimension, size) for dimension, size in dimensions]
            if between is not None and rest is not None and between != rest:
                raise GrammarError(f"{name}: * stands for {between} here and for {rest} elsewhere.")
            rest = rest if between is None else between
    _solve(pending, found, given)
    unknown = sorted({name for shape in shapes.values() for name in shape.names} - found.keys() - given.keys())
    if unknown:
        raise GrammarError(f"the examples do not show how large {', '.join(unknown)} is: say it with sizes=.")
    return found, rest or ()


def draw_sizes(
    names: Sequence[str],
    limits: Mapping[str, Allowed],
    generator: np.random.Generator,
    *,
    span: tuple[int, int] = SPAN,
    unequal: bool = True,
    fits: Callable[[dict[str, int]], bool] = lambda _: True,
) -> dict[str, int] | None:
    """A size for each name, within `span` where its limits allow that; None where none of 400 attempts fits.

    Args:
        unequal: no two sizes alike, as far as the limits let them differ: equal sizes hide a transposed matrix.
        fits: whether sizes meet what is required of them.
    """
    choices = {name: limits.get(name, Allowed()).within(*span) for name in names}
    for attempt in range(ATTEMPTS):
        differing = unequal and attempt < ATTEMPTS // 2
        drawn: dict[str, int] = {}
        for name, among in choices.items():
            among = (differing and [one for one in among if one not in drawn.values()]) or among
            drawn[name] = int(among[int(generator.integers(len(among)))])  # as generator.choice draws, at a fifth of its cost
        if fits(drawn):
            return drawn
    return None


def meets(requirements: Sequence[Expression], values: Values) -> bool:
    """Whether all of these conditions hold; one that cannot be worked out does not."""
    try:
        return all(bool(one.value(values)) for one in requirements)
    except GrammarError:
        return False


def _words(text: str) -> list[str]:
    """Split at spaces, but not inside brackets; an operator with spaces around it belongs to both of its sides."""
    words: list[str] = []
    depth, current = 0, ""
    for character in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character.isspace() and depth == 0:
            words += [current] if current else []
            current = ""
        else:
            current += character
    return words + ([current] if current else [])


def _kind(word: str, text: str) -> tuple[str, str]:
    kind, _, bound = word.partition("<")
    if (kind == "int") != bool(bound) or (bound and (not bound.endswith(">") or len(bound) == 1)):
        raise GrammarError(f'"{text}": whole numbers say what they stay below, as in int<C> N; other kinds do not.')
    return kind, bound[:-1]


def _aligned(name: str, shape: Shape, actual: tuple[int, ...]) -> tuple[list[tuple[Expression, int]], tuple[int, ...] | None]:
    """The dimensions beside the sizes that they have, and what `*` stands for."""
    fixed = [one for one in shape.dimensions if isinstance(one, Expression)]
    if len(actual) < len(fixed) or (len(actual) > len(fixed) and not shape.any_rank):
        raise GrammarError(f'{name} has shape {actual}, which is not "{shape.text}".')
    if not shape.any_rank:
        return list(zip(fixed, actual, strict=True)), None
    before = shape.dimensions.index(ANY)
    after = len(fixed) - before
    ends = actual[:before] + (actual[len(actual) - after :] if after else ())
    return list(zip(fixed, ends, strict=True)), actual[before : len(actual) - after]


def _solve(pending: list[tuple[str, Expression, int]], found: dict[str, int], given: Values) -> None:
    """Work out one name after another from dimensions in which it is the only unknown, and hold all others against what was found."""
    while pending:
        known = {**given, **found}
        ready = [one for one in pending if len([name for name in one[1].names if name not in known]) <= 1]
        if not ready:
            return
        name, dimension, size = min(ready, key=lambda one: len(one[1].names))
        pending.remove((name, dimension, size))
        unknown = [one for one in dimension.names if one not in known]
        if unknown:
            fitting = [one for one in range(2 * size + 65) if _is(dimension, {**known, unknown[0]: one}, size)]
            if fitting:
                found[unknown[0]] = fitting[0]
                continue
        if unknown or not _is(dimension, known, size):
            raise GrammarError(f'{name} has a dimension of {size} where "{dimension.text}" stands{_with(dimension.names, known)}.')


def _is(dimension: Expression, values: Values, size: int) -> bool:
    try:
        return bool(dimension.value(values) == size)
    except GrammarError:
        return False


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, power: _power(base, power),
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}
_CALLS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs, "len": len}


def _refuse_what_is_not_arithmetic(tree: ast.expr, text: str) -> None:
    known = (*_BINARY, *_COMPARE, *_UNARY, ast.And, ast.Or, ast.Load)
    plain = (ast.Name, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Constant)
    for node in ast.walk(tree):
        if isinstance(node, (*known, *plain)):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS and not node.keywords:
            continue
        part = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
        raise GrammarError(f'"{text}": {part} is not allowed; names, numbers, arithmetic, comparisons, min, max, abs and len are.')


def _worker(node: ast.expr) -> Callable[[Values], Any]:
    """What works out an expression: functions of ours, put together once, since drawing sizes asks for its value thousands of times."""
    match node:
        case ast.Constant():
            constant = node.value
            return lambda values: constant
        case ast.Name():
            return partial(_looked_up, node.id)
        case ast.Tuple() | ast.List():
            parts = [_worker(one) for one in node.elts]
            return lambda values: [part(values) for part in parts]
        case ast.UnaryOp():
            unary, operand = _UNARY[type(node.op)], _worker(node.operand)
            return lambda values: unary(operand(values))
        case ast.BinOp():
            binary, left, right = _BINARY[type(node.op)], _worker(node.left), _worker(node.right)
            return lambda values: binary(left(values), right(values))
        case ast.BoolOp():
            return partial(_chained, isinstance(node.op, ast.Or), [_worker(one) for one in node.values])
        case ast.IfExp():
            test, body, otherwise = (_worker(one) for one in (node.test, node.body, node.orelse))
            return lambda values: body(values) if test(values) else otherwise(values)
        case ast.Compare(ops=[op]):
            compare, left, right = _COMPARE[type(op)], _worker(node.left), _worker(node.comparators[0])
            return lambda values: compare(left(values), right(values))
        case ast.Compare():
            sides = [_worker(one) for one in (node.left, *node.comparators)]
            return partial(_compared, [_COMPARE[type(op)] for op in node.ops], sides)
        case ast.Call(func=ast.Name(id=name)):
            called, arguments = _CALLS[name], [_worker(one) for one in node.args]
            return lambda values: called(*(argument(values) for argument in arguments))
    raise ValueError(f"{ast.unparse(node)} is not allowed")


def _looked_up(name: str, values: Values) -> Any:
    if name not in values:
        raise ValueError(f"{name} is no size and no option")
    return values[name]


def _chained(short: bool, parts: Sequence[Callable[[Values], Any]], values: Values) -> Any:
    """`or` where `short` is true, else `and`: the first part that settles it, or else the last."""
    found = None
    for part in parts:
        found = part(values)
        if bool(found) == short:
            return found
    return found


def _compared(ops: Sequence[Callable[[Any, Any], bool]], sides: Sequence[Callable[[Values], Any]], values: Values) -> bool:
    worked = [side(values) for side in sides]
    return all(op(one, two) for op, one, two in zip(ops, worked[:-1], worked[1:], strict=True))


def _power(base: Any, power: Any) -> Any:
    """A small one: 9**9**9 would be a long wait."""
    if abs(power) > LARGEST_POWER or abs(base) > 2.0**LARGEST_POWER:
        raise ValueError(f"{base}**{power} is too large")
    return base**power


def _listed(names: Sequence[str], values: Values) -> str:
    return ", ".join(f"{name} = {values[name]!r}" for name in names if name in values) or "no size at all"


def _with(names: Sequence[str], values: Values) -> str:
    known = [name for name in names if name in values]
    return f", with {_listed(known, values)}" if known else ""
