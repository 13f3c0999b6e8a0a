"""The dispatched oracle where the tensors are: CUDA's own kernels are right code, in every type."""

import pytest
import torch
from torch.nn import functional

from verifier.oracles.dispatched.measuring import measure
from verifier.oracles.dispatched.narrow.judging import judge_narrow
from verifier.oracles.dispatched.running import to_array
from verifier.oracles.dispatched.wandering import last_bits_moved
from verifier.tolerance import compare

FUNCTIONS = {
    "softmax": (lambda x: torch.softmax(x, -1), [(33, 257)]),
    "layer norm": (lambda x, w, b: functional.layer_norm(x, (257,), w, b), [(33, 257), (257,), (257,)]),
    "SwiGLU": (lambda x, a, b: functional.silu(x @ a) * (x @ b), [(33, 96), (96, 65), (96, 65)]),
    "attention": (functional.scaled_dot_product_attention, [(2, 3, 33, 16)] * 3),
    "cross-entropy": (lambda x: functional.cross_entropy(x, torch.arange(33, device=x.device)), [(33, 257)]),
    "dropout": (lambda x: functional.dropout(x, 0.25), [(33, 257)]),
}


def given(name, device, dtype):
    function, shapes = FUNCTIONS[name]
    generator = torch.Generator().manual_seed(14)
    tensors = {f"x{i}": torch.randn(shape, generator=generator).to(dtype).to(device) for i, shape in enumerate(shapes)}
    cotangent = torch.randn(function(*tensors.values()).shape, generator=generator).to(dtype).to(device)
    return function, tensors, cotangent


def answers(function, tensors, cotangent):
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    output = function(*leaves.values())
    return {"output": output, **dict(zip(leaves, torch.autograd.grad(output, list(leaves.values()), cotangent), strict=True))}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "dropout"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_devices_kernels_are_right_by_scatter(name, dtype, device):
    function, tensors, cotangent = given(name, device, dtype)
    reference = measure(lambda at: function(*at.values()), tensors, [cotangent], differentiate=list(tensors), dtype=dtype)
    claimed = answers(function, tensors, cotangent)
    assert compare(to_array(claimed["output"]), reference.outputs["output"], reference.output_tolerance("output")).within
    for tensor in tensors:
        assert compare(to_array(claimed[tensor]), reference.gradients[tensor], reference.gradient_tolerance(tensor)).within


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "dropout"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_devices_kernels_are_not_wrong_in_a_narrow_type(name, dtype, device):
    function, tensors, cotangent = given(name, device, dtype)
    claimed = answers(function, tensors, cotangent)
    options = {"differentiate": list(tensors), "dtype": dtype}
    found = judge_narrow(lambda at: function(*at.values()), tensors, [cotangent], claimed, **options)
    assert "wrong" not in {outcome.status for outcome in found.values()}
    halved = judge_narrow(lambda at: function(*at.values()), tensors, [cotangent], {"x0": claimed["x0"] / 2}, **options)
    assert halved["x0"].status == "wrong"


def test_the_devices_generator_starts_alike_in_each_copy_and_stays_as_it_was(device):
    function, tensors, cotangent = given("dropout", device, torch.float64)
    before = torch.cuda.get_rng_state(device)
    reference = measure(lambda at: function(*at.values()), tensors, [cotangent], differentiate=["x0"])
    assert reference.output_scatter["output"].max() < 1e-14
    assert torch.equal(before, torch.cuda.get_rng_state(device))


def test_last_bits_move_on_the_device(device):
    x = torch.randn(100, device=device)
    assert last_bits_moved(x, 1).device == x.device
