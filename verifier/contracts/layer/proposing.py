"""The manifest that somebody's file of layers could begin with: its own calls, quoted from its text, for the author to complete.

What the text does not tell, such as the shape of an array, stands as "?", which a manifest refuses with the place where it stands.
"""

import ast
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from verifier.contracts.layer.letters import parts_by_role
from verifier.contracts.layer.operations.catalogue import find
from verifier.contracts.proposal import Proposal, classes_in, stored_in

FORWARD = ("forward", "fwd", "fprop")
BACKWARD = ("backward", "bwd", "bprop")
OPEN = "?"
GUESSED = (  # what the letters of an array usually are, by its name, where no operation says them
    (re.compile(r"(?:x|a|z|h|inputs?|data)\w?", re.IGNORECASE), "N D"),
    (re.compile(r"y|y_true|labels?|targets?", re.IGNORECASE), "int<C> N"),
    (re.compile(r"w|weights?|kernel", re.IGNORECASE), "D M"),
    (re.compile(r"b|bias|biases", re.IGNORECASE), "M"),
)
SIZES = {  # what a constructor's arguments stand for, in the letters above
    **dict.fromkeys(("in_features", "input_size", "input_dim", "n_in", "n_inputs", "in_dim", "num_features"), "D"),
    **dict.fromkeys(("out_features", "output_size", "n_out", "n_neurons", "n_outputs", "out_dim"), "M"),
    **dict.fromkeys(("hidden_size", "hidden_dim"), "H"),
    **{"in_channels": "C", "out_channels": "F", "kernel_size": "K"},
}
PARAMETER = re.compile(r"(?:[Ww]|[Bb]|weights?|bias(?:es)?|kernel|filters?|gamma|beta|alpha|theta)(?:_?[a-z]{0,2}\d*)?")
KEPT = re.compile(r"caches?|ctx|context|memory|state|saved", re.IGNORECASE)


@dataclass(frozen=True)
class Quoted:
    """A layer's calls, as far as its text tells them, and the arrays that they take."""

    name: str
    arrays: Sequence[str]
    forward: Sequence[str]
    backward: Sequence[str] = ()
    setup: Sequence[str] = ()
    gradients: str = ""


def seen_in(source: str) -> str:
    """A clause about what the text of a Python file has of layers; "" where there are none. The text is only searched."""
    names = dict.fromkeys(re.findall(r"^def[ \t]+(\w+)", source, re.MULTILINE))
    pairs = (f"the functions {name} and {partner_of(name, names)} look like a layer" for name in names if partner_of(name, names))
    classes = (_methods_of(name, body) for name, body in classes_in(source))
    return next((words for words in (*pairs, *classes) if words), "")


def _methods_of(name: str, body: str) -> str:
    methods = re.findall(r"^[ \t]+def[ \t]+(\w+)\([ \t]*self\b", body, re.MULTILINE)
    both = [*(one for one in methods if one in FORWARD), *(one for one in methods if one in BACKWARD)]
    if len(both) >= 2 and both[-1] in BACKWARD and both[0] in FORWARD:
        return f"the class {name} with {both[0]} and {both[-1]} looks like a layer"
    return f"the class {name} with its method loss looks like a model" if "loss" in methods and "backprop" not in methods else ""


def partner_of(name: str, names: Container[str]) -> str:
    """The backward pass of a forward pass, by their names: `affine_backward` of `affine_forward`, `relu_backward` of `relu`; "" else."""
    for way in FORWARD:
        if way in name.split("_"):
            return next((other for back in BACKWARD if (other := name.replace(way, back)) in names), "")
    return next((other for back in BACKWARD if (other := f"{name}_{back}") in names and f"{name}_forward" not in names), "")


def proposed(tree: ast.Module) -> Proposal | None:
    """The lines that the file could begin with, one table for each layer that it defines; None where it defines none."""
    layers = [*_of_functions(tree), *(layer for one in tree.body if isinstance(one, ast.ClassDef) for layer in _of_class(one))]
    lines = ["/// script", "[tool.verifier]", 'contract = "layer"']
    for layer in layers:
        lines += [] if len(layers) == 1 else ["", "[[tool.verifier.layer]]", f'name = "{layer.name}"']
        lines += _keys_of(layer)
    return Proposal("\n".join(f"# {line}".rstrip() for line in [*lines, "///"])) if layers else None


def _keys_of(layer: Quoted) -> Iterator[str]:
    entry = find(layer.name)
    parts = {} if entry is None else parts_by_role(entry, layer.arrays)
    if entry is not None and len(parts) == len(entry.arrays):
        yield f'operation = "{entry.name}"'
    roles = {} if entry is None else {name: entry.arrays[role] for role, name in parts.items()}
    if layer.arrays:
        letters = (f'{name} = "{roles.get(name) or _guessed(name)}"' for name in layer.arrays)
        yield f"arrays = {{ {', '.join(letters)} }}"
    for key, lines in (("setup", layer.setup), ("forward", layer.forward), ("backward", layer.backward)):
        texts = ['"' + line.replace("\\", "\\\\").replace('"', "'") + '"' for line in lines]
        if texts:
            yield f"{key} = {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'}"
    if layer.gradients:
        yield f'gradients = "{layer.gradients}"'


def _guessed(name: str) -> str:
    return next((letters for pattern, letters in GUESSED if pattern.fullmatch(name)), OPEN)


def _of_functions(tree: ast.Module) -> Iterator[Quoted]:
    """One for each pair such as `affine_forward` and `affine_backward`."""
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    for name, forward in functions.items():
        other = partner_of(name, functions)
        if not other:
            continue
        arrays, given, back = _asked(forward), _given(forward) or ("out",), functions[other]
        words = [word for word in name.split("_") if word not in FORWARD]
        yield Quoted(
            name="_".join(words) or name,
            arrays=arrays,
            forward=[f"{', '.join(given)} = {name}({', '.join(arrays)})"],
            backward=[f"{_gradients(back, arrays)} = {other}({', '.join(_passed(back, given))})"],
            gradients="grads" if _is_table(back) else "",
        )


def _of_class(one: ast.ClassDef) -> Iterator[Quoted]:
    """A layer with `forward` and `backward`, or a model with `loss`; its weights are set from outside, unless it is made with them."""
    methods = {method.name: method for method in one.body if isinstance(method, ast.FunctionDef)}
    forward = next((methods[way] for way in FORWARD if way in methods), None)
    backward = next((methods[way] for way in BACKWARD if way in methods), None)
    made_with = _asked(methods.get("__init__"))
    kept = stored_in(one)
    weights = _weights(methods.get("__init__"))
    if forward is not None and backward is not None:
        own = {name: held for name in weights if (held := next((one for one in _gradient_names(name) if one in kept), ""))}
        yield _of_object(one.name, forward, backward, _making("layer", one.name, made_with, {name: weights[name] for name in own}), own)
    elif "loss" in methods:
        arrays = [name for name in _asked(methods["loss"]) if name not in weights]
        called = [f"loss, grads = net.loss({', '.join(arrays)})"]
        yield Quoted(one.name, [*arrays, *weights], called, (), _making("net", one.name, made_with, weights), "grads")


def _making(word: str, name: str, made_with: Sequence[str], weights: Mapping[str, str]) -> list[str]:
    places = (f"{word}{place} = {weight}" for weight, place in weights.items() if weight not in made_with)
    return [f"{word} = {name}({', '.join(SIZES.get(one, one) for one in made_with)})", *places]


def _of_object(name: str, forward: ast.FunctionDef, backward: ast.FunctionDef, setup: Sequence[str], own: Mapping[str, str]) -> Quoted:
    """Args: own: by weight, the attribute that holds its gradient."""
    arrays, given = _asked(forward), _given(forward)
    called = f"layer.{forward.name}({', '.join(arrays)})"
    first = [f"{', '.join(given)} = {called}"] if given else [called, f"out = layer.{_first(forward, ('output', 'out', 'a', 'A', 'y'))}"]
    called = f"layer.{backward.name}({', '.join(_passed(backward, given or ('out',)))})"
    then = [f"{_gradients(backward, arrays)} = {called}"]
    if not _given(backward):
        then = [called, *(f"d{array} = layer.{_first(backward, _gradient_names(array))}" for array in arrays[:1])]
    return Quoted(name, [*arrays, *own], first, [*then, *(f"d{weight} = layer.{held}" for weight, held in own.items())], setup)


def _asked(function: ast.FunctionDef | None) -> list[str]:
    """The parameters that a call must give, and labels that may be left out."""
    if function is None:
        return []
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    least = len(names) - len(function.args.defaults)
    return [name for i, name in enumerate(names) if name != "self" and (i < least or _guessed(name).startswith("int"))]


def _given(function: ast.FunctionDef) -> tuple[str, ...]:
    """Names for what its last `return` gives back: its own names, else `out` and `cache`."""
    value = _returned(function)
    if value is None:
        return ()
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    usual = ["out", *(f"more{i}" for i in range(1, len(parts) - 1)), "cache"]
    return tuple(part.id if isinstance(part, ast.Name) else usual[i] for i, part in enumerate(parts))


def _returned(function: ast.FunctionDef) -> ast.expr | None:
    values = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value is not None]
    return values[-1] if values else None


def _is_table(function: ast.FunctionDef) -> bool:
    """Whether it gives back a mapping: written out, or under a name that it was assigned to."""
    value = _returned(function)
    if isinstance(value, ast.Name):
        tables = (ast.Dict, ast.Call)
        named = [one for one in ast.walk(function) if isinstance(one, ast.Assign) and any(_is(target, value.id) for target in one.targets)]
        return any(isinstance(one.value, tables) and _makes_table(one.value) for one in named)
    return value is not None and _makes_table(value)


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _makes_table(value: ast.expr) -> bool:
    return isinstance(value, ast.Dict) or (isinstance(value, ast.Call) and _is(value.func, "dict"))


def _gradients(backward: ast.FunctionDef, arrays: Sequence[str]) -> str:
    """The left side of a backward call: `dx, dw`, by its own names where these are an array's, else in the arrays' order."""
    if _is_table(backward):
        return "grads"
    given = _given(backward) or ("out",)
    meant = [next((name for name in arrays if one in _gradient_names(name)), "") for one in given]
    for i, name in enumerate(arrays[: len(given)]):
        meant[i] = meant[i] or (name if name not in meant else "")
    return ", ".join(f"d{name}" if name else one for name, one in zip(meant, given, strict=True))


def _gradient_names(array: str) -> list[str]:
    return [f"{prefix}{array}" for prefix in ("d", "d_", "grad_", "g_", "dLd", "delta_")] + [f"{array}_grad", f"grad{array.capitalize()}"]


def _passed(backward: ast.FunctionDef, given: Sequence[str]) -> list[str]:
    """What stands in a backward call: cotangents by the names of outputs, what forward gave, and the rest as it is called there."""
    passed = []
    for name in _asked(backward):
        meant = next((one for one in given if name in _gradient_names(one)), "")
        if name in given:
            passed.append(name)
        elif meant:
            passed.append(f"d{meant}")
        elif KEPT.fullmatch(name):
            passed.append(given[-1])
        else:
            passed.append(f"d{given[0]}" if not any(one.startswith("d") for one in passed) else name)
    return passed


def _weights(init: ast.FunctionDef | None) -> dict[str, str]:
    """By the name of a weight, where an object keeps it: `.W`, or `.params['W1']`."""
    found: dict[str, str] = {}
    for target in (target for one in ast.walk(init) if isinstance(one, ast.Assign) for target in one.targets) if init else ():
        holder = target.value if isinstance(target, ast.Subscript) else target
        if not isinstance(holder, ast.Attribute) or not _is(holder.value, "self"):
            continue
        if isinstance(target, ast.Attribute) and PARAMETER.fullmatch(holder.attr):
            found[holder.attr] = f".{holder.attr}"
        key = target.slice.value if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) else None
        if isinstance(key, str) and key.isidentifier():
            found[key] = f".{holder.attr}['{key}']"
    return found


def _first(tree: ast.AST, names: Sequence[str]) -> str:
    stored = stored_in(tree)
    return next((name for name in names if name in stored), OPEN)
