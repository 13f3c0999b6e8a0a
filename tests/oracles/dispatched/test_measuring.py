"""The dispatched oracle: right code in other forms is covered, the textbook's scatter is met, kinks are seen, and 50 digits agree."""

import mpmath
import numpy as np
import pytest
import torch
from torch.nn import functional

from verifier.oracles.dispatched.arithmetic import UndispatchableError
from verifier.oracles.dispatched.calling import named_call
from verifier.oracles.dispatched.measuring import DispatchedReference, measure
from verifier.oracles.dispatched.running import real_outputs
from verifier.oracles.dispatched.wandering import last_bits_moved, wandering
from verifier.oracles.scatter import measure_scatter
from verifier.oracles.torch_operations import TORCH_OPERATIONS
from verifier.tolerance import compare, element_tolerance


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def reference_of(function, *arguments, dtype=torch.float64, **keywords) -> DispatchedReference:
    """Measured with signed cotangents."""
    named = named_call(function, arguments, keywords)
    outputs = real_outputs(named.call({name: tensor.detach() for name, tensor in named.tensors.items()}))
    cotangents = [normal(*value.shape, seed=7).to(value.dtype if value.is_complex() else torch.float64) for value in outputs.values()]
    return measure(named.call, named.tensors, cotangents, differentiate=named.differentiate, dtype=dtype)


def answers_of(function, *arguments) -> dict[str, np.ndarray]:
    """The same function's outputs and gradients in its own type, under the same cotangents."""
    named = named_call(function, arguments)
    leaves = {name: tensor.detach().clone().requires_grad_(name in named.differentiate) for name, tensor in named.tensors.items()}
    outputs = real_outputs(named.call(leaves))
    cotangents = [normal(*value.shape, seed=7).to(value.dtype) for value in outputs.values()]
    wanted = [leaves[name] for name in named.differentiate]
    found = torch.autograd.grad(list(outputs.values()), wanted, cotangents)
    return {name: value.detach().double().numpy() for name, value in (*outputs.items(), *zip(named.differentiate, found, strict=True))}


def ratio(reference: DispatchedReference, claimed: dict[str, np.ndarray], wandered=None) -> float:
    """The largest error ÷ tolerance of all outputs and gradients."""
    worst = 0.0
    for name, right in (reference.outputs | reference.gradients).items():
        scatter = (reference.output_scatter | reference.gradient_scatter)[name]
        scatter = scatter if wandered is None else np.maximum(scatter, wandered[name])
        worst = max(worst, compare(claimed[name], right, element_tolerance(scatter, reference.longest)).ratio)
    return worst


def attention(q, k, v):
    scores = torch.exp(q @ k.mT / q.shape[-1] ** 0.5)
    return scores / scores.sum(-1, keepdim=True) @ v


def layer_norm_by_squares(x, w):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x * x).mean(-1, keepdim=True) - mean * mean + 1e-5).sqrt() * w


def unfolded_convolution(x, w):
    return (functional.unfold(x, w.shape[2:]).mT @ w.flatten(1).T).mT.reshape(x.shape[0], w.shape[0], x.shape[2] - 2, x.shape[3] - 2)


def cross_entropy_by_exp(x):
    return -torch.log(torch.exp(x).diagonal() / torch.exp(x).sum(-1)).mean()


def swiglu_by_exp(x, a, b):
    inner = x @ a
    return inner / (1 + torch.exp(-inner)) * (x @ b)


FORMS = {
    "layer norm": (lambda x, w: functional.layer_norm(x, (12,), w), layer_norm_by_squares, [(6, 12), (12,)]),
    "attention": (functional.scaled_dot_product_attention, attention, [(2, 5, 8)] * 3),
    "softmax": (lambda x: functional.softmax(x, -1), lambda x: torch.exp(x) / torch.exp(x).sum(-1, keepdim=True), [(6, 12)]),
    "convolution": (functional.conv2d, unfolded_convolution, [(2, 3, 7, 8), (4, 3, 3, 3)]),
    "cross-entropy": (lambda x: functional.cross_entropy(x, torch.arange(6)), cross_entropy_by_exp, [(6, 6)]),
    "SwiGLU": (lambda x, a, b: functional.silu(x @ a) * (x @ b), swiglu_by_exp, [(6, 12), (12, 8), (12, 8)]),
    "log-sum-exp": (lambda x: torch.logsumexp(x, -1), lambda x: torch.log(torch.exp(x).sum(-1)), [(6, 12)]),
    "softplus": (functional.softplus, lambda x: torch.log(1 + torch.exp(x)), [(6, 12)]),
    "tanh": (torch.tanh, lambda x: 2 / (1 + torch.exp(-2 * x)) - 1, [(6, 12)]),
    "log-determinant": (
        lambda x: torch.logdet(x @ x.T + torch.eye(6, dtype=x.dtype)),
        lambda x: 2 * torch.linalg.cholesky(x @ x.T + torch.eye(6, dtype=x.dtype)).diagonal().log().sum(),
        [(6, 12)],
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_right_code_in_another_form_is_covered(form, dtype):
    reference, other, shapes = FORMS[form]
    for draw in range(4):
        arguments = [normal(*shape, seed=10 * draw + i, dtype=dtype) for i, shape in enumerate(shapes)]
        assert ratio(reference_of(reference, *arguments, dtype=dtype), answers_of(other, *arguments)) <= 0.5


def test_a_wrong_term_of_a_thousandth_is_seen_in_float32():
    arguments = [normal(6, 12, dtype=torch.float32), normal(12, seed=1, dtype=torch.float32)]
    reference = reference_of(lambda x, w: functional.layer_norm(x, (12,), w), *arguments, dtype=torch.float32)
    claimed = answers_of(lambda x, w: functional.layer_norm(x, (12,), w, eps=1.002e-3), *arguments)
    assert ratio(reference, claimed) > 3


def test_a_form_that_rounds_worse_is_covered_by_its_own_wandering():
    def by_squares(x):
        mean = x.mean(0)
        return (x - mean) / torch.sqrt((x * x).mean(0) - mean * mean + 1e-5)

    def standard(x):
        return functional.batch_norm(x, None, None, training=True)

    x = (normal(16, 4) + 30).float()
    reference = reference_of(standard, x, dtype=torch.float32)
    claimed = answers_of(by_squares, x)
    wandered = wandering(lambda at: answers_of(by_squares, at["x"]), {"x": x}, move=["x"])
    assert ratio(reference, claimed) > 1
    assert ratio(reference, claimed, wandered) <= 1


def test_what_rounds_inside_a_layer_norm_is_covered():
    # Beside a mean of 30 the rounding of the mean is 30 times that of a deviation: noise on the result alone would miss it.
    x = (normal(6, 12) + 30).float()
    reference = reference_of(lambda x: functional.layer_norm(x, (12,)), x, dtype=torch.float32)

    def by_hand(x):
        deviation = x - x.mean(-1, keepdim=True)
        return deviation / ((deviation * deviation).mean(-1, keepdim=True) + 1e-5).sqrt()

    assert ratio(reference, answers_of(lambda x: functional.layer_norm(x, (12,)), x)) <= 0.5
    assert ratio(reference, answers_of(by_hand, x)) <= 0.5


def test_inputs_move_by_one_unit_in_the_last_place_at_most():
    x = torch.cat([normal(200, dtype=torch.float32), torch.zeros(2)])
    moved = last_bits_moved(x, 3)
    away = torch.nextafter(x, torch.tensor(float("inf"))) - x
    assert torch.all((moved - x).abs() <= away * 1.01) and moved[-1] == 0
    assert 50 < (moved != x).sum() < 180


def test_the_textbooks_scatter_is_met_within_a_factor_of_three(drawn):
    apart = []
    # Logarithmic losses are in a stable form here, whose scatter is smaller than the textbook's: wandering covers those.
    for item in drawn(60, losses=("squared_error", "half_squared_error"))[::2]:
        problem = item.problem

        def loss(values, problem=problem):
            values = dict(values)
            for node in problem.program.nodes:
                inputs = tuple(values[name] for name in node.inputs)
                values[node.output] = TORCH_OPERATIONS[node.operation](inputs, node.attributes)
            return values[problem.program.loss]

        tensors = {name: torch.tensor(np.asarray(array)) for name, array in problem.arrays.items()}
        wanted = problem.program.differentiate
        reference = measure(loss, tensors, differentiate=wanted, dtype=getattr(torch, problem.dtype))
        textbook = measure_scatter(problem)
        found = [
            reference.gradient_scatter[name].max() / textbook.gradients[name].max() for name in wanted if textbook.gradients[name].any()
        ]
        apart.append(np.median(found))
    low, middle, high = np.quantile(apart, [0.1, 0.5, 0.9])
    assert low > 1 / 3 and 1 / 1.5 < middle < 1.5 and high < 3


def test_what_rounds_alike_in_equal_rows_does_not_average_out():
    # 250 rows of two kinds, whose errors cancel in the sum over the batch; a loop rounds each row of a kind alike, by some 18 last bits.
    terms, rows = 250, 250
    x = torch.ones(rows, terms)
    x[1::2] /= 64
    weights = torch.full((1, terms), 0.076)
    target = (x.double() @ weights.double().T + 0.1 - 0.2 * (torch.arange(rows) % 2 == 0)[:, None]).float()
    looped = torch.from_numpy(np.cumsum((x * weights).numpy(), axis=1, dtype=np.float32)[:, -1:])
    claimed = {"bias": (2 * (looped - target) / rows).sum(0).double().numpy()}
    tensors = {"x": x, "weights": weights, "bias": torch.zeros(1), "target": target}

    def loss(at):
        return (at["x"] @ at["weights"].T + at["bias"] - at["target"]).square().mean()

    for seed in (0, 1):
        reference = measure(loss, tensors, differentiate=["bias"], dtype=torch.float32, seed=seed)
        found = compare(claimed["bias"], reference.gradients["bias"], reference.gradient_tolerance("bias"))
        assert found.within, (seed, found)


def test_the_answer_is_right_to_fifty_digits_within_the_scatter():
    x = torch.tensor([0.3, -2.5, 7.0], dtype=torch.float64)
    reference = reference_of(lambda x: torch.exp(torch.sin(x)) / x, x)
    mpmath.mp.dps = 50
    cotangent = normal(3, seed=7).tolist()
    for i, value in enumerate(x.tolist()):
        right = mpmath.mpf(cotangent[i]) * mpmath.diff(lambda t: mpmath.exp(mpmath.sin(t)) / t, mpmath.mpf(value))
        error = abs(mpmath.mpf(float(reference.gradients["arguments[0]"][i])) - right)
        assert error <= 3 * reference.gradient_scatter["arguments[0]"][i]


@pytest.mark.parametrize(
    ("function", "at", "kinks"),
    [
        (functional.relu, [1.0, -2.0, 0.5], ()),
        (functional.relu, [1.0, 0.0, 0.5], ("le",)),
        (torch.abs, [1.0, 0.0, 0.5], ("sgn",)),
        (lambda x: x.amax(), [3.0, 1.0, 2.0], ()),
        (lambda x: x.amax(), [3.0, 3.0, 2.0], ("eq", "sum")),
        (lambda x: torch.sort(x).values[0], [3.0, 3.0, 2.0], ("sort",)),
        (lambda x: functional.relu(x - x.sum() / 3), [3.0, 3.0, 3.0], ("le",)),
        (lambda x: torch.floor(x) * x, [0.5, 2.0, 2.5], ("floor",)),
    ],
)
def test_a_decision_within_rounding_is_a_kink(function, at, kinks):
    assert reference_of(function, torch.tensor(at, dtype=torch.float64)).kinks == kinks


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 2 * x * cotangent


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # PyTorch's own, at the first forward derivative
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.clone().mul_(x).add_(1).exp_(),
        lambda x: x.view(2, 6).T[1:].exp(),
        lambda x: torch.fft.fft(x).abs(),
        lambda x: torch.fft.rfft(x),
        lambda x: (x.exp(), {"loss": x.sum(), "count": torch.arange(3)}),
        Doubled.apply,
        lambda x: torch.func.grad(lambda y: y.sin().sum())(x),
        lambda x: torch.func.vmap(lambda y: y * y.exp())(x),
        lambda x: torch.func.jvp(torch.sin, (x,), (torch.ones_like(x),))[1],
        lambda x: functional.dropout(x, 0.5),
        lambda x: x.float().exp().to(torch.bfloat16).to(x.dtype),
        lambda x: torch.stack(x.split(4)).cumsum(0).logsumexp(0),
        lambda x: torch.index_add(torch.zeros(3, dtype=x.dtype), 0, torch.arange(12) % 3, x.exp()),
    ],
)
def test_whatever_pytorch_computes_is_measured(function):
    reference = reference_of(function, normal(12))
    for name, value in (reference.outputs | reference.gradients).items():
        scatter = (reference.output_scatter | reference.gradient_scatter)[name]
        assert value.any() and 0 < scatter.max() < 1e-12 * abs(value).max()
    assert not reference.notes


def test_a_module_has_parameters_and_buffers_and_stays_as_it_was():
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    named = named_call(module, [normal(6, 5, dtype=torch.float32)])
    reference = measure(named.call, named.tensors, [normal(6, 4)], differentiate=named.differentiate, dtype=torch.float32)
    assert set(reference.gradients) == {"arguments[0]", "0.weight", "0.bias", "1.weight", "1.bias"}
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_random_numbers_are_the_same_in_each_copy_and_the_callers_generators_stay():
    own = torch.Generator().manual_seed(5)
    states = torch.get_rng_state(), own.get_state()

    def noisy(at):
        return at["x"] * torch.rand(12, generator=own, dtype=torch.float64) + torch.rand(12)

    reference = measure(noisy, {"x": normal(12)}, [normal(12)], differentiate=["x"])
    assert reference.output_scatter["output"].max() < 1e-14
    assert torch.equal(states[0], torch.get_rng_state()) and torch.equal(states[1], own.get_state())


def test_the_same_seed_gives_the_same_scatter():
    first, second = (reference_of(lambda x: functional.softmax(x, -1), normal(3, 4)) for _ in range(2))
    assert np.array_equal(first.gradient_scatter["arguments[0]"], second.gradient_scatter["arguments[0]"])


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x.to_sparse() * 2, "sparse"),
        (lambda x: "nothing", "returns no real tensor"),
        (lambda x: x.no_such_method(), "AttributeError"),
    ],
)
def test_what_cannot_be_measured_says_so(function, says):
    with pytest.raises(UndispatchableError, match=says):
        measure(lambda at: function(at["x"]), {"x": normal(4)}, [None], differentiate=["x"])


def test_an_input_that_nothing_depends_on_is_absent_and_zero():
    reference = measure(lambda at: at["x"].sum(), {"x": normal(3), "y": normal(2)}, differentiate=["x", "y"])
    assert reference.absent == ("y",) and not reference.gradients["y"].any()


@pytest.mark.parametrize(
    ("function", "x"),
    [
        pytest.param(torch.lgamma, torch.tensor([0.5, 0.997, 1.003, 1.4, 1.999, 2.002]), id="lgamma beside its zeros"),
        pytest.param(torch.digamma, torch.tensor([0.5, 1.46, 1.4616, 1.463, 3.0]), id="digamma beside its zero"),
        pytest.param(torch.sinc, torch.tensor([-3.001, -0.5, 0.1, 0.998, 2.0003]), id="sinc beside its zeros"),
        pytest.param(lambda x: functional.interpolate(x, size=(7, 9), mode="bicubic"), normal(2, 3, 4, 5).float(), id="bicubic"),
        pytest.param(lambda x: functional.interpolate(x, size=(7, 9), mode="bilinear"), normal(2, 3, 4, 5).float(), id="bilinear"),
    ],
)
def test_what_pytorch_computes_in_float32_is_within_the_scatter_where_an_argument_loses_digits(function, x):
    reference = reference_of(function, x, dtype=torch.float32)
    assert ratio(reference, answers_of(function, x)) < 0.8
    off = {name: value + 1e-3 * np.abs(value).max() for name, value in answers_of(function, x).items()}
    assert ratio(reference, off) > 1


def test_what_cancels_twice_is_measured_at_the_size_that_its_type_has():
    def doubly_cancelled(a):
        return (a / a.sum(-1, keepdim=True)).sum(-1).sub(1).square()

    x = normal(200, 7, dtype=torch.float32).abs() + 0.1
    reference = reference_of(doubly_cancelled, x, dtype=torch.float32)
    claimed = answers_of(doubly_cancelled, x)
    assert np.abs(claimed["output"]).max() > 0
    assert ratio(reference, claimed) < 1


def test_a_conjugate_that_is_only_marked_is_disturbed_as_what_it_is():
    z, w = normal(4, 3).to(torch.complex64), (1 + 1j) * normal(5, 3, seed=1).to(torch.complex64)
    reference = reference_of(lambda z, w: z @ w.mT, z, w, dtype=torch.float32)
    assert all(scatter.max() < 1e-5 for scatter in reference.gradient_scatter.values())


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_a_reduction_that_selects_is_not_disturbed(reduce):
    index = torch.tensor([0, 0, 2, 1, 2])[:, None].expand(5, 3)
    reference = reference_of(
        lambda x: torch.zeros(3, 3, dtype=x.dtype).scatter_reduce(0, index, x, reduce, include_self=False), normal(5, 3)
    )
    assert all(np.isfinite(scatter).all() for scatter in reference.gradient_scatter.values())
    assert not reference.kinks


@pytest.mark.parametrize("value", [None, 0.3, -2.0])
@pytest.mark.parametrize("function", [torch.addcmul, torch.addcdiv])
def test_a_product_or_quotient_that_is_added_is_pytorchs_with_and_without_its_factor(function, value):
    said = {} if value is None else {"value": value}
    reference = reference_of(lambda a, b, c: function(a, b, c, **said), normal(5), normal(5, seed=1), normal(5, seed=2))
    assert not reference.notes  # else its primitives compute something else


def test_the_longest_sum_is_as_long_as_the_shapes_say():
    assert reference_of(lambda x: torch.exp(x) * x, normal(40, 50)).longest == 1
    assert reference_of(lambda x, w: x @ w, normal(3, 70), normal(70, 5)).longest == 70
    # A weight of a convolution meets every sample and place of the output (6 * 4 * 4); its input the output's channels and the window.
    few = reference_of(lambda x, w: functional.conv2d(x, w, stride=2), normal(6, 2, 9, 9), normal(3, 2, 3, 3))
    assert few.longest == 6 * 4 * 4
    many = reference_of(lambda x, w: functional.conv2d(x, w, stride=2), normal(1, 2, 5, 5), normal(30, 2, 3, 3))
    assert many.longest == 30 * 3 * 3
