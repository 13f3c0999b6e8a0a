"""`update` under a manifest that names an optimiser: right rules in several forms pass, others fail, and momentum undeclared is named."""

import pytest

STEP = """

kept = {}


def update(weights, biases, x, y, learning_rate):
    _, by_weights, by_biases = backprop(weights, biases, x, y)
    p, g = [*weights, *biases], [*by_weights, *by_biases]
    if not kept:
        kept.update(v=[0 * w for w in p], s=[0 * w for w in p], t=0)
    kept["t"] += 1
    t = kept["t"]
    for i in range(len(p)):
        BODY
    return p[: len(weights)], p[len(weights) :]
"""
MOMENTUM = 'kept["v"][i] = 0.9 * kept["v"][i] + g[i]; p[i] = p[i] - learning_rate * kept["v"][i]'
OF_STEPS = 'kept["v"][i] = 0.9 * kept["v"][i] - learning_rate * g[i]; p[i] = p[i] + kept["v"][i]'
ADAM = (
    'kept["v"][i] = 0.9 * kept["v"][i] + 0.1 * g[i]; kept["s"][i] = 0.999 * kept["s"][i] + 0.001 * g[i] ** 2; '
    'p[i] = p[i] - learning_rate * (kept["v"][i] / (1 - 0.9**t)) / (np.sqrt(kept["s"][i] / (1 - 0.999**t)) + 1e-8)'
)
SGD = 'optimizer = { name = "sgd", momentum = 0.9 }'
RULES = {
    "momentum": (SGD, MOMENTUM, "pass"),
    "momentum that adds up steps": (SGD, OF_STEPS, "pass"),
    "another momentum": (SGD, MOMENTUM.replace("0.9", "0.8"), "fail"),
    "plain steps": (SGD, "p[i] = p[i] - learning_rate * g[i]", "fail"),
    "adam": ('optimizer = { name = "adam" }', ADAM, "pass"),
    "adam without its correction": ('optimizer = { name = "adam" }', ADAM.replace("(1 - 0.9**t)", "1"), "fail"),
    "a rate that decays": (
        'optimizer = { name = "sgd", lr_decay = 0.1 }',
        "p[i] = p[i] - learning_rate / (1 + 0.1 * (t - 1)) * g[i]",
        "pass",
    ),
}


@pytest.mark.parametrize(("line", "body", "status"), RULES.values(), ids=RULES)
def test_the_declared_rule_is_judged_along_paths(line, body, status, verify, plain):
    source = plain.claims(line)
    source = source[: source.index("def update")] + STEP.replace("BODY", body).lstrip()
    verified = verify(type(plain)(source), only=("update",))
    assert verified.status("update") == status, verified.outcome("update").message
