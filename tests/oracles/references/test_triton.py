"""Kernels in Triton's CPU interpreter, libdevice included: right ones pass in bfloat16 as on a GPU, what only strides show is found."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

SUITE = """
import pytest, torch, triton, triton.language as tl
from triton.language.extra import libdevice
from triton.language.extra.libdevice import tanh
from verifier import assert_gradients


@triton.jit
def backward_kernel(x_ptr, dy_ptr, dx_ptr, count, scale, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    x = tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + place, mask=inside, other=0.0).to(tl.float32)
    s = 0.5 * (1 + tanh(x / 2))
    tl.store(dx_ptr + place, (dy * scale * (s + x * s * (1 - s))).to(dx_ptr.dtype.element_ty), mask=inside)


@triton.jit
def forward_kernel(x_ptr, y_ptr, count, scale, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    x = tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + place, (x / (1 + libdevice.exp(-x)) * scale).to(y_ptr.dtype.element_ty), mask=inside)


class Silu(torch.autograd.Function):
    contiguous = True

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        forward_kernel[(triton.cdiv(x.numel(), 64),)](x, y, x.numel(), 1.5, BLOCK=64)
        ctx.save_for_backward(x)
        return y

    @classmethod
    def backward(cls, ctx, dy):
        (x,) = ctx.saved_tensors
        dx = torch.empty_like(x)
        dy = dy.contiguous() if cls.contiguous else dy
        backward_kernel[(triton.cdiv(x.numel(), 64),)](x, dy, dx, x.numel(), 1.5, BLOCK=64)
        return dx


def ask():
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    said = {"reference": lambda x: 1.5 * torch.nn.functional.silu(x), "shapes": ("N D",), "sizes": {"N": (1, 20), "D": (1, 20)}}
    assert_gradients(Silu.apply, x, **said, precision="kernel", seed=0, draws=5)


ask()
Silu.contiguous = False
with pytest.raises(AssertionError, match="with strides"):
    ask()
"""


def test_kernels_run_in_the_interpreter(tmp_path):
    (tmp_path / "suite.py").write_text(SUITE, encoding="utf-8")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "suite.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
