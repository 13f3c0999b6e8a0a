"""A notebook, run in the worker as a module: what defines runs, in order; what trains, plots or prints at the top is left out.

Imports, functions and classes always run. An assignment runs where a definition uses its name, or where it calls nothing but classes of
the notebook and needs nothing that was left out. Loops and bare calls never do, but for those that set up Python, NumPy or chance.
"""

import __future__

import ast
import builtins
import dis
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType

from verifier.notebook import Cell, read_cells

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
COMPOUND = (ast.If, ast.Try, ast.With)
SETTING_UP = ("sys", "warnings", "np", "numpy", "random")  # sys.path.append(…), np.seterr(…), random.seed(…)
READS = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")


@dataclass(frozen=True)
class _Statement:
    """A statement at the top of a cell, compiled; the names that it reads and those that it sets."""

    cell: int
    tree: ast.stmt
    code: CodeType
    reads: frozenset[str]
    sets: frozenset[str]


def run_notebook(file: str, module: ModuleType, entry: str) -> list[int]:
    """Run what a notebook defines as the module; the numbers of the cells of which something was left out.

    Args:
        entry: the function to be asked; where it is dotted, the object before the dot is one that is needed.
    Raises:
        whatever the notebook's code raises, and NotebookError. What cannot be read from a file counts as left out.
    """
    with open(file, "rb") as opened:
        statements = [statement for cell in read_cells(opened.read()) for statement in _statements(cell, file)]
    kept = _kept(statements, entry.partition(".")[0])
    left_out = {statement.cell for statement in statements if statement not in kept and not _says_nothing(statement.tree)}
    for statement in kept:
        try:
            exec(statement.code, vars(module))
        except OSError:
            if isinstance(statement.tree, DEFINITIONS):
                raise
            left_out.add(statement.cell)
    return sorted(left_out)


def _statements(cell: Cell, file: str) -> Iterator[_Statement]:
    place = cell.place(file)
    linecache.cache[place] = (len(cell.source), None, [f"{line}\n" for line in cell.source.split("\n")], place)
    flags = 0
    for tree in ast.parse(cell.source, place).body:
        if isinstance(tree, ast.ImportFrom) and tree.module == "__future__":
            for name in tree.names:
                flags |= getattr(getattr(__future__, name.name, None), "compiler_flag", 0)
        code = compile(ast.Module([tree], []), place, "exec", flags, dont_inherit=True)
        yield _Statement(cell.number, tree, code, frozenset(_read(code)), frozenset(_set(tree)))


def _kept(statements: Sequence[_Statement], holder: str) -> list[_Statement]:
    classes = {one.tree.name for one in statements if isinstance(one.tree, ast.ClassDef)}
    kept = {index for index, one in enumerate(statements) if _defines(one.tree)}
    while True:
        needed = {holder}.union(*(statements[index].reads for index in kept))
        bound = set(dir(builtins))
        before = len(kept)
        for index, one in enumerate(statements):
            known = one.reads <= bound
            if (isinstance(one.tree, (*ASSIGNMENTS, *COMPOUND)) and one.sets & needed) or (known and _is_quiet(one.tree, classes)):
                kept.add(index)
            if index in kept:
                bound |= one.sets
        if len(kept) == before:
            return [statements[index] for index in sorted(kept)]


def _defines(tree: ast.stmt) -> bool:
    """Whether it is a definition, or an `if` or `try` of nothing but definitions and plain assignments."""
    if isinstance(tree, DEFINITIONS):
        return True
    if isinstance(tree, ast.Assign):
        return isinstance(tree.value, ast.Lambda)
    if not isinstance(tree, ast.If | ast.Try):
        return False
    handlers = tree.handlers if isinstance(tree, ast.Try) else []
    inside = [*tree.body, *tree.orelse, *(one for handler in handlers for one in handler.body)]
    return all(_defines(one) or _is_quiet(one, set()) or isinstance(one, ast.Pass) for one in inside)


def _is_quiet(tree: ast.stmt, classes: set[str]) -> bool:
    """Whether it is an assignment that calls nothing but these classes, or a call that sets something up."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call):
        return _root(tree.value.func) in SETTING_UP
    return isinstance(tree, ASSIGNMENTS) and all(isinstance(call.func, ast.Name) and call.func.id in classes for call in _calls(tree))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that a statement makes, those within a lambda apart."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.Lambda):
            yield from _calls(node)


def _says_nothing(tree: ast.stmt) -> bool:
    return isinstance(tree, ast.Pass) or (isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant))


def _read(code: CodeType) -> Iterator[str]:
    """The names of the module that the code reads, in its functions too."""
    yield from (str(one.argval) for one in dis.get_instructions(code) if one.opname in READS)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _read(inner)


def _set(tree: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, and those of what it changes a part of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield _root(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((name.asname or name.name).partition(".")[0] for name in node.names)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
