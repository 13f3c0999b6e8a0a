"""What a call of `assert_gradients` costs: plain, and with a reference and 100 random combinations.

    python -m benchmarks.assertion_cost

Processor seconds, after the first call has imported and compiled what it needs; a wall clock would measure what else the machine does.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.output import publish, versions
from verifier import assert_gradients

F = torch.nn.functional
REPEATS = 3


class Swish(torch.autograd.Function):
    """A custom function as a user writes it."""

    @staticmethod
    def forward(ctx: Any, z: Any) -> Any:
        """z σ(z)."""
        ctx.save_for_backward(z)
        return z * torch.sigmoid(z)

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        """Its slope."""
        (z,) = ctx.saved_tensors
        s = torch.sigmoid(z)
        return cotangent * (s + z * s * (1 - s))


def attention(q: Any, k: Any, v: Any, *, causal: bool = False) -> Any:
    """In plain PyTorch."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return torch.softmax(scores, -1) @ v


def other_attention(q: Any, k: Any, v: Any, *, causal: bool = False) -> Any:
    """The same by exp over sum."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], -torch.inf).triu(1)
    raised = torch.exp(scores - scores.amax(-1, keepdim=True).detach())
    return (raised @ v) / raised.sum(-1, keepdim=True)


def rms_norm(x: Any, weight: Any) -> Any:
    """In plain PyTorch."""
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def calls() -> dict[str, tuple[Callable[[], Any], float]]:
    """By name a call, and how many seconds it may take."""
    x, w = torch.randn(4, 8), torch.randn(8)
    q, k, v = torch.randn(3, 2, 4, 8)
    said: dict[str, Any] = {"seed": 0, "draws": 100}
    return {
        "plain, a custom function of (3, 4)": (lambda: assert_gradients(Swish.apply, torch.randn(3, 4)), 0.2),
        "plain, a custom function of (128, 512)": (lambda: assert_gradients(Swish.apply, torch.randn(128, 512)), 0.2),
        "reference, SiLU": (lambda: assert_gradients(Swish.apply, x, reference=F.silu, shapes=("* D",), **said), 5.0),
        "reference, RMS norm": (
            lambda: assert_gradients(lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), x, w, reference=rms_norm, shapes=("* C", "C"), **said),
            5.0,
        ),
        "reference, attention": (
            lambda: assert_gradients(other_attention, q, k, v, reference=attention, shapes=("B Q D", "B Q D", "B Q D"), **said),
            5.0,
        ),
    }


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    lines = [f"{'call':42} first  later  allowed  (processor seconds)"]
    for name, (call, most) in calls().items():
        taken = []
        for _ in range(REPEATS):
            begun = time.process_time()
            call()
            taken.append(time.process_time() - begun)
        lines.append(f"{name:42} {taken[0]:5.2f}  {min(taken[1:]):5.2f}  {most:7.1f}")
    publish("assertion_cost", "\n".join([*lines, "", versions("numpy", "torch")]))


if __name__ == "__main__":
    main()
