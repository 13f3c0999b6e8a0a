"""What the dispatched oracle costs, and how far right code in other forms is from it, in scatters.

    python -m benchmarks.dispatched [--draws 60]

Each form is another right way to write the reference, run in its own type; S = 32 scatters are allowed (times √(n/256) for long sums).
Costs are a copy's, divided by forward and backward of the same function in float64, on one thread. Writes results/dispatched.txt.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.output import publish, table, versions
from verifier.oracles.dispatched.arithmetic import Arithmetic, Decisions
from verifier.oracles.dispatched.calling import NamedCall, named_call
from verifier.oracles.dispatched.measuring import RELATIVE, measure
from verifier.oracles.dispatched.noise import Noise, Size
from verifier.oracles.dispatched.running import Given, real_outputs, run
from verifier.oracles.dispatched.wandering import wandering
from verifier.tolerance import SAFETY, compare, element_tolerance

SEED = 14
Function = Callable[..., Any]
Form = tuple[str, Function, Function, Sequence[tuple[int, ...]]]


def attention_by_exp(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.exp(q @ k.mT / q.shape[-1] ** 0.5)
    return scores / scores.sum(-1, keepdim=True) @ v


def layer_norm_by_squares(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x * x).mean(-1, keepdim=True) - mean * mean + 1e-5).sqrt() * w + b


def batch_norm_by_squares(x: Tensor) -> Tensor:
    mean = x.mean(0)
    return (x - mean) / torch.sqrt((x * x).mean(0) - mean * mean + 1e-5)


def unfolded_convolution(x: Tensor, w: Tensor) -> Tensor:
    return (functional.unfold(x, w.shape[2:]).mT @ w.flatten(1).T).mT.reshape(x.shape[0], w.shape[0], x.shape[2] - 2, x.shape[3] - 2)


def lstm_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    i, f, g, o = (x @ w + h @ u + b).chunk(4, -1)
    return torch.sigmoid(o) * torch.tanh(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))


def lstm_step_by_others(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    def sigma(z: Tensor) -> Tensor:
        return 0.5 * (1 + torch.tanh(z / 2))

    def tangent(z: Tensor) -> Tensor:
        return 2 / (1 + torch.exp(-2 * z)) - 1

    i, f, g, o = (x @ w + h @ u + b).chunk(4, -1)
    return sigma(o) * tangent(sigma(f) * c + sigma(i) * tangent(g))


def swiglu_by_exp(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    inner = x @ a
    return inner / (1 + torch.exp(-inner)) * (x @ b)


def gelu_by_exp(x: Tensor) -> Tensor:
    inner = 0.7978845608028654 * (x + 0.044715 * x**3)
    return x / (1 + torch.exp(-2 * inner))


def labels(x: Tensor) -> Tensor:
    return torch.arange(len(x)) % x.shape[-1]


def cross_entropy_by_exp(x: Tensor) -> Tensor:
    return -torch.log(torch.exp(x)[torch.arange(len(x)), labels(x)] / torch.exp(x).sum(-1)).mean()


def gram(x: Tensor) -> Tensor:
    return x @ x.mT + torch.eye(len(x), dtype=x.dtype)


FORMS: list[Form] = [
    ("layer norm, naive variance", lambda x, w, b: functional.layer_norm(x, (64,), w, b), layer_norm_by_squares, [(16, 64), (64,), (64,)]),
    ("attention, exp over sum", functional.scaled_dot_product_attention, attention_by_exp, [(2, 16, 8)] * 3),
    ("softmax, exp over sum", lambda x: x.softmax(-1), lambda x: torch.exp(x) / torch.exp(x).sum(-1, keepdim=True), [(16, 64)]),
    ("convolution by unfolding", functional.conv2d, unfolded_convolution, [(2, 3, 9, 11), (4, 3, 3, 3)]),
    ("cross-entropy by exp", lambda x: functional.cross_entropy(x, labels(x)), cross_entropy_by_exp, [(16, 64)]),
    ("LSTM cell, other σ, tanh", lstm_step, lstm_step_by_others, [(4, 6), (4, 5), (4, 5), (6, 20), (5, 20), (20,)]),
    (
        "log-determinant, Cholesky",
        lambda x: torch.logdet(gram(x)),
        lambda x: 2 * torch.linalg.cholesky(gram(x)).diagonal().log().sum(),
        [(8, 12)],
    ),
    (
        "cosine similarity",
        functional.cosine_similarity,
        lambda x, y: (x * y).sum(-1) / ((x * x).sum(-1) * (y * y).sum(-1)).sqrt(),
        [(8, 32)] * 2,
    ),
    ("log-sum-exp", lambda x: torch.logsumexp(x, -1), lambda x: torch.log(torch.exp(x).sum(-1)), [(16, 64)]),
    ("softplus", functional.softplus, lambda x: torch.log(1 + torch.exp(x)), [(16, 64)]),
    ("SwiGLU", lambda x, a, b: functional.silu(x @ a) * (x @ b), swiglu_by_exp, [(8, 32), (32, 16), (32, 16)]),
    ("SiLU", functional.silu, lambda x: x / (1 + torch.exp(-x)), [(16, 64)]),
    ("GELU (tanh)", lambda x: functional.gelu(x, approximate="tanh"), gelu_by_exp, [(16, 64)]),
    (
        "RMS norm",
        lambda x, w: functional.rms_norm(x, (64,), w, 1e-6),
        lambda x, w: x / ((x**2).sum(-1, True) / 64 + 1e-6) ** 0.5 * w,
        [(16, 64), (64,)],
    ),
    ("max-pool", lambda x: functional.max_pool1d(x, 2), lambda x: torch.maximum(x[..., ::2], x[..., 1::2]), [(2, 3, 16)]),
    ("batch norm, E[x²] − E[x]²", lambda x: functional.batch_norm(x, None, None, training=True), batch_norm_by_squares, [(32, 8)]),
]


def answers(named: NamedCall, tensors: dict[str, Tensor], cotangents: Sequence[Tensor]) -> dict[str, Any]:
    """Outputs and gradients of a function in its own type."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in tensors.items()}
    outputs = real_outputs(named.call(leaves))
    seeds = [c.to(value.dtype) for c, value in zip(cotangents, outputs.values(), strict=True)]
    found = torch.autograd.grad(list(outputs.values()), list(leaves.values()), seeds)
    return {name: value.detach().double().numpy() for name, value in (*outputs.items(), *zip(leaves, found, strict=True))}


def largest_error(form: Form, dtype: torch.dtype, draw: int) -> tuple[float, float]:
    """The largest error of a form at one point: in scatters, and in what the larger of scatter and wandering allows, times S."""
    _, reference, other, shapes = form
    generator = torch.Generator().manual_seed(SEED * 1_000 + draw)
    offset = 4.0 * (draw % 3) if reference in (FORMS[-1][1],) else 0.0
    arguments = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) + offset for shape in shapes]
    named, claimed = named_call(reference, arguments), named_call(other, arguments)
    cotangents = [
        torch.randn(y.shape, generator=generator, dtype=torch.float64).to(dtype) for y in real_outputs(named.call(named.tensors)).values()
    ]
    right = measure(named.call, named.tensors, cotangents, differentiate=named.differentiate, dtype=dtype, seed=draw)
    answer = answers(claimed, dict(claimed.tensors), cotangents)
    wander = wandering(lambda at: answers(claimed, dict(at), cotangents), claimed.tensors, move=named.differentiate, at=answer, seed=draw)
    alone: list[float] = []
    both: list[float] = []
    scatters = {**right.output_scatter, **right.gradient_scatter}
    for name, value in {**right.outputs, **right.gradients}.items():
        scatter = scatters[name]
        for ratios, size in ((alone, scatter), (both, np.maximum(scatter, wander[name]))):
            found = compare(answer[name], value, element_tolerance(size, right.longest))
            ratios.append(0.0 if found is None else SAFETY * found.ratio)
    return max(alone), max(both)


def cost(width: int, tokens: int) -> tuple[float, float, float]:
    """Seconds of forward and backward, of a copy, and of the whole measurement, of a transformer block."""
    torch.manual_seed(SEED)
    block = torch.nn.TransformerEncoderLayer(width, 8, 4 * width, dropout=0.0, batch_first=True).double()
    x = torch.randn(1, tokens, width, dtype=torch.float64)
    named = named_call(block, [x])
    given = Given(named.call, named.tensors, [torch.randn(1, tokens, width, dtype=torch.float64)], named.differentiate)

    def plain() -> None:
        y = block(x.requires_grad_())
        torch.autograd.grad((y * given.cotangents[0]).sum(), [x, *block.parameters()])  # type: ignore[index]

    def copy() -> None:
        run(given, Arithmetic(Noise(Size(RELATIVE), 1), Decisions(), {}))

    copy()  # the pools of noise are drawn
    whole = fastest(lambda: measure(given.call, given.tensors, given.cotangents, differentiate=given.differentiate), 1)
    return fastest(plain, 5), fastest(copy, 5), whole


def fastest(what: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        start = time.process_time()
        what()
        found.append(time.process_time() - start)
    return min(found)


def overhead() -> list[tuple[str, str]]:
    """Milliseconds of a whole measurement of a small problem, after the first."""
    rows = []
    for name, reference, _, shapes in FORMS:
        arguments = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
        named = named_call(reference, arguments)
        cotangents = [torch.randn_like(y) for y in real_outputs(named.call(named.tensors)).values()]
        seconds = fastest(lambda named=named, c=cotangents: measure(named.call, named.tensors, c, differentiate=named.differentiate), 5)  # type: ignore[misc]
        rows.append((name, f"{1e3 * seconds:.0f}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60)
    draws = parser.parse_args().draws
    torch.set_num_threads(1)
    small = dict(overhead())
    rows = []
    for form in FORMS:
        row: list[str] = [form[0]]
        for dtype in (torch.float32, torch.float64):
            found = [largest_error(form, dtype, draw) for draw in range(draws)]
            row += [f"{max(one[i] for one in found):.1f}" for i in range(2)]
        rows.append([*row, small[form[0]]])
    header = ["right code in another form", "float32", "or wandering", "float64", "or wandering", "ms"]
    costs = []
    for width, tokens in ((512, 128), (128, 64)):
        plain, copy, whole = cost(width, tokens)
        costs.append([f"d = {width}, {tokens} tokens", f"{plain:.3f}", f"{copy:.3f}", f"{copy / plain:.1f}", f"{whole:.2f}"])
    parts = [
        f"Largest error of right code in scatters of the reference (allowed: {SAFETY:g}), and in the larger of scatter and own wandering.",
        f"Seed {SEED}, {draws} draws each; milliseconds of processor: a whole measurement in float64 (eleven runs).",
        table(rows, header),
        "",
        table(costs, ["transformer block, seconds of processor", "forward + backward", "a copy", "ratio", "measurement"]),
        "",
        versions("torch", "numpy"),
    ]
    publish("dispatched", "\n".join(parts))


if __name__ == "__main__":
    main()
