"""Kernels in Triton: right ones pass in every type, planted mistakes are found, with nothing said but shapes."""

import functools

import pytest
import torch

import verifier

kernels = pytest.importorskip("benchmarks.triton_kernels", exc_type=ImportError)


def examples(name, draw, dtype):
    # Small enough for the other sizes to be drawn from, wide enough for several tiles.
    shapes = {"softmax": [(5, 70)], "RMS norm": [(5, 70), (70,)], "SwiGLU": [(5, 70)] * 2, "linear": [(9, 40), (40, 7)]}
    return [draw(*shape, dtype=dtype) for shape in shapes[name]]


def asked(name, dtype, draw, **how):
    candidate, plain, _, letters = kernels.KERNELS[name]
    # What the kernel keeps in float32 is another function of float64: the plain one is asked alone there.
    function = functools.partial(candidate, **how)
    return verifier.assert_gradients(
        lambda *tensors: function(*tensors), *examples(name, draw, dtype), reference=plain, shapes=tuple(letters), seed=0, draws=8
    )


@pytest.mark.parametrize("name", kernels.KERNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_right_kernel_passes(name, dtype, draw):
    print(asked(name, dtype, draw).notes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "fault"), [pair for pair in kernels.FAULTS if "accumulator" not in pair[1]])
def test_a_planted_mistake_is_found(name, fault, dtype, draw):
    with pytest.raises(AssertionError) as found:
        asked(name, dtype, draw, fault=fault)
    print(found.value)


def test_sums_by_atomics_pass(draw):
    print(asked("RMS norm", torch.float32, draw, atomics=True).notes)
