"""A manifest of layers: what an operation says is the default of each key, names tie statements together, and open names are refused."""

import tomllib

import numpy as np
import pytest

from verifier.contracts.keys import TableError
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import KEYS, claims_from


def layer(text):
    (only,) = claims_from(tomllib.loads(text)).layers
    return only


def test_an_operation_alone_says_everything_as_the_course_does():
    conv = layer('operation = "conv"')
    assert conv.operation == "conv2d"
    assert conv.forward.lines == ("out, cache = conv_forward_naive(x, w, b, conv_param)",)
    assert conv.ties.gradients == {"x": "dx", "w": "dw", "b": "db"}
    assert conv.ties.cotangents == {"out": "dout"}
    assert conv.setup.gives == ("conv_param",)


def test_an_object_with_state_keeps_the_arrays_that_its_lines_read():
    linear = layer(
        """
        operation = "affine"
        arrays = { w = "M D", b = "M 1" }
        setup = ["layer = Linear(D, M)", "layer.W, layer.b = w, b"]
        forward = "out = layer.forward(x)"
        backward = ["dx = layer.backward(dout)", "dw, db = layer.dLdW, layer.dLdb"]
        """
    )
    assert {name: shape.text for name, shape in linear.shapes.items()} == {"x": "N D", "w": "M D", "b": "M 1"}
    problem = draw_problems(linear, 1, 0)[0]
    assert problem.arrays["w"].shape == (problem.values["M"], problem.values["D"])


def test_a_loss_without_a_cotangent_is_the_output():
    assert layer('operation = "softmax_loss"').ties.outputs == ("loss",)
    net = 'forward = "loss, grads = net.loss(X, y)"\ngradients = "grads"\narrays = {X = "N D", y = "int<C> N", W1 = "D C"}\n'
    net += 'setup = "net = Net(W1)"'
    assert layer(net).ties.outputs == ("loss",)


def test_kinds_say_what_is_differentiated():
    one = layer(
        'forward = "out, cache = f(x, y, m, t)"\nbackward = "dx = g(dout, cache)"\n'
        'arrays = {x = "N D", y = "int<C> N", m = "bool N", t = "real N"}\nsizes = {C = 3}'
    )
    assert one.differentiate == ("x",)
    problem = draw_problems(one, 1, 0)[0]
    assert problem.arrays["y"].dtype.kind == "i"
    assert problem.arrays["y"].max() < 3
    assert problem.arrays["m"].dtype == np.bool_


def test_rows_of_probabilities_sum_to_1_also_over_a_single_class():
    """A softmax of one class is 1: with another target than 1 right code is accused. Written as one number it lies inside (0, 1)."""
    text = 'forward = "loss = f(x, y, t)"\nbackward = "dx = g(x, y, t)"\n'
    text += 'arrays = {x = "N C", y = "prob N C", t = "prob N 1"}\nsizes = {C = [1, 3]}'
    problems = draw_problems(layer(text), 12, 0)
    assert {problem.values["C"] for problem in problems} >= {1, 2}
    for problem in problems:
        assert np.allclose(problem.arrays["y"].sum(axis=-1), 1.0, rtol=1e-15)
        assert np.all((problem.arrays["t"] > 0) & (problem.arrays["t"] < 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('operation = "batchnrm"', 'Did you mean "batchnorm"'),
        ('operation = "affine"\nbackward = "dx, dw = f(dout, cache)"', "gives no gradient of b"),
        ('forward = "out = f(x)"\nbackward = "dx = g(dout)"\narrays = {x = "N D", z = "N"}', "is read by no statement"),
        ('forward = "out = f(x)"\narrays = {x = "N D"}', "gives no gradient of x"),
        ('arrays = {x = "N D"}', "is missing"),
        ('operation = "affine"\narrays = {x = "N D*"}', "is not understood"),
        ('opertion = "affine"', "is not known"),
        ('[[layer]]\noperation = "affine"\nfoward = "x"', "is not known"),
        ('operation = "embedding"\nzero_at = {V = [0]}', "names no array; there are x, W"),
        ('operation = "embedding"\nzero_at = {x = [0]}', "names an array whose gradient is not claimed"),
        ('operation = "embedding"\nzero_at = {W = 0}', r"takes a list of rows by number, such as \[0\]"),
        ('operation = "embedding"\nzero_at = {W = [true]}', "takes a list of rows by number"),
        ('operation = "embedding"\nzero_at = {W = []}', "takes a list of rows by number"),
        ('operation = "embedding"\nzero_at = ["W"]', "lists of rows by array"),
        ('forward = "y = f(x)"\nbackward = "dx = g(dy)"\narrays = {x = ""}\nzero_at = {x = [0]}', "has no rows"),
        ('step = "w = sgd(w, dw)"', "optimizer"),
        ('step = "w = sgd(w, dw)"\noptimizer = {name = "adam", beta = 1.0}', "is no argument of adam"),
    ],
)
def test_what_leaves_a_name_open_is_refused(text, says):
    with pytest.raises(TableError, match=says):
        claims_from(tomllib.loads(text))


def test_sizes_differ_and_each_is_one_alone_and_conditions_hold():
    pool = layer('operation = "maxpool"\nrequire = ["(H - pool_height) % stride == 0", "(W - pool_width) % stride == 0"]')
    problems = draw_problems(pool, 40, 0)
    assert len(problems) > 20
    assert any(problem.special == ("N = 1",) for problem in problems)
    assert any(problem.values["H"] != problem.values["W"] for problem in problems)
    assert any(problem.stress == "ties" for problem in problems)
    for problem in problems:
        values = problem.values
        assert (values["H"] - values["pool_height"]) % values["stride"] == 0


def test_the_same_seed_draws_the_same_problems():
    one, other = (draw_problems(layer('operation = "affine"'), 10, 3) for _ in range(2))
    assert all(np.array_equal(a.arrays["x"], b.arrays["x"]) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(one[0].arrays["x"], draw_problems(layer('operation = "affine"'), 1, 4)[0].arrays["x"])


def test_a_step_that_changes_its_weights_in_place_is_told_how_that_is_said():
    with pytest.raises(TableError, match='where w is changed in place, add "next_w = w"'):
        layer('setup = "o = SGD(0.1)"\nstep = "o.update(w, dw)"\noptimizer = { name = "sgd", lr = 0.1 }')


def test_a_positive_array_may_claim_no_gradient():
    """A variance that is kept: positive, under a name of its own, and nobody differentiates it."""
    norm = layer(
        """
        arrays = { x = "N D", kept = "real positive D" }
        forward = "out = normalise(x, kept)"
        backward = "dx = normalise_back(dout, kept)"
        """
    )
    assert norm.differentiate == ("x",)
    assert all((problem.arrays["kept"] > 0).all() for problem in draw_problems(norm, 6, 0))
    assert layer('arrays = { x = "N D", s = "positive D" }\nforward = "y = f(x, s)"\nbackward = "dx, ds = g(dy)"').differentiate == (
        "x",
        "s",
    )


@pytest.mark.parametrize(("key", "says"), [("operatoin", "Did you mean"), ("quark", "Known are")])
def test_a_key_that_is_not_known_is_told_the_one_that_was_meant_or_all_there_are(key, says):
    with pytest.raises(TableError) as raised:
        claims_from({key: 1})
    assert says in str(raised.value)
    assert all(one in str(raised.value) for one in (KEYS if says == "Known are" else ("operation",)))
