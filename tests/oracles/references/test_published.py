"""Kinds of published custom functions, and what went wrong with them once: right code that was accused, wrong code that passed."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.errors import Inconclusive
from verifier.oracles.references import search
from verifier.oracles.references.domains import domain_of, integers_like

F = torch.nn.functional


def custom(forward, backward):
    return type("Custom", (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}).apply


def tensor(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def asked(candidate, *tensors, reference, **said):
    return assert_gradients(candidate, *tensors, reference=reference, seed=0, draws=3, **said)


def focal(gamma):
    def forward(ctx, x, t):
        ctx.save_for_backward(x, t)
        return focal_loss(x, t)

    def backward(ctx, cotangent):
        x, t = ctx.saved_tensors
        p = torch.sigmoid(x)
        positive = (1 - p) ** 2 * (gamma * p * F.logsigmoid(x) - (1 - p))
        negative = -(p**2) * (gamma * (1 - p) * F.logsigmoid(-x) - p)
        return cotangent * (t * positive + (1 - t) * negative), None

    return custom(forward, backward)


def focal_loss(x, t):
    p = torch.sigmoid(x)
    return (1 - (p * t + (1 - p) * (1 - t))) ** 2 * F.binary_cross_entropy_with_logits(x, t, reduction="none")


def test_labels_of_two_values_stay_labels():
    labels = (tensor(4, 5) > 0).float()
    notes = asked(focal(2), tensor(4, 5), labels, reference=focal_loss).notes
    assert "t is drawn as its example shows it: either of two numbers" in notes
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's"):
        asked(focal(1), tensor(4, 5), labels, reference=focal_loss)


def test_a_weight_of_zeros_and_ones_still_has_its_gradient_judged():
    wrong = custom(
        lambda ctx, x, w: (ctx.save_for_backward(x, w), x @ w)[1],
        lambda ctx, c: (c @ ctx.saved_tensors[1].T, 2 * ctx.saved_tensors[0].T @ c),
    )
    with pytest.raises(AssertionError, match="the gradient of w is not the reference's"):
        asked(wrong, tensor(4, 3), torch.eye(3), reference=lambda x, w: x @ w)


def test_the_gradient_of_a_largest_per_segment_goes_to_one_element():
    segments = torch.tensor([0, 0, 2, 1, 2, 2])

    def largest(x, i):
        return torch.zeros(3, x.shape[1], dtype=x.dtype).scatter_reduce(0, i[:, None].expand_as(x), x, "amax", include_self=False)

    def to_all(ctx, cotangent):
        return cotangent[ctx.saved_tensors[0]], None

    def to_the_largest(ctx, cotangent):
        i, where = ctx.saved_tensors
        return cotangent[i] * where, None

    def forward(ctx, x, i):
        out = largest(x, i)
        ctx.save_for_backward(i, (out[i] == x).to(x.dtype))
        return out

    x = tensor(6, 3)
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's"):
        asked(custom(lambda ctx, x, i: (ctx.save_for_backward(i), largest(x, i))[1], to_all), x, segments, reference=largest)
    right = custom(forward, to_the_largest)
    base = {"shapes": ("E D", "E"), "integers": {"i": "index 3"}, "draw": {"x": lambda shape, sizes, generator: torch.randn(shape)}}
    asked(right, x, segments, reference=largest, **base)


@pytest.mark.parametrize("conjugated", [True, False])
def test_complex64_is_judged_by_its_own_rounding(conjugated):
    z, w = tensor(4, 3, dtype=torch.complex64), tensor(5, 3, dtype=torch.complex64)

    def backward(ctx, cotangent):
        z, w = ctx.saved_tensors
        return cotangent @ w.conj() * (1 if conjugated else 1 + 1e-3), cotangent.mT @ z.conj()

    linear = custom(lambda ctx, z, w: (ctx.save_for_backward(z, w), z @ w.mT)[1], backward)
    if conjugated:
        assert asked(linear, z, w, reference=lambda z, w: z @ w.mT).precision == "float32"
    else:
        with pytest.raises(AssertionError, match="the gradient of z is not the reference's"):
            asked(linear, z, w, reference=lambda z, w: z @ w.mT)


def test_a_row_in_a_narrow_type_is_no_unit_vector_by_chance():
    assert domain_of(torch.tensor([0.5, -0.5, 0.5, 0.6], dtype=torch.bfloat16), None, False) == "real"
    rows = F.normalize(tensor(4, 6, dtype=torch.float64), dim=-1)
    assert domain_of(rows.bfloat16(), None, False) == "rows of length 1"


def test_what_is_meant_to_be_zero_is_so_in_a_narrow_type_too():
    mask = torch.zeros(4, 3, dtype=torch.bool)
    mask[1] = True

    def double(kept):
        return custom(lambda ctx, w: 2 * w, lambda ctx, c: 2 * c * kept)

    w = tensor(4, 3, dtype=torch.bfloat16)
    said = {"reference": lambda w: 2 * w, "zero_at": {"w": mask}, "shapes": ("4 3",)}
    asked(double((~mask).bfloat16()), w, **said)
    with pytest.raises(AssertionError, match="the gradient of w"):
        asked(double(1), w, **said)


def test_where_rounding_leaves_no_reference_nothing_passes():
    def reference(x):  # rounding alone decides whether this divides by 0
        return x / (x * 3 == 3 * x).to(x.dtype)

    with pytest.raises(Inconclusive, match="rounding alone decides what the reference gives there"):
        asked(custom(lambda ctx, x: x.clone(), lambda ctx, c: 5 * c), tensor(4), reference=reference)


def test_a_reference_of_sparse_tensors_is_held_to_how_it_moves():
    def sparse(a, x):
        return torch.sparse.mm(a.to_sparse(), x)

    def product(factor):
        return custom(
            lambda ctx, a, x: (ctx.save_for_backward(a, x), a @ x)[1],
            lambda ctx, c: (factor * c @ ctx.saved_tensors[1].T, ctx.saved_tensors[0].T @ c),
        )

    tensors = tensor(4, 5) + 3, tensor(5, 2)
    asked(product(1), *tensors, reference=sparse)
    with pytest.raises(AssertionError, match="the gradient of a is not the reference's"):
        asked(product(1.001), *tensors, reference=sparse)


def positive_definite(count):
    a = tensor(count, count, dtype=torch.float64)
    return a @ a.T + count * torch.eye(count, dtype=torch.float64)


def cholesky(diagonal, symmetric=True):
    def forward(ctx, a):
        lower = torch.linalg.cholesky(a)
        ctx.save_for_backward(lower)
        return lower

    def backward(ctx, cotangent):
        (lower,) = ctx.saved_tensors
        inner = (lower.mT @ cotangent).tril()
        inner = inner - diagonal * torch.diag(inner.diagonal())
        whole = torch.linalg.solve_triangular(lower.mT, inner, upper=True)
        whole = torch.linalg.solve_triangular(lower, whole, upper=False, left=False)
        whole = (whole + whole.mT) / 2
        return whole if symmetric else 2 * whole.tril() - torch.diag(whole.diagonal())

    return custom(forward, backward)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_positive_definite_example_stays_one_and_both_conventions_of_its_gradient_are_right(symmetric):
    a = positive_definite(4).float()
    small = {"shapes": ("N N",), "sizes": {"N": (1, 6)}}
    notes = asked(cholesky(0.5, symmetric), a, reference=torch.linalg.cholesky, **small).notes
    assert "a is drawn as its example shows it: symmetric and positive definite" in notes
    with pytest.raises(AssertionError, match="the gradient of a is not the reference's"):
        asked(cholesky(1.0, symmetric), a, reference=torch.linalg.cholesky, **small)


def test_triangles_and_log_probabilities_are_read_off_their_examples():
    a = positive_definite(4)
    assert domain_of(torch.linalg.cholesky(a), None, False) == "lower triangular"
    assert domain_of(tensor(4, 4), None, False) == "real"
    assert domain_of(tensor(4, 5).log_softmax(-1), None, False) == "rows of log-probabilities"
    right = custom(
        lambda ctx, low, b: (ctx.save_for_backward(low, found := torch.linalg.solve_triangular(low, b, upper=False)), found)[1],
        lambda ctx, c: (
            -(back := torch.linalg.solve_triangular(ctx.saved_tensors[0].mT, c, upper=True)) @ ctx.saved_tensors[1].mT,
            back,
        ),
    )  # its gradient is full: what stands above the diagonal is never read
    said = {"shapes": ("N N", "N M"), "sizes": {"N": (1, 6), "M": (1, 6)}}
    solved = {"reference": lambda low, b: torch.linalg.inv(low.tril()) @ b, **said}
    asked(right, torch.linalg.cholesky(a), tensor(4, 2, dtype=torch.float64), **solved)


def test_a_size_that_stands_in_the_code_is_not_guessed_to_be_free():
    def crossed(w):
        x, y, z = w[..., 0], w[..., 1], w[..., 2]
        zero = torch.zeros_like(x)
        return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(*w.shape[:-1], 3, 3)

    def rodrigues(w):
        square = (w * w).sum(-1)[..., None, None].clamp(min=1e-8)
        angle, cross = square.sqrt(), crossed(w)
        return torch.eye(3, dtype=w.dtype) + torch.sin(angle) / angle * cross + (1 - torch.cos(angle)) / square * cross @ cross

    found = asked(rodrigues, tensor(4, 3, dtype=torch.float64), reference=lambda w: torch.linalg.matrix_exp(crossed(w)))
    assert any("3 stays" in line for line in found.not_drawn)


def test_an_earlier_call_has_inputs_that_the_reference_takes_too():
    def plain(x):
        if (x.detach() > 3).any():
            raise ValueError("out of range")
        return x * x

    asked(
        custom(lambda ctx, x: (ctx.save_for_backward(x), plain(x))[1], lambda ctx, c: 2 * c * ctx.saved_tensors[0]),
        2 * tensor(6, 7),
        reference=plain,
    )


@pytest.mark.parametrize(
    ("example", "allowed"),
    [
        ([0, 1, 2, 3], lambda drawn: drawn.tolist() == list(range(6))),
        ([2, 0, 3, 1], lambda drawn: sorted(drawn.tolist()) == list(range(6))),
        ([0, 0, 1, 4], lambda drawn: (np.diff(drawn) >= 0).all()),
        ([3, 0, 3, 1], lambda drawn: set(drawn.tolist()) <= {0, 1, 3}),
    ],
)
def test_integers_of_which_nothing_was_said_keep_their_order(example, allowed):
    assert allowed(integers_like(np.array(example), (6,), np.random.default_rng(0)))


def test_bounds_of_segments_keep_the_sizes_that_they_belong_to():
    def by_segment(x, bounds):
        return torch.stack([x[low:high].sum(0) for low, high in pairwise(bounds.tolist())])

    def backward(ctx, cotangent):
        (bounds,) = ctx.saved_tensors
        return cotangent.repeat_interleave(bounds.diff(), 0), None

    segments = custom(lambda ctx, x, bounds: (ctx.save_for_backward(bounds), by_segment(x, bounds))[1], backward)
    assert asked(segments, tensor(7, 2), torch.tensor([0, 2, 3, 7]), reference=by_segment).draws > 20


def test_numbers_that_overflow_on_the_way_are_said_to_be_not_finite():
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        power = torch.exp(x)
        return cotangent * power**2 / (power**2 + 2 * power + 1) / power

    logistic = custom(lambda ctx, x: (ctx.save_for_backward(x), torch.sigmoid(x))[1], backward)
    x = 12 * torch.ones(8, dtype=torch.float16)
    x[::2] = torch.linspace(-1, 1, 4, dtype=torch.float16)
    with pytest.raises(AssertionError, match="NaN or infinite in float16, where right code has numbers"):
        asked(logistic, x, reference=torch.sigmoid)


@pytest.mark.parametrize(("total", "precision"), [(torch.float32, None), (torch.bfloat16, "accumulate"), (torch.bfloat16, None)])
def test_a_sum_that_stands_still_in_bfloat16_is_wrong_unless_it_is_declared(total, precision, monkeypatch):
    monkeypatch.setattr(search, "SLOW", 1e6)  # a loop over 500 rows takes as long as the machine is busy

    def backward(ctx, cotangent):
        x, w = ctx.saved_tensors
        found = torch.zeros(w.shape, dtype=torch.promote_types(total, torch.bfloat16) if x.dtype == torch.bfloat16 else x.dtype)
        for row in (cotangent * x).to(found.dtype):
            found += row
        return cotangent * w, found.to(w.dtype)

    scale = custom(lambda ctx, x, w: (ctx.save_for_backward(x, w), x * w)[1], backward)
    tensors = tensor(4, 3, dtype=torch.bfloat16), tensor(3, dtype=torch.bfloat16)
    said = {"reference": lambda x, w: w * x, "shapes": ("N 3", "3"), "sizes": {"N": (1, 500)}, "precision": precision}
    if (total, precision) != (torch.bfloat16, None):
        asked(scale, *tensors, **said)
        return
    with pytest.raises(AssertionError, match=r"only with inputs of equal rows and N = \d+.\nIt is summed in the narrow type"):
        asked(scale, *tensors, **said)


def test_a_single_positive_number_is_drawn_positive():
    def backward(ctx, cotangent):
        x, most = ctx.saved_tensors
        inside = (x > 0) & (x < most)
        return cotangent * inside, (cotangent * (x >= most)).sum().reshape(1)

    clipped = custom(lambda ctx, x, most: (ctx.save_for_backward(x, most), torch.clamp(x, min=0, max=most.item()))[1], backward)
    x, most = tensor(3, 4), torch.tensor([1.7])
    notes = asked(clipped, x, most, reference=lambda x, most: torch.minimum(torch.relu(x), most), shapes=("N C", "1")).notes
    assert "most is drawn as its example shows it: positive" in notes


def linear_at(x, p):
    """Values between the elements of x, 0 beyond them."""
    first = p.floor().detach()

    def at(place):
        inside = (place >= 0) & (place < x.shape[-1])
        return x.gather(-1, place.clamp(0, x.shape[-1] - 1).long()) * inside

    return at(first) * (1 - (p - first)) + at(first + 1) * (p - first)


@pytest.mark.parametrize("factor", [1, 1.001])
def test_an_index_that_is_computed_is_whole_whatever_noise_does(factor):
    def backward(ctx, cotangent):
        x, p = ctx.saved_tensors
        found, first = torch.zeros_like(x), p.floor()
        for place, weight in ((first, 1 - (p - first)), (first + 1, p - first)):
            inside = (place >= 0) & (place < x.shape[-1])
            found.scatter_add_(-1, place.clamp(0, x.shape[-1] - 1).long(), factor * cotangent * weight * inside)
        return found, None

    sampled = custom(lambda ctx, x, p: (ctx.save_for_backward(x, p), linear_at(x, p))[1], backward)
    x, p = tensor(2, 6).requires_grad_(), tensor(2, 4).abs() + 0.1
    draw = {"p": lambda shape, sizes, generator: 7 * torch.rand(shape, generator=generator) - 1}
    if factor == 1:
        asked(sampled, x, p, reference=linear_at, shapes=("N 6", "N K"), draw=draw)
        return
    with pytest.raises(AssertionError, match=r"It is 1\.001 times the right one"):
        asked(sampled, x, p, reference=linear_at, shapes=("N 6", "N K"), draw=draw)


@pytest.mark.parametrize("stable", [True, False])
def test_an_exponential_that_overflows_is_found_in_float32(stable):
    def backward(ctx, cotangent):
        x, y = ctx.saved_tensors
        raised = torch.exp(x - y[..., None]) if stable else torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)
        return cotangent[..., None] * raised

    def forward(ctx, x):
        y = torch.logsumexp(x, -1)
        ctx.save_for_backward(x, y)
        return y

    def ask():
        asked(custom(forward, backward), tensor(3, 4), reference=lambda x: torch.logsumexp(x, -1), shapes=("N C",))

    if stable:
        ask()
        return
    with pytest.raises(AssertionError, match="only with inputs of 100 and more, where exp"):
        ask()


@pytest.mark.parametrize("factor", [1, 1.01])
def test_a_gradient_is_right_where_the_function_jumps_and_its_slope_does_not(factor):
    def root(x):
        return torch.sign(x) * torch.sqrt(x.abs() + 1e-6)

    signed = custom(
        lambda ctx, x: (ctx.save_for_backward(x), root(x))[1],
        lambda ctx, c: factor * c / (2 * torch.sqrt(ctx.saved_tensors[0].abs() + 1e-6)),
    )
    if factor == 1:
        asked(signed, tensor(3, 4), reference=root, shapes=("N C",))
        return
    with pytest.raises(AssertionError, match=r"It is 1\.01 times the right one"):
        asked(signed, tensor(3, 4), reference=root, shapes=("N C",))


def composited(density, colour):
    """What a ray sees: of each sample its colour, its opacity, and what the samples before it let through."""
    passed = torch.exp(-density.cumsum(1))
    before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], 1)
    return (before * (1 - torch.exp(-density)) * colour).sum(1)


def composited_by_hand(factor):
    """What comes after a sample is the whole less what came up to it, as kernels for radiance fields have it."""

    def backward(ctx, cotangent):
        density, colour = ctx.saved_tensors
        passed = torch.exp(-density.cumsum(1))
        weight = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], 1) * (1 - torch.exp(-density))
        seen = weight * colour
        after = seen.sum(1, keepdim=True) - seen.cumsum(1)
        c = cotangent[:, None]
        return c * (passed * colour - after) * factor, c * weight

    return custom(lambda ctx, d, c: (ctx.save_for_backward(d, c), composited(d, c))[1], backward)


def test_what_a_sum_less_another_leaves_is_rounding_of_the_candidates_own():
    density = torch.tensor([[2.85, 2.08, 8.86, 5.59, 23.6], [3.45, 1.41, 0.107, 1.75, 3.45], [0.5, 0.3, 0.9, 0.2, 0.7]])
    colour = torch.tensor([[28.3, 9.06, -5.0, -18.2, -24.4], [-6.4, 8.8, -4.3, -11.0, -13.8], [0.3, -0.4, 1.2, 0.1, -0.6]])
    asked(composited_by_hand(1.0), density, colour, reference=composited)
    with pytest.raises(AssertionError, match="the gradient of d is not the reference's"):
        asked(composited_by_hand(1 + 1e-4), density, colour, reference=composited)


def chunked_sum(chunks_back):
    """A running sum along T, chunk by chunk; its backward pass carries what `chunks_back` later chunks gave."""

    def forward(ctx, x, chunk=40):
        ctx.chunk = chunk
        return x.cumsum(0)

    def backward(ctx, c):
        later = [part.sum(0) for part in c.split(ctx.chunk)]
        parts = enumerate(c.split(ctx.chunk))
        own = [part.flip(0).cumsum(0).flip(0) + sum(later[k + 1 : k + 1 + chunks_back], torch.zeros(())) for k, part in parts]
        return torch.cat(own), None

    return type("Chunked", (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def test_a_carry_that_is_lost_after_a_chunk_is_found_by_the_default_that_says_its_length():
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    said = {"reference": lambda x: x.cumsum(0), "shapes": ("T D",)}
    asked(chunked_sum(1000).apply, x, **said)
    with pytest.raises(AssertionError, match="the gradient of x"):
        asked(chunked_sum(1).apply, x, **said)
