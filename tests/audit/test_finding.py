"""Which backward passes are found, and whose they are."""

import pytest

from tests.audit.projects import FILES, PATTERNS

SPARE = ("--no-proposals", "--no-resolution")


def names(audited):
    return [function["name"] for function in audited.found["functions"]]


def test_functions_and_methods_by_pattern_and_subclasses_of_the_class_that_matches(layers_audited):
    assert names(layers_audited[0]) == ["layers:Dense.backward", "layers:affine_backward"]


def test_gradients_that_a_method_leaves_in_its_object_are_gradients(layers_audited):
    assert {"x doubled", "self.dW doubled", "self.dW zero"} <= layers_audited[0].outcomes("Dense.backward")["noticed"]


def test_a_gradient_that_no_test_looks_at_is_not_noticed(layers_audited):
    outcomes = layers_audited[0].outcomes("affine_backward")
    assert {"w zero", "w negated"} <= outcomes["not-noticed"]
    assert {"x zero", "x negated"} <= outcomes["noticed"]


def test_only_keeps_the_names_that_match(audit):
    assert names(audit(FILES, *PATTERNS, *SPARE, "--only", "affine*")) == ["layers:affine_backward"]


def test_without_a_backward_pass_the_request_is_wrong(audit):
    audited = audit(FILES)
    assert audited.status == 2
    assert "no hand-written backward pass was found" in audited.said


TABLE = """
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Operation:
    forward: Callable
    vjp: Callable


def square(x):
    return x**2


def _square_vjp(inputs, output, cotangent, *, scale=2.0):
    return (scale * inputs[0] * cotangent,)


OPERATIONS = {"square": Operation(square, _square_vjp)}
"""

TABLE_TESTS = """
import numpy as np
from table import OPERATIONS


def test_square():
    x, c = np.array([1.5, -0.5, 2.5]), np.array([0.5, -1.5, 2.0])
    (gradient,) = OPERATIONS["square"].vjp((x,), x**2, c)
    np.testing.assert_allclose(gradient, 2 * x * c)
"""


def test_a_function_that_a_table_holds_and_whose_cotangent_comes_third(audit):
    audited = audit({"table.py": TABLE, "test_table.py": TABLE_TESTS}, "--backward", "table:*_vjp", *SPARE)
    outcomes = audited.outcomes("_square_vjp")
    assert {"doubled", "reversed", "cotangent-ones"} <= outcomes["noticed"]


TORCH = """
import torch


@torch.library.custom_op("audited::tripled", mutates_args=())
def tripled(x: torch.Tensor) -> torch.Tensor:
    return 3 * x


tripled.register_autograd(lambda ctx, cotangent: 3 * cotangent)


@torch.library.custom_op("audited::squared", mutates_args=())
def squared(x: torch.Tensor) -> torch.Tensor:
    return x**2


def keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


torch.library.register_autograd("audited::squared", lambda ctx, cotangent: 2 * ctx.saved_tensors[0] * cotangent, setup_context=keep)


class Base(torch.autograd.Function):
    @classmethod
    def forward(cls, ctx, x, factor=2.0):
        ctx.factor = factor
        return cls.computed(x) * factor

    @classmethod
    def backward(cls, ctx, cotangent):
        return cls.slope * ctx.factor * cotangent, None


class Fourfold(Base):
    slope = 4.0

    @classmethod
    def computed(cls, x):
        return 4 * x


def made():
    class Local(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return -x

        @staticmethod
        def vjp(ctx, cotangent):
            return -cotangent

    return Local.apply
"""

TORCH_TESTS = """
import pytest
import torch
from passes import Fourfold, made, squared, tripled


class OfTheTests(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent


@pytest.mark.parametrize(
    ("function", "slope"),
    [(tripled, 3), (squared, 3.0), (Fourfold.apply, 8), (made(), -1), (lambda x: made()(x), -1), (OfTheTests.apply, 1)],
)
def test_slope(function, slope):
    x = torch.full((2, 3), 1.5, requires_grad=True)
    function(x).backward(torch.ones(2, 3))
    assert torch.equal(x.grad, torch.full((2, 3), float(slope)))
"""


def test_every_way_in_which_pytorch_is_told_a_backward_pass(audit):
    audited = audit({"passes.py": TORCH, "test_passes.py": TORCH_TESTS}, *SPARE)
    found = {function["name"]: function["kind"] for function in audited.found["functions"]}
    assert found == {
        "passes:Fourfold": "autograd.Function",
        "passes:made.<locals>.Local": "autograd.Function",
        "passes:squared": "register_autograd",
        "passes:tripled": "register_autograd",
    }
    for name in ("Fourfold", "made.<locals>.Local", "squared", "tripled"):
        assert {"doubled", "negated"} <= audited.outcomes(name)["noticed"], name


def test_a_package_by_name_may_be_the_tests_own(audit):
    audited = audit({"passes.py": TORCH, "test_passes.py": TORCH_TESTS}, *SPARE, "--package", "test_passes")
    assert names(audited) == ["test_passes:OfTheTests"]


HIPS = """
import autograd.numpy as np
from autograd.extend import defvjp, primitive


@primitive
def scaled(x, y):
    return x * np.exp(y)


defvjp(scaled, lambda ans, x, y: lambda g: g * np.exp(y), lambda ans, x, y: lambda g: g * ans)
"""

HIPS_TESTS = """
import numpy as np
from autograd.test_util import check_grads
from passes import scaled


def test_scaled():
    x, y = np.array([[1.1, -0.7, 0.3], [0.9, 1.7, -1.2]]), np.array([[0.4, -0.6, 0.2], [-0.3, 0.8, 0.5]])
    check_grads(lambda x: scaled(x, y), modes=["rev"], order=2)(x)
"""


def test_vjps_of_hips_autograd_and_the_one_that_nothing_asks_for(audit):
    pytest.importorskip("autograd")
    outcomes = audit({"passes.py": HIPS, "test_passes.py": HIPS_TESTS}, *SPARE).outcomes("scaled")
    assert {"x doubled", "x reversed", "every output cotangent-ones"} <= outcomes["noticed"]
    assert {"y doubled", "y reversed"} <= outcomes["not-reached"]


JAX = """
import jax
import jax.numpy as jnp


@jax.custom_vjp
def cube(x, y):
    return x**3 * y


cube.defvjp(lambda x, y: (x**3 * y, (x, y)), lambda kept, c: (3 * kept[0] ** 2 * kept[1] * c, jnp.sum(kept[0] ** 3 * c)))


@jax.custom_jvp
def soft(x):
    return jnp.log1p(jnp.exp(x))


@soft.defjvp
def soft_jvp(primals, tangents):
    return soft(*primals), jax.nn.sigmoid(*primals) * tangents[0]
"""

JAX_TESTS = """
import jax
import jax.numpy as jnp
import numpy as np
from passes import cube, soft


def test_cube():
    x = jnp.arange(1.0, 7.0).reshape(2, 3)
    gradient = jax.jit(jax.grad(lambda x: cube(x, 2.0).sum()))(x)
    np.testing.assert_allclose(gradient, 6 * np.arange(1.0, 7.0).reshape(2, 3) ** 2, rtol=1e-4)


def test_soft():
    x = np.array([-1.0, 0.5, 2.0])
    np.testing.assert_allclose(jax.vmap(jax.grad(soft))(x), 1 / (1 + np.exp(-x)), rtol=1e-4)
"""


def test_custom_vjp_and_custom_jvp_of_jax_under_jit_and_vmap(audit):
    pytest.importorskip("jax")
    audited = audit({"passes.py": JAX, "test_passes.py": JAX_TESTS}, *SPARE)
    assert {"x doubled", "x reversed", "x unequal-sizes"} <= audited.outcomes("cube")["noticed"]
    assert {"y doubled"} <= audited.outcomes("cube")["not-noticed"]
    assert "every output cotangent-ones" in audited.outcomes("cube")["never-shown"]
    assert {"doubled", "negated"} <= audited.outcomes("soft")["noticed"]


SYMBOLIC = """
import jax
import jax.numpy as jnp
from functools import partial


@jax.custom_jvp
def scaled(x, y):
    return x * y


@partial(scaled.defjvp, symbolic_zeros=True)
def scaled_jvp(primals, tangents):
    (x, y), (x_dot, y_dot) = primals, tangents
    if isinstance(y_dot, jax.custom_derivatives.SymbolicZero):
        return scaled(x, y), x_dot * y
    return scaled(x, y), x_dot * y + y_dot * x
"""

SYMBOLIC_TESTS = """
import jax
from passes import scaled


def test_numbers():
    assert jax.grad(scaled, (0, 1))(2.0, 3.0) == (3.0, 2.0)
"""


def test_a_custom_jvp_that_asks_for_symbolic_zeros_and_was_called_with_numbers_alone(audit):
    """Its proposed test is on vectors, which alone can be reversed."""
    pytest.importorskip("jax")
    audited = audit({"passes.py": SYMBOLIC, "test_passes.py": SYMBOLIC_TESTS}, "--no-cache", "--no-resolution")
    assert {"doubled", "negated"} <= audited.outcomes("scaled")["noticed"]
    assert "reversed" in audited.outcomes("scaled")["never-shown"]
    assert "reversed" in {mutant for proposal in audited.function("scaled")["proposals"] for _, mutant in proposal["notices"]}
