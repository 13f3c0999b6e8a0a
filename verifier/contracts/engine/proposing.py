"""What somebody's file with an autograd engine could begin and end with, to be judged: read from its text, for its author to complete."""

import ast
import re
from collections.abc import Mapping

from verifier.contracts.engine.operations.table import named
from verifier.contracts.proposal import Proposal, classes_in, stored_in

MANIFEST = """# /// script
# [tool.verifier]
# contract = "engine"
# ///"""
SIGNS = {"__add__": "+", "__sub__": "-", "__mul__": "*", "__truediv__": "/", "__pow__": "**", "__matmul__": "@"}
ARRAYS = {"matmul", "dot", "sum", "mean", "reshape", "transpose"}  # a class without any of these holds one number


def seen_in(source: str) -> str:
    """A clause about the engine that the text of a Python file defines; "" where there is none. It is only searched."""
    found = (name for name, body in classes_in(source) if all(re.search(rf"\bdef[ \t]+{one}\b", body) for one in ("__mul__", "backward")))
    return next((f"the class {name} with its operators and backward looks like an autograd engine" for name in found), "")


def proposed(tree: ast.Module) -> Proposal | None:
    """The lines that the file could begin and end with; None where it defines no engine."""
    for one in tree.body:
        methods = (
            {method.name: method for method in one.body if isinstance(method, ast.FunctionDef)} if isinstance(one, ast.ClassDef) else {}
        )
        if isinstance(one, ast.ClassDef) and {"__mul__", "backward"} <= methods.keys():
            return Proposal(MANIFEST, _variables(one.name, methods))
    return None


def _variables(name: str, methods: Mapping[str, ast.FunctionDef]) -> str:
    init = methods.get("__init__")
    asked = [one.arg for one in (init.args.args if init else [])]
    stored = stored_in(init) if init else []
    value = next((one for one in ("data", "value", "val", "array", "_data") if one in stored), "data")
    gradient = next((one for one in ("grad", "gradient", "_grad", "adjoint") if one in stored), "grad")
    tracked = ", requires_grad=True" if "requires_grad" in asked else ""
    signs = {known.name: f"lambda a, b: a {sign} b" for one, sign in SIGNS.items() if one in methods and (known := named(one.strip("_")))}
    called = {known.name: f"{name}.{one}" for one, method in methods.items() if not method.args.vararg and (known := named(one))}
    negative = {"neg": "lambda a: -a"} if "__neg__" in methods else {}
    lines = [
        f"leaf = lambda array: {name}(array{tracked})",
        f"value = lambda output: output.{value}",
        "backward = lambda output: output.backward()",
        f"gradient = lambda leaf: leaf.{gradient}",
        *([] if {*signs, *called} & ARRAYS else ["scalar = True"]),
        "operations = {",
        *(f'    "{operation}": {entry},' for operation, entry in {**called, **signs, **negative}.items()),
        "}",
    ]
    return "\n".join(lines)
