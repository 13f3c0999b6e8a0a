"""Statements as their author writes them, read as text: assignments and bare calls, and which names they read and give.

`setup`, `forward`, `backward` and `step` of a manifest are such lines. They are run in the worker, beside the candidate; here they are only
read (`ast`), so that names can be tied together, and what is more than a quoted call is refused with its column.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.contracts.keys import TableError, described, printable, shown

LONGEST = 4000  # characters of a statement
MOST = 100  # statements of one key
ALLOWED = "statements are assignments and calls over names, attributes, subscripts, slices, tuples, lists, tables, literals and arithmetic"
_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr)
_EXPRESSIONS = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Dict, ast.Constant, ast.Starred),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Call, ast.keyword),
)
_WORDS: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "def",
    ast.ClassDef: "class",
    ast.For: "a loop",
    ast.While: "a loop",
    ast.If: "if",
    ast.With: "with",
    ast.Try: "try",
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.NamedExpr: "an assignment within an expression (:=)",
    ast.Delete: "del",
    ast.Assert: "assert",
    ast.Raise: "raise",
    ast.Return: "return",
    ast.JoinedStr: "an f-string",
    ast.AnnAssign: "an annotation",
}


@dataclass(frozen=True)
class Script:
    """Some statements.

    Attributes:
        lines: their text, one entry each as the manifest has them.
        reads: the names that they read before they give them, in order.
        gives: the names that they assign, in order.
    """

    lines: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines)


def read_script(key: str, value: Any) -> Script:
    """The statements of one key: a line or a list of lines.

    Raises:
        TableError: something else stands there; it gives the column of the line, what stands there and what is allowed.
    """
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise TableError(key, f"is {described(value)}; it takes a line of Python, or a list of lines.")
    if len(lines) > MOST:
        raise TableError(key, f"has {len(lines)} lines; at most {MOST} are read.")
    kept = [line for line in lines if line.strip()]
    statements = [statement for line in kept for statement in _parsed(key, line, lines).body]
    reads: dict[str, None] = {}
    gives: dict[str, None] = {}
    for statement in statements:
        for name in _read_by(statement):
            if name not in gives:
                reads[name] = None
        gives |= dict.fromkeys(_given_by(statement))
    return Script(tuple(line.strip() for line in kept), tuple(reads), tuple(gives))


def read_expression(key: str, value: Any) -> str:
    """An expression over the candidate's values, such as ``grads`` or ``layer.gradients``. TableError as for statements."""
    if not isinstance(value, str) or not value.strip():
        raise TableError(key, f'is {described(value)}; it takes the name of a mapping, such as "grads" or "layer.gradients".')
    tree = _parsed(key, value, [value])
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise TableError(key, f'is {shown(value)}; it takes the name of a mapping, such as "grads" or "layer.gradients".')
    return value.strip()


def read_imports(key: str, value: Any) -> tuple[str, ...]:
    """Import statements. TableError where something else stands there."""
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise TableError(key, f"is {described(value)}; it takes a list of import statements.")
    for line in lines:
        try:
            body = ast.parse(line.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            body = []
        if not body or not all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in body):
            raise TableError(key, f'holds {shown(line)}; it takes import statements alone, such as "from nn.optimizers import SGD".')
    return tuple(line.strip() for line in lines)


def imported_names(imports: Sequence[str]) -> tuple[str, ...]:
    """The names that these import statements bind."""
    statements = [statement for line in imports for statement in ast.parse(line).body]
    found = [alias for statement in statements if isinstance(statement, ast.Import | ast.ImportFrom) for alias in statement.names]
    return tuple(alias.asname or alias.name.partition(".")[0] for alias in found)


def _parsed(key: str, line: str, lines: Sequence[str]) -> ast.Module:
    place = "" if len(lines) == 1 else f"line {list(lines).index(line) + 1}, "
    if len(line) > LONGEST:
        raise TableError(key, f"has a statement of {len(line):,} characters; at most {LONGEST:,} are read.")
    try:
        tree = ast.parse(line.strip())
    except SyntaxError as error:
        column = f"column {error.offset}" if error.offset else "its end"
        raise TableError(key, f"is no Python at {place}{column}: {printable(str(error.msg))} in {shown(line.strip())}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise TableError(key, f"cannot be read as Python: {shown(line.strip())}.") from None
    for node in _walk(tree.body):
        word = _refused(node)
        if word:
            at = f"{place}column {getattr(node, 'col_offset', 0) + 1}"
            raise TableError(key, f"holds {word} at {at} of {shown(line.strip())}; {ALLOWED}. Import what else is needed (imports).")
    return tree


def _walk(statements: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    for statement in statements:
        yield statement
        if isinstance(statement, _STATEMENTS):
            yield from (node for node in ast.walk(statement) if node is not statement)


def _refused(node: ast.AST) -> str:
    """How a message calls what is not allowed here; "" for what is."""
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Dict):
        return _WORDS.get(type(node.value), "an expression that is no call")
    if isinstance(node, ast.stmt):
        return "" if isinstance(node, _STATEMENTS) else _WORDS.get(type(node), f"a statement of kind {type(node).__name__.lower()}")
    if isinstance(node, ast.expr | ast.keyword) and not isinstance(node, _EXPRESSIONS):
        return _WORDS.get(type(node), f"an expression of kind {type(node).__name__.lower()}")
    return ""


def _read_by(statement: ast.stmt) -> list[str]:
    """Names that it reads, in the order of the text."""
    loads = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        loads.append(statement.target)
    return [node.id for node in sorted(loads, key=lambda node: (node.lineno, node.col_offset))]


def _given_by(statement: ast.stmt) -> list[str]:
    """Names that it assigns; attributes and subscripts are set on what is there already."""
    stores = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return [node.id for node in sorted(stores, key=lambda node: (node.lineno, node.col_offset))]
