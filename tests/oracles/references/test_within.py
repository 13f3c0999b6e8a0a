"""A reference that takes only some numbers: its inputs are drawn where the examples are."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.references.domains import WITHIN, with_special
from verifier.oracles.references.points import Source
from verifier.oracles.references.space import Case
from verifier.oracles.references.within import within_examples
from verifier.problems.sizes import parse_shape

F = torch.nn.functional


def odds(c, r):
    """Of two log-probabilities, as preference losses have them."""
    return -F.logsigmoid((c - r) - (torch.log1p(-torch.exp(c)) - torch.log1p(-torch.exp(r)))).mean()


class Odds(torch.autograd.Function):
    inner = True

    @staticmethod
    def forward(ctx, c, r):
        ctx.save_for_backward(c, r)
        return odds(c, r)

    @classmethod
    def backward(cls, ctx, cotangent):
        c, r = ctx.saved_tensors
        odds_ratio = (c - r) - (torch.log1p(-torch.exp(c)) - torch.log1p(-torch.exp(r)))
        slope = -torch.sigmoid(-odds_ratio) * cotangent / c.numel()
        return (slope / -torch.expm1(c), -slope / -torch.expm1(r)) if cls.inner else (slope, -slope)


class WithoutInner(Odds):
    inner = False


LOGARITHMS = (torch.tensor([-0.2, -0.9, -0.4, -1.3], dtype=torch.float64), torch.tensor([-0.7, -0.3, -1.1, -0.5], dtype=torch.float64))


def asked(candidate, *tensors, reference=odds, shapes=("N", "N")):
    return assert_gradients(candidate, *tensors, reference=reference, shapes=shapes, seed=0, draws=5)


def test_a_reference_of_negative_numbers_is_asked_at_negative_ones():
    result = asked(Odds.apply, *LOGARITHMS)
    assert result.draws > 50
    assert "c is drawn as its example shows it: within its range" in result.notes


def test_what_is_wrong_everywhere_needs_no_axis():
    with pytest.raises(AssertionError, match=r"the gradient of c is not the reference's\."):
        asked(WithoutInner.apply, *LOGARITHMS)


def test_only_what_has_to_be_is_kept_within_its_range():
    cosines = torch.linspace(-0.9, 0.95, 12, dtype=torch.float64)
    result = asked(lambda x, c: x * torch.acos(c), torch.randn(12).double(), cosines, reference=lambda x, c: torch.acos(c) * x)
    assert [note for note in result.notes if "within" in note] == ["c is drawn as its example shows it: within its range"]


def test_points_that_a_reference_does_not_take_are_counted():
    result = asked(
        lambda x: x.mean().sqrt(),
        torch.tensor([3.0, -0.5, 2.0], dtype=torch.float64),
        reference=lambda x: (x.sum() / len(x)).sqrt() if x.mean() > 1.4 else x.sum() * math.nan,
        shapes=("N",),
    )
    assert any("points: the reference is not finite there; say with draw= what it takes" in one for one in result.not_drawn)


def test_a_few_points_that_a_reference_does_not_take_are_not_worth_a_line():
    result = asked(
        lambda x: x * 2,
        torch.tensor([3.0, -0.5, 2.0], dtype=torch.float64),
        reference=lambda x: x * (math.nan if x[0] > 2.5 else 2),
        shapes=("N",),
    )
    assert not any("points: the reference" in one for one in result.not_drawn)


def kept_within(answers):
    """Which of two arguments are kept within their examples' range by a reference that has a number where this says so."""
    example = torch.linspace(-1, 1, 5, dtype=torch.float64)
    sources = {name: Source(parse_shape("N"), example, "real") for name in "ab"}
    judge = SimpleNamespace(
        sources=sources, truth_at=lambda tensors, case: SimpleNamespace(is_finite=lambda: answers(*(tensors[name] for name in "ab"), case))
    )
    found = within_examples(judge, Case({"N": 5}, (), {}, {}, 0), dict.fromkeys("ab", example))
    return [name for name, one in found.items() if one.domain == WITHIN]


def test_a_range_is_kept_only_where_it_is_needed_often_and_helps():
    assert kept_within(lambda a, b, case: bool((a.abs() <= 1).all())) == ["a"]
    assert kept_within(lambda a, b, case: case.seed > 0 or bool((a.abs() <= 1).all())) == []  # three of four points are enough
    assert kept_within(lambda a, b, case: bool(a[0] == -1)) == []  # the example alone


def test_numbers_within_a_range_become_no_larger_ones():
    numbers = np.linspace(-1, 1, 5)
    for values in ("large", "huge", "zeros"):
        assert (with_special(numbers, WITHIN, values, np.random.default_rng(0)) == numbers).all()
