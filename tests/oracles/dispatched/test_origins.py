"""What is whole is exact, and what a function makes of nothing but its own numbers is as exact as it says."""

import pytest
import torch
from torch import Tensor

from verifier.oracles.dispatched.measuring import measure
from verifier.oracles.dispatched.narrow.judging import judge_narrow


def _turned(x: Tensor, angle: Tensor) -> Tensor:
    one, two = x.chunk(2, -1)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([one * cos - two * sin, one * sin + two * cos], -1)


def _angles(x: Tensor, narrow: torch.dtype) -> Tensor:
    """Of positions and frequencies in float32, or rounded first."""
    frequencies = 1.0 / 10000 ** (torch.arange(0, x.shape[-1], 2).float() / x.shape[-1])
    return torch.outer(torch.arange(len(x)).to(narrow), frequencies.to(narrow))


def _said_of(claimed: Tensor, x: Tensor) -> str:
    call = {"x": x.detach()}
    return judge_narrow(
        lambda at: _turned(at["x"], _angles(at["x"], torch.float32)),
        call,
        [torch.ones(x.shape)],
        {"output": claimed},
        differentiate=("x",),
        dtype=x.dtype,
    )["output"].status


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_angles_of_positions_are_as_exact_as_the_reference_makes_them(dtype: torch.dtype) -> None:
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert _said_of(_turned(x, _angles(x, torch.float32)), x) == "right"
    assert _said_of(_turned(x, _angles(x, dtype)), x) == "wrong"


def test_the_slopes_of_heads_are_rounded_once_where_they_are_used() -> None:
    scores = torch.randn(4, 30, 30, generator=torch.Generator().manual_seed(0)).bfloat16()

    def biased(scores: Tensor, exact: torch.dtype = torch.float32) -> Tensor:
        slopes = 2.0 ** (-8.0 * (torch.arange(4, dtype=torch.float32) + 1) / 4)
        apart = (torch.arange(30)[:, None] - torch.arange(30)).abs()
        return torch.softmax(scores - (apart * slopes[:, None, None]).to(exact).to(scores.dtype), -1)

    found = judge_narrow(
        lambda at: biased(at["scores"]),
        {"scores": scores},
        [torch.ones(scores.shape)],
        {"output": biased(scores, torch.bfloat16)},
        differentiate=("scores",),
        dtype=torch.bfloat16,
    )
    assert found["output"].status == "right"


def _sampled(image: Tensor, x: Tensor) -> Tensor:
    """Between the numbers of each row, 0 outside, as by hand: floor(x) + 1 is compared with the length."""
    length = image.shape[-1]
    low = x.floor()
    high = low + 1

    def at(place: Tensor) -> Tensor:
        inside = (place >= 0) & (place < length)
        return image.gather(-1, place.clamp(0, length - 1).long()) * inside

    return at(low) * (1 - (x - low)) + at(high) * (x - low)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_place_that_was_computed_is_inside_or_not(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {"image": torch.randn(1, 4, generator=generator), "x": torch.tensor([[3.4, -0.6, 1.5]])}
    found = measure(lambda at: _sampled(at["image"], at["x"]), tensors, [torch.ones(1, 3)], differentiate=("image", "x"), dtype=dtype)
    assert found.kinks == ()
    assert float(found.gradient_scatter["x"].max()) < 100 * torch.finfo(dtype).eps


def test_a_place_on_a_number_is_still_a_kink() -> None:
    tensors = {"image": torch.tensor([[1.0, 2.0, 4.0, 8.0]]), "x": torch.tensor([[2.0]])}
    found = measure(lambda at: _sampled(at["image"], at["x"]), tensors, [torch.ones(1, 1)], differentiate=("x",))
    assert "floor" in found.kinks
