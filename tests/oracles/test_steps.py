"""The rules of optimisers: plain form and PyTorch's agree to the last bits, right code in other forms passes, wrong code does not."""

import numpy as np
import pytest

from verifier.oracles.steps import follow
from verifier.problems.operations import exact
from verifier.problems.optimizers import Rule, take_step

RULES = [
    Rule("sgd"),
    Rule("sgd", (("momentum", 0.9),)),
    Rule("sgd", (("momentum", 0.9), ("nesterov", True), ("weight_decay", 0.1))),
    Rule("sgd", (("momentum", 0.8), ("dampening", 0.3))),
    Rule("sgd", (("momentum", 0.9), ("velocity", "step"), ("lr_decay", 0.5), ("weight_decay", 0.1))),
    Rule("sgd", (("momentum", 0.9), ("velocity", "step"), ("gamma", 0.7), ("nesterov", True))),
    Rule("sgd", (("momentum", 0.9), ("velocity", "average"))),
    Rule("sgd", (("gamma", 0.5), ("step_size", 2))),
    Rule("adam"),
    Rule("adam", (("betas", (0.8, 0.9)), ("eps", 1e-3), ("weight_decay", 0.1))),
    Rule("adam", (("amsgrad", True), ("lr_decay", 0.1))),
    Rule("adam", (("eps", 1e-3), ("eps_hat", True))),
    Rule("adam", (("eps", 1e-3), ("eps_hat", True), ("amsgrad", True))),
    Rule("adamw"),
    Rule("adamax"),
    Rule("rmsprop"),
    Rule("rmsprop", (("alpha", 0.9), ("momentum", 0.5), ("centered", True))),
    Rule("adagrad"),
    Rule("adadelta"),
]
LENGTH = 12


def path(seed: int = 0, dtype: str = "float64"):
    generator = np.random.default_rng(seed)
    start = {"w": generator.normal(size=(3, 2)).astype(dtype), "b": generator.normal(size=4).astype(dtype)}
    return start, [{name: generator.normal(size=array.shape).astype(dtype) for name, array in start.items()} for _ in range(LENGTH)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.as_table()))
def test_the_plain_form_and_pytorch_agree_to_the_last_bits(rule):
    start, gradients = path()
    reference = follow(rule, start, gradients)
    for name, value in start.items():
        state = {}
        for count, (step, found) in enumerate(zip(gradients, reference, strict=True)):
            value = take_step(rule, value, step[name], state, rate=rule.rate(rule.options["lr"], count), count=count, store=exact)
            assert np.all(np.abs(value - found.parameters[name]) <= found.tolerance(name))
            assert np.max(found.tolerance(name)) < 1e-11


def momentum_of_steps(w, g, v, rate):
    v = 0.9 * v - rate * g
    return w + v, v


def momentum_of_gradients(w, g, v, rate):
    v = 0.9 * v + g
    return w - rate * v, v


@pytest.mark.parametrize("form", [momentum_of_steps, momentum_of_gradients])
def test_momentum_in_both_forms_is_one_while_the_rate_stands_still(form):
    start, gradients = path(1, "float32")
    w, v = start["w"], np.zeros_like(start["w"])
    rule = Rule("sgd", (("momentum", 0.9), ("lr", 0.1)))
    for step, found in zip(gradients, follow(rule, start, gradients, dtype="float32"), strict=True):
        w, v = form(w, step["w"], v, np.float32(0.1))
        assert w.dtype == np.float32
        assert np.all(np.abs(w - found.parameters["w"]) <= found.tolerance("w"))


def adam(w, g, m, v, t, *, rate=0.01, corrected=True):
    """As Kingma and Ba have it, in the type of its arguments."""
    m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g**2
    seen = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if corrected else (m, v)
    return w - rate * seen[0] / (np.sqrt(seen[1]) + 1e-8), m, v


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_adam_passes_and_adam_without_its_correction_does_not(dtype):
    rule = Rule("adam", (("lr", 0.01),))
    for seed in range(20):
        start, gradients = path(seed, dtype)
        right, wrong = ([start["w"], np.zeros_like(start["w"]), np.zeros_like(start["w"])] for _ in range(2))
        for t, (step, found) in enumerate(zip(gradients, follow(rule, start, gradients, dtype=dtype), strict=True), start=1):
            right = adam(right[0], step["w"], *right[1:], t)
            wrong = adam(wrong[0], step["w"], *wrong[1:], t, corrected=False)
            assert np.all(np.abs(right[0] - found.parameters["w"]) <= found.tolerance("w"))
        assert np.max(np.abs(wrong[0] - found.parameters["w"]) / found.tolerance("w")) > 100


def test_each_step_can_begin_where_somebody_else_has_come_to():
    start, gradients = path(2)
    befores = [{name: array + 0.1 * count for name, array in start.items()} for count in range(LENGTH)]
    rule = Rule("sgd", (("momentum", 0.5), ("lr", 0.1)))
    for count, found in enumerate(follow(rule, start, gradients, befores=befores)):
        velocity = sum(0.5 ** (count - i) * gradients[i]["b"] for i in range(count + 1))
        assert np.allclose(found.parameters["b"], befores[count]["b"] - 0.1 * velocity, rtol=0, atol=1e-14)


def test_a_gradient_within_rounding_of_0_decides_no_step_of_its_sign():
    start, gradients = path(3)
    gradients[0]["b"][0] = 1e-17
    scatters = [{name: np.full_like(array, 1e-17) for name, array in start.items()} for _ in range(LENGTH)]
    found = follow(Rule("adam"), start, gradients, gradient_scatters=scatters)
    assert np.isinf(found[0].tolerance("b")[0]) and np.isfinite(found[0].tolerance("b")[1:]).all()
    assert np.isfinite(follow(Rule("sgd"), start, gradients, gradient_scatters=scatters)[0].tolerance("b")).all()
