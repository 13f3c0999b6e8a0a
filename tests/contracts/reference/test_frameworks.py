"""Contract `reference` beside what kernels and gradients are written in: JAX's own gradients, Triton's interpreter, each in the worker."""

import pytest

from verifier.verification.judging import judge

CASE = """# /// script
# [tool.verifier]
# contract = "reference"
# candidate = "{candidate}"
# shapes = ["N D"]
# sizes = {{ N = [1, 9], D = [1, 9] }}
# {more}
# ///
import torch


def reference(x):
    return torch.nn.functional.silu(x)


def arguments():
    return torch.linspace(-2, 3, 12, dtype=torch.{dtype}).reshape(3, 4)
"""
JAX = """
import jax
import jax.numpy as jnp


@jax.custom_vjp
def silu(x):
    return x / (1 + jnp.exp(-x))


def forward(x):
    return silu(x), x


def backward(x, dy):
    s = 1 / (1 + jnp.exp(-x))
    return (FACTOR * dy * (s + x * s * (1 - s)),)


silu.defvjp(forward, backward)


def silu_gradient(x, dy):
    return jax.grad(lambda x: (silu(x) * dy).sum())(x)
"""
TRITON = """
import torch, triton, triton.language as tl
from triton.language.extra.libdevice import tanh


@triton.jit
def kernel(x_ptr, dy_ptr, out_ptr, count, scale, BLOCK: tl.constexpr, BACK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    x = tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + place, mask=inside, other=0.0).to(tl.float32)
    s = 0.5 * (1 + tanh(x / 2))
    out = dy * scale * (s + x * s * (1 - s)) if BACK else x * s
    tl.store(out_ptr + place, out.to(out_ptr.dtype.element_ty), mask=inside)


def run(x, dy, back):
    out = torch.empty_like(x)
    kernel[(triton.cdiv(x.numel(), 64),)](x, dy, out, x.numel(), FACTOR, BLOCK=64, BACK=back)
    return out


class Silu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        ctx.save_for_backward(x)
        return run(x, x, False)

    @staticmethod
    def backward(ctx, dy):
        return run(ctx.saved_tensors[0], dy.contiguous(), True)


def silu(x):
    return Silu.apply(x)
"""


def judged(folder, code, factor, *, more="", dtype="float32"):
    (folder / "silu.py").write_text(code.replace("FACTOR", str(factor)), encoding="utf-8")
    (folder / "silu_case.py").write_text(CASE.format(candidate="silu.py:silu", more=more, dtype=dtype), encoding="utf-8")
    (found,) = judge([str(folder / "silu_case.py")], profile="quick", seed=1, trust_references=True, isolation="auto")
    assert not isinstance(found, Exception), found
    return found.report


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.001, "fail")])
def test_a_gradient_by_jax_in_float32(tmp_path, factor, verdict):
    pytest.importorskip("jax")
    report = judged(tmp_path, JAX, factor, more='backward = "silu_gradient"')
    assert report.verdict == verdict, report.summary


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.25, "fail")])
def test_a_kernel_in_the_interpreter(tmp_path, monkeypatch, factor, verdict):
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    report = judged(tmp_path, TRITON, factor, more='precision = "kernel"', dtype="bfloat16")
    assert report.verdict == verdict, report.summary
