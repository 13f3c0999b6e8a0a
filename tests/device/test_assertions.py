"""`assert_gradients` with tensors on a GPU: code that never names a device is enough, right code passes, wrong code is found."""

import pytest
import torch
from torch.nn import functional

import verifier


class SwiGLU(torch.autograd.Function):
    """Computes in float32 at least, stores once."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        wide = a.to(torch.promote_types(a.dtype, torch.float32))
        return (wide * torch.sigmoid(wide) * b).to(a.dtype)

    @staticmethod
    def backward(ctx, cotangent):
        a, b = ctx.saved_tensors
        wide, given = (one.to(torch.promote_types(a.dtype, torch.float32)) for one in (a, cotangent))
        share = torch.sigmoid(wide)
        return (given * b * share * (1 + wide * (1 - share))).to(a.dtype), (given * wide * share).to(b.dtype)


class Wrong(SwiGLU):
    """Base of the mistakes: a right forward pass."""


class FactorLost(Wrong):
    @staticmethod
    def backward(ctx, cotangent):
        first, second = SwiGLU.backward(ctx, cotangent)
        return first, second * 0.98


class CotangentTakenAsContiguous(Wrong):
    """Reads the cotangent's memory in order; where it is one number, or has holes, as it should."""

    @staticmethod
    def backward(ctx, cotangent):
        dense = cotangent.dim() == 2 and cotangent.stride() == (1, cotangent.shape[0])
        read = cotangent.mT.reshape(cotangent.shape) if dense else cotangent
        return SwiGLU.backward(ctx, read)


class KeptBetweenCalls(Wrong):
    total = None

    @staticmethod
    def backward(ctx, cotangent):
        first, second = SwiGLU.backward(ctx, cotangent)
        earlier = KeptBetweenCalls.total
        KeptBetweenCalls.total = first
        return (first + earlier if earlier is not None and earlier.shape == first.shape else first), second


class CotangentOverwritten(Wrong):
    @staticmethod
    def backward(ctx, cotangent):
        found = SwiGLU.backward(ctx, cotangent)
        cotangent.mul_(2)
        return found


class LastRowNeverWritten(Wrong):
    @staticmethod
    def backward(ctx, cotangent):
        first, second = SwiGLU.backward(ctx, cotangent)
        result = torch.empty_like(first)
        result[:-1] = first[:-1]
        return result, second


def plain_swiglu(a, b):
    return functional.silu(a) * b


RIGHT = {
    "softmax": (lambda x: torch.softmax(x, -1), [(5, 33)]),
    "attention": (functional.scaled_dot_product_attention, [(2, 3, 9, 16)] * 3),
    "convolution": (lambda x, w: functional.conv2d(x, w, padding=1), [(2, 8, 9, 7), (16, 8, 3, 3)]),
    "batch norm": (lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True), [(17, 6), (6,), (6,)]),
    "embedding": (lambda t: functional.embedding(torch.arange(40, device=t.device) % 7 % len(t), t), [(9, 5)]),
    "solve": (lambda a, b: torch.linalg.solve(a @ a.mT + 5 * torch.eye(4, dtype=a.dtype, device=a.device), b), [(3, 4, 4), (3, 4, 2)]),
    "dropout": (lambda x: functional.dropout(x, 0.25), [(5, 33)]),
    "bilinear": (lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"), [(2, 3, 5, 7)]),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_devices_gradients_pass_by_differences(name, dtype, draw):
    function, shapes = RIGHT[name]
    verifier.assert_gradients(function, *(draw(*shape, dtype=dtype) for shape in shapes))


@pytest.mark.parametrize("module", [torch.nn.LSTM(5, 4, batch_first=True), torch.nn.GRU(5, 4), torch.nn.MultiheadAttention(8, 2)], ids=str)
def test_modules_on_the_device_pass(module, device, draw):
    placed = module.to(device)
    arguments = [draw(2, 6, 8)] * 3 if isinstance(module, torch.nn.MultiheadAttention) else [draw(2, 6, 5)]
    verifier.assert_gradients(placed, *arguments)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_right_function_passes_beside_its_reference(dtype, draw):
    examples = [draw(5, 33, dtype=dtype), draw(5, 33, dtype=dtype)]
    verifier.assert_gradients(SwiGLU.apply, *examples, reference=plain_swiglu, shapes=("N D", "N D"), seed=0, draws=20)


@pytest.mark.parametrize("name", [name for name in RIGHT if name != "dropout"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_devices_kernels_pass_beside_themselves_in_float64(name, dtype, draw):
    function, shapes = RIGHT[name]
    if name == "solve" and dtype is torch.bfloat16:
        pytest.skip("PyTorch solves nothing in bfloat16")

    def candidate(*tensors):
        return function(*tensors)

    verifier.assert_gradients(candidate, *(draw(*shape, dtype=dtype) for shape in shapes), reference=function, seed=0, draws=6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("wrong", Wrong.__subclasses__(), ids=lambda one: one.__name__)
def test_a_wrong_function_is_found(wrong, dtype, draw):
    KeptBetweenCalls.total = None
    examples = [draw(5, 33, dtype=dtype), draw(5, 33, dtype=dtype)]
    with pytest.raises(AssertionError) as found:
        verifier.assert_gradients(wrong.apply, *examples, reference=plain_swiglu, shapes=("N D", "N D"), seed=0, draws=20)
    print(found.value)


def test_integers_masks_and_own_draws_are_placed_where_the_examples_are(device, draw):
    def loss(x, target, keep, weight):
        taken = functional.cross_entropy(x, target, reduction="none", ignore_index=-100)
        return (torch.where(keep, taken, 0.0) * weight).sum()

    def candidate(x, target, keep, weight):
        assert x.device.type == target.device.type == keep.device.type == weight.device.type == device.type
        return loss(x, target, keep, weight)

    found = verifier.assert_gradients(
        candidate,
        draw(6, 5),
        torch.tensor([0, 1, 2, 3, 4, -100]).to(device),
        torch.tensor([True, False, True, True, True, True]).to(device),
        draw(6),
        reference=loss,
        shapes=("N C", "N", "N", "N"),
        integers={"target": "index C, may be -100"},
        draw={"weight": lambda shape, sizes, generator: torch.rand(shape, generator=generator)},
        seed=0,
        draws=20,
    )
    assert found.draws > 20


def test_a_functions_own_generator_on_the_device_starts_alike_in_each_copy(device, draw):
    from verifier.oracles.dispatched.measuring import measure

    generator = torch.Generator(device).manual_seed(3)
    before = generator.get_state()
    x = draw(33, 65, dtype=torch.float64)

    def noisy(at):
        kept = torch.empty_like(at["x"]).bernoulli_(0.5, generator=generator)
        return at["x"] * kept

    reference = measure(noisy, {"x": x}, [torch.ones_like(x)], differentiate=["x"])
    assert reference.output_scatter["output"].max() < 1e-14
    assert torch.equal(before, generator.get_state())


def test_the_generators_of_the_device_are_left_as_they_were(device, draw):
    if device.type != "cuda":
        pytest.skip("of a GPU's generator")
    before = torch.cuda.get_rng_state(device)
    verifier.assert_gradients(lambda x: functional.dropout(x, 0.25), draw(5, 33))
    assert torch.equal(before, torch.cuda.get_rng_state(device))


def test_sizes_at_which_an_index_is_out_of_range_are_not_asked_on_the_device(draw):
    def gathered(table):
        return table[torch.arange(40, device=table.device) % 7]

    def candidate(table):
        return gathered(table)

    found = verifier.assert_gradients(candidate, draw(9, 5), reference=gathered, seed=0, draws=20)
    assert found.draws > 20
    assert torch.ones(3, device=draw(1).device).sum() == 3  # the device still answers


def test_sums_by_atomics_are_right_though_their_last_bits_vary(device, draw):
    places = (torch.arange(3000) ** 2 % 17).to(device)

    def gathered(table):
        return table[places]

    def candidate(table):
        return gathered(table)

    found = verifier.assert_gradients(candidate, draw(17, 65), reference=gathered, shapes=("17 D",), seed=0, draws=10)
    print(found.notes)


def test_float32_with_operands_in_tf32_is_a_note_and_no_wrong_gradient(device, draw, monkeypatch):
    if device.type != "cuda":
        pytest.skip("TF32 is a GPU's")
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)

    def product(x, w):
        return x @ w

    def candidate(x, w):
        return x @ w

    examples = draw(64, 256), draw(256, 64)
    found = verifier.assert_gradients(candidate, *examples, reference=product, shapes=("N D", "D M"), seed=0, draws=4)
    assert any("TF32" in note for note in found.notes), found.notes
    with pytest.raises(AssertionError):
        verifier.assert_gradients(candidate, *examples, reference=product, shapes=("N D", "D M"), seed=0, draws=4, precision="kernel")


def test_a_compiled_function_passes(draw):
    compiled = torch.compile(plain_swiglu)
    verifier.assert_gradients(
        lambda a, b: compiled(a, b), draw(5, 33), draw(5, 33), reference=plain_swiglu, sizes={"size5": 5, "size33": 33}, seed=0, draws=4
    )
