"""How a test calls a forward pass and its gradient, by the way in which the backward pass is made known."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from verifier.audit.finding.passages import Passage
from verifier.audit.recording import Argument

INDENT = "    "


@dataclass(frozen=True)
class Style:
    """How a call departs from the recorded one.

    Attributes:
        values: a form for the text that draws real numbers; "{}" stands for it.
        strided: the cotangent comes strided.
        twice: another call goes before.
    """

    values: str = "{}"
    strided: bool = False
    twice: bool = False


class Calling(Protocol):
    """One way."""

    def test(self, passage: Passage, arguments: Sequence[Argument], style: Style) -> str:
        """The text of a module with one test."""

    def measuring(self, passage: Passage, arguments: Sequence[Argument]) -> str | None:
        """A text that puts the rounding of the gradients into MEASURED."""


def identifier(name: str) -> str:
    """An argument's name as a variable."""
    plain = re.sub(r"\W+", "_", name.removeprefix("self.")).strip("_") or "argument"
    return plain if not plain[0].isdigit() else f"argument_{plain}"


def test_name(passage: Passage) -> str:
    """The name of a test of this pass."""
    return f"test_gradient_of_{identifier(passage.name.rpartition(':')[2])}"


def _callee(passage: Passage) -> tuple[str, str]:
    """Module and attribute that the forward pass is called by; `drafting.usable` has seen that there are such."""
    assert passage.callee is not None
    return passage.callee


def _forward(passage: Passage) -> str:
    """Of a pattern, the attribute that holds the forward pass."""
    assert passage.forward is not None
    return passage.forward[1]


def _is_array(one: Argument) -> bool:
    return one.domain != "value"


def _is_real(one: Argument) -> bool:
    return one.domain not in ("value", "integer", "boolean")


def _given(arguments: Sequence[Argument]) -> str:
    return ", ".join(identifier(one.name) if _is_array(one) else one.literal or "None" for one in arguments)


ROUNDED_TORCH = ["", "", "def rounded(x):", f'{INDENT}"""To halves: with zeros and ties."""', f"{INDENT}return (2 * x).round() / 2"]


def _definition(lines: list[str], style: Style) -> list[str]:
    return lines if "rounded" in style.values else []


@dataclass(frozen=True)
class TorchCalling:
    """`Function.apply`, or an operator, on tensors."""

    applied: bool

    def test(self, passage: Passage, arguments: Sequence[Argument], style: Style) -> str:
        module, name = _callee(passage)
        function = f"{name}.apply" if self.applied else name
        lines = ["import torch", "import verifier", f"from {module} import {name}", *_definition(ROUNDED_TORCH, style), "", ""]
        lines += [f"def {test_name(passage)}():", f"{INDENT}generator = torch.Generator().manual_seed(0)"]
        lines += [f"{INDENT}{identifier(one.name)} = {_tensor(one, style)}" for one in arguments if _is_array(one)]
        if any(one.fixed for one in arguments):
            lines += [f"{INDENT}{identifier(one.name)}.requires_grad_()" for one in arguments if _is_real(one) and not one.fixed]
        call = _given(arguments)
        if style.twice:
            first = next(identifier(one.name) for one in arguments if _is_real(one))
            earlier = re.sub(rf"\b{first}\b", f"(0.5 * {first}).requires_grad_()", call, count=1)
            lines += [f"{INDENT}{function}({earlier}).sum().backward()  # another call goes before"]
        if style.strided:
            names = [identifier(one.name) for one in arguments if _is_array(one) and not one.fixed]
            lines += [f"{INDENT}def strided({', '.join(names)}):", f"{2 * INDENT}output = {function}({call})"]
            lines += [f"{2 * INDENT}return torch.stack((output, torch.zeros_like(output)), -1)  # the cotangent of output comes strided"]
            lines += ["", f"{INDENT}verifier.assert_gradients(strided, {', '.join(names)})"]
        else:
            lines += [f"{INDENT}verifier.assert_gradients({function}, {call})"]
        return "\n".join(lines) + "\n"

    def measuring(self, passage: Passage, arguments: Sequence[Argument]) -> str | None:
        module, name = _callee(passage)
        lines = ["import torch", f"from {module} import {name}", "from verifier.audit.rounding import of_torch", ""]
        lines += ["generator = torch.Generator().manual_seed(0)"]
        lines += [f"{identifier(one.name)} = {_tensor(one, None)}" for one in arguments if _is_array(one)]
        call = _given(arguments)
        lines += [f"MEASURED = of_torch({name}{'.apply' if self.applied else ''}, {call})"]
        return "\n".join(lines) + "\n" if any(map(_is_real, arguments)) else None


def _tensor(one: Argument, style: Style | None) -> str:
    """The text that draws one tensor; in float64, as recorded where rounding is measured."""
    size = f"{one.shape}"
    if one.domain == "boolean":
        return f"torch.randint(0, 2, {size}, generator=generator).bool()"
    if one.domain == "integer":
        return f"torch.randint(0, {max(one.below, 1)}, {size}, generator=generator, dtype=torch.{one.dtype})"
    dtype = one.dtype if style is None and one.dtype in ("float32", "float64") else "float64"
    drawn = {
        "positive": f"{one.least:g} + {one.most - one.least:.3g} * torch.rand({size}, dtype=torch.{dtype}, generator=generator)",
        "unit": f"{one.least:g} + {one.most - one.least:.3g} * torch.rand({size}, dtype=torch.{dtype}, generator=generator)",
        "rows": f"torch.randn({size}, dtype=torch.{dtype}, generator=generator).softmax(-1)",
    }.get(one.domain, f"torch.randn({size}, dtype=torch.{dtype}, generator=generator)")
    return drawn if style is None or one.domain != "real" else style.values.format(drawn)


ROUNDED_NUMPY = ["", "", "def rounded(x):", f'{INDENT}"""To halves: with zeros and ties."""', f"{INDENT}return np.round(2 * x) / 2"]


def _array(one: Argument, style: Style, dtype: str = "") -> str:
    size = f"{one.shape}"
    if one.domain == "boolean":
        return f"generator.integers(0, 2, {size}).astype(bool)"
    if one.domain == "integer":
        return f"generator.integers(0, {max(one.below, 1)}, {size})"
    drawn = {
        "positive": f"generator.uniform({one.least:g}, {one.most:g}, {size})",
        "unit": f"generator.uniform({one.least:g}, {one.most:g}, {size})",
        "rows": f"generator.dirichlet(np.ones({one.shape[-1] if one.shape else 1}), {one.shape[:-1]})",
    }.get(one.domain, f"generator.normal(size={size})")
    return drawn if one.domain != "real" else style.values.format(drawn)


def _free_arrays(arguments: Sequence[Argument]) -> list[Argument]:
    return [one for one in arguments if _is_array(one) and not one.fixed]


@dataclass(frozen=True)
class ArrayCalling:
    """A function of NumPy arrays and its gradient.

    Attributes:
        imports: the lines that import what the passage needs.
        functions: the lines that define `forward` and `gradient` over the arrays.
        inputs: which arguments are those arrays.
    """

    imports: Callable[[Passage], list[str]]
    functions: Callable[[Passage, Sequence[Argument]], list[str]]
    inputs: Callable[[Sequence[Argument]], list[Argument]] = _free_arrays

    def test(self, passage: Passage, arguments: Sequence[Argument], style: Style) -> str:
        inputs = self.inputs(arguments)
        names = [identifier(one.name) for one in inputs]
        lines = ["import numpy as np", "import verifier", *self.imports(passage), *_definition(ROUNDED_NUMPY, style), "", ""]
        lines += [f"def {test_name(passage)}():", f"{INDENT}generator = np.random.default_rng(0)"]
        drawn = [one for one in arguments if one.fixed] + inputs
        lines += [f"{INDENT}{identifier(one.name)} = {_array(one, style)}" for one in drawn]
        lines += [f"{INDENT}{line}".rstrip() for line in self.functions(passage, arguments)]
        if style.twice:
            halves = ", ".join(f"0.5 * {name}" if one.domain == "real" else name for one, name in zip(inputs, names, strict=True))
            lines += [f"{INDENT}gradient({halves}, np.ones_like(forward({halves})))  # another call goes before"]
        call = "forward, gradient"
        if style.strided:
            lines += _strided(names)
            call = "forward, strided"
        lines += [f"{INDENT}verifier.assert_gradients({call}, {', '.join(names)})"]
        return "\n".join(lines) + "\n"

    def measuring(self, passage: Passage, arguments: Sequence[Argument]) -> str | None:
        return None


def _strided(names: Sequence[str]) -> list[str]:
    listed = ", ".join(names)
    return [
        "",
        f"{INDENT}def strided({listed}, cotangent):",
        f"{2 * INDENT}return gradient({listed}, np.asfortranarray(cotangent))  # its memory lies the other way",
        "",
    ]


def _defined(listed: str, forward: str, *gradient: str) -> list[str]:
    """The lines that define `forward` by its value, and `gradient` by its statements, over these arrays."""
    statements = [f"{INDENT}{line}" for line in gradient]
    return ["", f"def forward({listed}):", f"{INDENT}return {forward}", "", f"def gradient({listed}, cotangent=1.0):", *statements, ""]


def _hips_imports(passage: Passage) -> list[str]:
    return ["from autograd import make_vjp", f"from {_callee(passage)[0]} import {_callee(passage)[1]} as function"]


def _hips_functions(passage: Passage, arguments: Sequence[Argument]) -> list[str]:
    """A primitive of HIPS autograd."""
    inputs = [identifier(one.name) for one in _free_arrays(arguments)]
    real = tuple(place for place, one in enumerate(_free_arrays(arguments)) if _is_real(one))
    listed = ", ".join(inputs)
    return _defined(listed, f"function({_given(arguments)})", f"vjp, _ = make_vjp(forward, {real})({listed})", "return vjp(cotangent)")


def _jax_imports(passage: Passage) -> list[str]:
    return [
        "import jax",
        f"from {_callee(passage)[0]} import {_callee(passage)[1]} as function",
        "",
        'jax.config.update("jax_enable_x64", True)',
    ]


def _jax_functions(passage: Passage, arguments: Sequence[Argument]) -> list[str]:
    """A function with `custom_vjp` or `custom_jvp`."""
    inputs = [identifier(one.name) for one in _free_arrays(arguments)]
    wanted = ", ".join(identifier(one.name) for one in _free_arrays(arguments) if _is_real(one))
    call = f"function({_given(arguments)})"
    return _defined(
        ", ".join(inputs),
        f"np.asarray({call})",
        f"value, vjp = jax.vjp(lambda {wanted}: {call}, {wanted})",
        "return tuple(np.asarray(one) for one in vjp(jax.numpy.asarray(cotangent, value.dtype)))",
    )


def _pair_imports(passage: Passage) -> list[str]:
    return [f"from {_callee(passage)[0]} import {_callee(passage)[1]}, {_forward(passage)}"]


def _pair_functions(cached: bool, passage: Passage, arguments: Sequence[Argument]) -> list[str]:
    """Two functions, `out = forward(x)` or `out, cache = forward(x)`, then `backward(cotangent, cache)`."""
    listed = ", ".join(identifier(one.name) for one in _free_arrays(arguments))
    call, backward = f"{_forward(passage)}({_given(arguments)})", _callee(passage)[1]
    if cached:
        return _defined(listed, f"{call}[0]", f"out, cache = {call}", f"return {backward}(cotangent, cache)")
    return _defined(listed, call, f"return {backward}(cotangent, {_given(arguments)})")


def _layer_inputs(arguments: Sequence[Argument]) -> list[Argument]:
    return [one for one in arguments if _is_array(one) and "(" not in one.name and not one.fixed]


def _layer_imports(passage: Passage) -> list[str]:
    return [f"from {_callee(passage)[0]} import {_callee(passage)[1].partition('.')[0]}"]


def _layer_functions(passage: Passage, arguments: Sequence[Argument]) -> list[str]:
    """An object with a forward and a backward method."""
    made = [one for one in arguments if "(" in one.name]
    given = ", ".join(f"{one.name.partition('(')[2][:-1]}={one.literal}" for one in made)
    inputs = _layer_inputs(arguments)
    parameters = [one for one in inputs if one.gradient]
    listed = ", ".join(identifier(one.name) for one in inputs)
    values = ", ".join(identifier(one.name) for one in parameters)
    call = _given([one for one in arguments if "(" not in one.name and not one.gradient])
    forward, backward = _forward(passage).rpartition(".")[2], passage.name.rpartition(".")[2]
    returned = [f"layer.{one.gradient.removeprefix('self.')}" for one in parameters]
    return [
        "",
        f"def made({values}):",
        f"{INDENT}np.random.seed(0)",
        f"{INDENT}layer = {_callee(passage)[1]}({given})",
        *(f"{INDENT}layer.{one.name.removeprefix('self.')}[...] = {identifier(one.name)}" for one in parameters),
        f"{INDENT}return layer",
        *_defined(
            listed,
            f"made({values}).{forward}({call})",
            f"layer = made({values})",
            f"layer.{forward}({call})",
            f"of_input = layer.{backward}(cotangent)",
            f"return {', '.join(['of_input', *returned])}",
        ),
    ]


CALLINGS: dict[str, tuple[Calling, ...]] = {
    "autograd.Function": (TorchCalling(applied=True),),
    "register_autograd": (TorchCalling(applied=False),),
    "defvjp": (ArrayCalling(_hips_imports, _hips_functions),),
    "custom_vjp": (ArrayCalling(_jax_imports, _jax_functions),),
    "custom_jvp": (ArrayCalling(_jax_imports, _jax_functions),),
    "pattern": (
        ArrayCalling(_pair_imports, partial(_pair_functions, True)),
        ArrayCalling(_pair_imports, partial(_pair_functions, False)),
        ArrayCalling(_layer_imports, _layer_functions, _layer_inputs),
    ),
}
