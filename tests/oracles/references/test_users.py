"""First calls of people who have not read the documentation: what is meant is done, or one sentence says what is right."""

import time

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.references import search

F = torch.nn.functional


def test_a_gradient_of_a_number_takes_no_cotangent_beside_a_reference_either():
    arrays = np.ones((3, 2)), np.arange(12.0).reshape(4, 3)

    def asked(factor):
        assert_gradients(
            lambda w, x: 0.5 * np.sum((x @ w) ** 2),
            lambda w, x: (factor * x.T @ (x @ w), (x @ w) @ w.T),
            *arrays,
            reference=lambda w, x: 0.5 * ((x @ w) ** 2).sum(),
            seed=0,
            draws=3,
        )

    asked(1)
    with pytest.raises(AssertionError, match="the gradient of w is not the reference's"):
        asked(2)


def test_a_gradient_with_options_gets_its_cotangent_where_the_output_is_one_number_too():
    found = assert_gradients(
        lambda x, *, power: x**power,
        lambda x, cotangent, *, power: cotangent * power * x ** (power - 1),
        np.ones(4),
        reference=lambda x, *, power: x**power,
        shapes=("N",),
        options={"power": [2, 3]},
        seed=0,
        draws=3,
    )
    assert found.draws > 40


def test_dropout_and_double_backward_and_complex_numbers_are_right_beside_themselves():
    assert_gradients(lambda x: F.dropout(x, 0.5), torch.ones(5, 6), reference=lambda x: F.dropout(x, 0.5), seed=0, draws=3)
    found = assert_gradients(
        lambda x: torch.autograd.grad((x**3).sum(), x, create_graph=True)[0], torch.ones(3), reference=lambda x: 3 * x * x, seed=0, draws=3
    )
    assert "usage: two forward passes before one backward" in found.axes
    z = torch.ones(3, dtype=torch.complex128)
    assert_gradients(lambda z: z * z, z, reference=lambda z: z**2, seed=0, draws=3)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"integers": {"index": "index V"}}, "integers= names index, which is no argument: there are x, i"),
        ({"masks": ("keep",)}, "masks= names keep"),
        ({"integers": {"i": "index V"}}, '"V" names V, which is no size and no option: shapes= names the sizes.'),
        ({"require": ("L <= T",)}, '"L <= T" names L, which is no size and no option'),
        ({"options": {"p": [1, 2]}}, "the candidate cannot be called with (x, i, p=)"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(said, words):
    with pytest.raises(TypeError) as caught:
        assert_gradients(lambda x, i: x[i], torch.ones(3, 4), torch.tensor([0, 1]), reference=lambda x, i: x[i], **said)
    assert words in str(caught.value)


class Conjugated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, cotangent):
        return 2 * ctx.saved_tensors[0] * cotangent


def test_a_gradient_that_is_not_conjugated_is_named():
    with pytest.raises(AssertionError, match="complex conjugate"):
        assert_gradients(Conjugated.apply, torch.randn(3, dtype=torch.complex128), reference=lambda z: z * z, seed=0, draws=3)


def test_a_candidate_that_only_calls_the_reference_is_told_so():
    x = torch.tensor([0.9, -0.3, 1.9])  # of both signs: nothing is noted of the example
    notes = assert_gradients(lambda x: F.silu(x), x, reference=F.silu, seed=0, draws=3).notes
    assert any("only calls the reference" in note for note in notes)
    assert not assert_gradients(lambda x: x * torch.sigmoid(x), x, reference=F.silu, seed=0, draws=3).notes


def test_inputs_that_a_kernel_refuses_are_a_note_and_no_mistake():
    def kernel(x):
        assert x.is_contiguous()
        return 2 * x

    found = assert_gradients(kernel, torch.randn(3, 4), reference=lambda x: x + x, shapes=("N D",), seed=0, draws=30)
    assert ["may be refused" in note and "other cases" in note for note in found.notes] == [True]  # one note, however often


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, factor):
        ctx.save_for_backward(x, weight)
        ctx.factor = factor
        return x @ weight.T

    @staticmethod
    def backward(ctx, cotangent):
        x, weight = ctx.saved_tensors
        return cotangent @ weight, ctx.factor * cotangent.T @ x, None


class Linear(torch.nn.Module):
    def __init__(self, weight, factor=1):
        super().__init__()
        self.weight, self.factor = torch.nn.Parameter(weight.detach().clone()), factor

    def forward(self, x):
        return Scaled.apply(x, self.weight, self.factor)


def test_the_parameters_of_a_module_are_judged_beside_those_of_another():
    plain = torch.nn.Linear(3, 4, bias=False)
    assert_gradients(Linear(plain.weight), torch.ones(5, 3), reference=plain, seed=0, draws=3)
    with pytest.raises(AssertionError, match=r"the gradient of weight is not the reference's.\nIt is twice the right one"):
        assert_gradients(Linear(plain.weight, 2), torch.ones(5, 3), reference=plain, seed=0, draws=3)
    with pytest.raises(TypeError, match="the reference has the parameters"):
        assert_gradients(Linear(plain.weight), torch.ones(5, 3), reference=torch.nn.Linear(3, 4), seed=0)


def test_dictionaries_of_parameters_are_judged_beside_a_reference():
    parameters, x = {"w": np.ones((3, 4)), "b": np.arange(4.0)}, np.ones((5, 3))

    def gradient(p, x, dy):
        return {"w": x.T @ dy, "b": dy.sum(0)}, dy @ p["w"].T

    def reference(p, x):
        return x @ p["w"] + p["b"]

    assert_gradients(reference, gradient, parameters, x, reference=reference, seed=0, draws=3)
    with pytest.raises(AssertionError, match=r"the gradient of p\['b'\] is not the reference's"):
        assert_gradients(
            reference, lambda p, x, dy: ({"w": x.T @ dy, "b": dy[0]}, dy @ p["w"].T), parameters, x, reference=reference, seed=0, draws=3
        )


class OwnDropout(torch.autograd.Function):
    """A mask of its own, drawn in the type of its argument."""

    factor = 1 / 0.7

    @classmethod
    def forward(cls, ctx, x):
        keep = torch.rand_like(x) >= 0.3
        ctx.save_for_backward(keep)
        return x * keep / 0.7

    @classmethod
    def backward(cls, ctx, cotangent):
        return cotangent * ctx.saved_tensors[0] * cls.factor


class UnscaledDropout(OwnDropout):
    factor = 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_mask_drawn_with_random_numbers_is_the_same_in_each_type(dtype):
    def plain(x):
        return x * (torch.rand_like(x) >= 0.3) / 0.7

    assert_gradients(OwnDropout.apply, torch.ones(4, 5, dtype=dtype), reference=plain, seed=0, draws=2)
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's"):
        assert_gradients(UnscaledDropout.apply, torch.ones(4, 5, dtype=dtype), reference=plain, seed=0, draws=2)


@pytest.mark.parametrize(
    "draw", [torch.randn_like, lambda x: torch.rand(x.shape, dtype=x.dtype), lambda x: torch.empty_like(x).uniform_(), torch.bernoulli]
)
def test_whatever_draws_draws_for_the_reference_what_it_draws_for_the_code(draw):
    x = torch.rand(4, 5)
    assert_gradients(lambda x: x * draw(x.detach()), x, reference=lambda x: draw(x.detach()) * x, seed=0, draws=2)


def _policy(x, ratio):
    return -torch.minimum(torch.exp(x) * ratio, torch.exp(x).clamp(0.8, 1.2) * ratio).sum()


class Clipped(torch.autograd.Function):
    """The gradient of a clipped ratio: 0 times e^200 where it is clipped, which is no number in float32, nor is it by autograd."""

    @staticmethod
    def forward(ctx, x, ratio):
        ctx.save_for_backward(x, ratio)
        return _policy(x, ratio)

    @staticmethod
    def backward(ctx, cotangent):
        x, ratio = ctx.saved_tensors
        kept = ~(((torch.exp(x) > 1.2) & (ratio > 0)) | ((torch.exp(x) < 0.8) & (ratio < 0)))
        return -torch.exp(x) * ratio * kept * cotangent, None


def test_what_the_reference_itself_has_no_number_for_in_float32_is_not_asked():
    x, ratio = torch.randn(4, 5).requires_grad_(), torch.rand(4, 5) + 0.1
    found = assert_gradients(Clipped.apply, x, ratio, reference=_policy, seed=0, draws=5)
    assert found.draws > 20
    with pytest.raises(AssertionError, match="inputs of 100 and more"):  # softmax is finite there, and so has its gradient to be
        assert_gradients(
            lambda x: torch.exp(x) / torch.exp(x).sum(-1, keepdim=True),
            torch.randn(4, 5),
            reference=lambda x: x.softmax(-1),
            seed=0,
            draws=0,
        )


def test_lengths_of_segments_stay_lengths_of_them():
    def product(x, weight, counts):
        return torch.cat([part @ weight[which] for which, part in enumerate(x.split(counts.tolist()))])

    def plain(x, weight, counts):
        which = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return torch.einsum("nd,ndo->no", x, weight[which])

    found = assert_gradients(
        product, torch.randn(6, 3), torch.randn(4, 3, 5), torch.tensor([2, 0, 3, 1]), reference=plain, seed=0, draws=20
    )
    assert found.draws > 40 and any("lengths of segments" in line for line in found.not_drawn)


def test_an_output_in_a_narrower_type_is_said_to_be_right_to_so_many_digits():
    x = torch.ones(3, 4, dtype=torch.float64)
    with pytest.raises(AssertionError, match=r"right to \d digits: is a part of it computed in a narrower type"):
        assert_gradients(lambda x: torch.tanh(x.float()).double(), x, reference=torch.tanh, seed=0, draws=0)


def test_modules_of_two_classes_are_two_functions():
    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.weight

    class Same(Scale):
        def forward(self, x):
            return self.weight * x

    notes = assert_gradients(Same(), torch.randn(2, 3), reference=Scale(), seed=0, draws=0).notes
    assert not any("only calls the reference" in note for note in notes)


def test_sizes_at_which_measuring_takes_too_long_are_left_out_and_the_users_own_are_not(monkeypatch):
    monkeypatch.setattr(search, "MEASURING", 1e9)
    found = assert_gradients(
        lambda x: x * torch.sigmoid(x), torch.randn(70, 2), reference=torch.nn.functional.silu, shapes=("T D",), seed=0, draws=0
    )
    assert found.draws > 20
    assert any("more than 10 s" in line for line in found.not_drawn)


def test_a_time_limit_is_that_of_the_formula_and_of_the_narrow_type_together(monkeypatch):
    given = []

    def searched(judge, space, cases, time_limit):
        given.append(time_limit)
        time.sleep(0.2)
        return search.Searched(None, None, (), 1, {}, (), (), stopped=len(given) == 1)

    monkeypatch.setattr(search, "_search", searched)
    x = torch.randn(3, 4, dtype=torch.bfloat16)
    result = assert_gradients(lambda x: 2 * x, x, reference=lambda x: x + x, shapes=("N D",), seed=0, draws=0, time_limit=1.0)
    assert given[0] == 0.5 and 0 < given[1] <= 0.8
    assert "the time limit of 1.0 s ended the search after 2 draws" in result.not_drawn
