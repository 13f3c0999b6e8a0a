"""What a wrong gradient makes of the cotangent, of sizes and of an activation, on cases whose derivatives are known by hand."""

import numpy as np
import pytest

from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.regions import is_there, region_of
from verifier.diagnosis.layer.relations import related

SIZES = ((4, 3, 2), (3, 5, 4))


def numbers(*key):
    return np.random.default_rng(key)


def affine(activation, derivative, claim, sizes):
    """activation(x W) of sizes N, D, M with claim(cotangent, output) as the cotangent of x W; `derivative` is the activation's VJP."""
    n, d, m = sizes
    x, w, c = (numbers(n, key).normal(size=shape) for key, shape in enumerate(((n, d), (d, m), (n, m))))
    out = activation(x @ w)
    columns = np.stack([(x.T @ derivative(one.reshape(n, m), out)).ravel() for one in np.eye(n * m)])

    def claimed(factor):
        return {"w": x.T @ claim(factor * c, out)}

    return Case(
        values={"N": n, "D": d, "M": m},
        arrays={"x": x, "w": w},
        claimed=claimed(1.0),
        jacobians={"w": columns},
        cotangent=c.ravel(),
        shape=out.shape,
        cotangent_of={"dout": slice(0, c.size)},
        outputs=out,
        scaled={factor: claimed(factor) for factor in (2.0, -1.0)},
    )


def softmax(z):
    powers = np.exp(z)
    return powers / powers.sum(axis=1, keepdims=True)


def of_softmax(c, p):
    return p * (c - (p * c).sum(axis=1, keepdims=True))


def said(activation, derivative, claim):
    return related("w", [affine(activation, derivative, claim, sizes) for sizes in SIZES])


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (lambda c, p: p * (1 - p) * c, "has P(1 - P) where the whole Jacobian of the softmax belongs"),
        (lambda c, p: p * c, "lacks the sum that the Jacobian of the softmax takes off: it has P·dout alone"),
        (lambda c, p: c, "lacks the derivative of its activation: dout goes through as it is"),
    ],
)
def test_the_derivative_of_a_softmax_that_ends_an_affine_layer_is_named(claim, says):
    assert said(softmax, of_softmax, claim) == ("activation", says)


def test_a_tanh_that_is_applied_a_second_time_is_named():
    found = said(np.tanh, lambda c, t: (1 - t * t) * c, lambda c, t: (1 - np.tanh(t) ** 2) * c)
    assert found == ("activation", "applies tanh a second time in the derivative of its activation")
    assert "activation" not in str(said(np.tanh, lambda c, t: (1 - t * t) * c, lambda c, t: (1 - t**4) * c))


def test_a_term_without_the_cotangent_is_named_and_a_clipped_gradient_is_not_taken_for_one():
    found = said(np.tanh, lambda c, t: (1 - t * t) * c, lambda c, t: (1 - t * t) * c + t)
    assert found == ("term-without-the-cotangent", "has a term that is the same whatever dout is: that factor is missing in it")
    clipped = said(np.tanh, lambda c, t: (1 - t * t) * c, lambda c, t: np.clip((1 - t * t) * c, -0.3, 0.3))
    masked = said(np.tanh, lambda c, t: (1 - t * t) * c, lambda c, t: (c > 0) * (1 - t * t) * c)
    assert "the same whatever" not in f"{clipped} {masked}"


def linear(right, wrong, sizes):
    """One array whose gradient is known: its cotangents are ones."""
    flat = right.ravel()
    return Case(
        values=sizes,
        arrays={"w": np.where(np.arange(flat.size) % 2, 1.0, -1.0).reshape(right.shape)},
        claimed={"w": wrong},
        jacobians={"w": np.diag(flat)},
        cotangent=np.ones(flat.size),
        shape=(flat.size,),
    )


def test_a_gradient_divided_by_one_size_where_another_belongs_is_named():
    cases = [linear(g, g * d / n, {"N": n, "D": d}) for n, d, g in ((4, 3, numbers(1).normal(size=5)), (2, 5, numbers(2).normal(size=5)))]
    assert related("w", cases) == ("factor", "is divided by N where D belongs")


def test_a_factor_is_named_beside_a_small_departure_but_not_beside_a_large_one():
    draws = [(4, numbers(1).normal(size=6)), (3, numbers(2).normal(size=6))]

    def with_departure(size):
        return related("w", [linear(g, g / n + size * numbers(n).normal(size=6), {"N": n}) for n, g in draws])

    assert with_departure(1e-5) == ("factor", "is divided by N, which it should not be, and beside that off by less than a thousandth")
    assert with_departure(1e-2) is None


def test_a_factor_that_holds_in_a_region_is_said_with_it():
    right = numbers(3).normal(size=8)
    one = linear(right, right, {"N": 8})
    wrong = [linear(right, np.where(one.arrays["w"] < 0, 2 * right, right), {"N": 8})]
    assert region_of("w", wrong) == "where w is negative only"
    assert is_there("w", wrong) == "is twice what it should be"


@pytest.mark.parametrize(
    ("slope", "says"), [(lambda y: y * (1 - y), "is dy·y(1 - y), as of a sigmoid"), (lambda y: 1 - y * y, "is dy·(1 - y²), as of tanh")]
)
def test_a_slope_by_outputs_that_the_forward_pass_does_not_give_is_named(slope, says):
    x, cotangent = numbers(4).normal(size=(2, 3)), numbers(5).normal(size=6)
    outputs = 1 + np.exp(x)

    def claimed(share):
        one = share * cotangent.reshape(x.shape)
        slopes = np.diag(np.exp(x).ravel())
        return Case({"N": 2, "D": 3}, {"x": x}, {"x": one}, {"x": slopes}, cotangent, x.shape, {"dy": slice(0, 6)}, outputs=outputs)

    found = related("x", [claimed(slope(outputs))])
    assert found == ("slope-by-outputs", f"{says}: that holds of its outputs, and the forward pass gives others")
    assert "slope-by-outputs" not in str(related("x", [claimed(slope(outputs) + 0.01)]))
