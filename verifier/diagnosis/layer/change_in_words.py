"""A change of an operation as the end of a sentence, with the operation's own text and line."""

import ast
from collections.abc import Sequence
from typing import Any

from verifier.checks.layer.asking import LayerAsking
from verifier.checks.layer.otherwise import Change

LONGEST = 80  # characters of a text that is quoted
PARSED = 400  # of one that is read for its operands


def in_words(change: Change, times: str | None, asking: LayerAsking) -> str:
    """What a gradient lacks, or has instead; "" where the place cannot be read. `times`: what the share has; "" where it is missing."""
    kind, site, *how = change
    if times is None:
        return ""
    if kind == "axes":
        return f"takes means or variances over the axes {_axes(how[1])}, which the forward pass takes over {_axes(how[0])}"
    text, line = _text(site, asking)
    if not text:
        return ""
    at, quoted = f" (line {line})", f"`{_short(text)}`"
    if kind == "hold":
        operand = "" if how[0] < 0 else _operand(text, int(how[0]))
        if how[0] >= 0 and not operand:
            operand = "its second operand" if how[0] else "its first operand"
        what = f"what comes back through {f'{operand} in ' if operand else ''}{quoted}{at}"
        return f"has {what} {times}" if times else f"lacks {what}"
    if kind in ("derivative", "call", "between"):
        if how[-1] == "one":
            return f"lacks the derivative of {quoted}{at}"
        return f"has {'1 - ' if how[-1] == 'complement' else ''}{quoted} where its derivative belongs{at}"
    if kind == "once":
        return f"counts once what {quoted} picks several times{at}: add them up (np.add.at)"
    if kind == "unselected":
        return f"gives to all elements what belongs to those that {quoted} chooses{at}"
    other, by = _operand(text, int(how[1])) or ("the second factor" if how[1] else "the first factor"), how[2]
    everywhere = " and wherever else it is a factor" if kind == "factors" else ""
    if by[0] == "ones" and "divide" in site[1]:
        return f"lacks the division by {other} in {quoted}{at}{everywhere}"
    if by[0] == "ones":
        return f"lacks the factor {other} of {quoted}{at}{everywhere}"
    instead = _instead(by, other, asking)
    return f"has {instead} where {other} belongs, in {quoted}{at}{everywhere}" if instead else ""


def _instead(by: Sequence[Any], factor: str, asking: LayerAsking) -> str:
    kind, *rest = by
    if kind == "array":
        return f"`{rest[0]}`"
    if kind == "classes":
        return f"the classes of {rest[0]} alone (one-hot)"
    if kind == "made":
        text, line = _text(rest[0], asking)
        return f"`{_short(text)}` (line {line})" if text else ""
    return {
        "flip": f"{factor} turned over along {'axis' if len(rest[0]) == 1 else 'axes'} {_axes(rest[0])}" if kind == "flip" else "",
        "negative": f"-{factor}",
        "shift": f"{factor} one place off",
        "swap": f"{factor} transposed",
        "complement": f"1 - {factor}",
        "square": f"the square of {factor}",
        "inverse": f"the inverse of {factor}",
    }.get(kind, "")


def _axes(axes: Sequence[int]) -> str:
    return ", ".join(str(axis) for axis in axes)


def _text(site: Any, asking: LayerAsking) -> tuple[str, int]:
    """The text of a site's innermost place and its line."""
    try:
        place = site[0][0]
        return asking.passage(place), int(place[1])
    except (IndexError, TypeError, ValueError):
        return "", 0


def _short(text: str) -> str:
    """For one line, within backquotes: whatever else a source may hold."""
    plain = "".join(letter if letter.isprintable() and letter != "`" else "'" for letter in text)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _operand(text: str, index: int) -> str:
    """The text of an operation's operand, in quotes, or "": a text this short is safe to parse."""
    if len(text) > PARSED:
        return ""
    try:
        statement = ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        return ""
    node: ast.AST = statement.value if isinstance(statement, ast.Expr) else statement
    if isinstance(node, ast.AugAssign):
        parts: list[ast.AST] = [node.target, node.value]
    elif isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call):
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        method = owner is not None and not (isinstance(owner, ast.Name) and owner.id in ("np", "numpy"))
        parts = [*([owner] if method and owner is not None else []), *(one for one in node.args if not isinstance(one, ast.Constant))]
    else:
        return ""
    return f"`{_short(ast.unparse(parts[index]))}`" if index < len(parts) else ""
