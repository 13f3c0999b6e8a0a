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
EFFICIENT = (  # ε beside a root that is not corrected; the correction stands in the rate, as in TensorFlow
    'kept["v"][i] = 0.9 * kept["v"][i] + 0.1 * g[i]; kept["s"][i] = 0.999 * kept["s"][i] + 0.001 * g[i] ** 2; '
    'p[i] = p[i] - learning_rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * kept["v"][i] / (np.sqrt(kept["s"][i]) + 1e-5)'
)
SGD = 'optimizer = { name = "sgd", momentum = 0.9 }'
RULES = {
    "momentum": (SGD, MOMENTUM, "pass"),
    "momentum that adds up steps": (SGD, OF_STEPS, "pass"),
    "another momentum": (SGD, MOMENTUM.replace("0.9", "0.8"), "fail"),
    "plain steps": (SGD, "p[i] = p[i] - learning_rate * g[i]", "fail"),
    "adam": ('optimizer = { name = "adam" }', ADAM, "pass"),
    "adam, its efficient form": ('optimizer = { name = "adam", eps = 1e-5 }', EFFICIENT, "pass"),
    "adam, another ε": ('optimizer = { name = "adam", eps = 1e-4 }', EFFICIENT, "fail"),
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
    assert verified.verdict == status


FORMS = {
    "kept by itself": STEP,
    "passed and returned": STEP.replace("kept = {}\n\n\n", "")
    .replace("learning_rate):", "learning_rate, kept=None):")
    .replace("    if not kept:\n        kept.update(", "    if kept is None:\n        kept = dict(")
    .replace("p[len(weights) :]", "p[len(weights) :], kept"),
    "passed, without a default": STEP.replace("kept = {}\n\n\n", "")
    .replace("learning_rate):", "learning_rate, kept):")
    .replace("    if not kept:\n        kept.update(", "    if kept is None:\n        kept = dict(")
    .replace("p[len(weights) :]", "p[len(weights) :], kept"),
}
NAMED = {
    # the body of the loop, the line that declares it, the fault that is named
    "momentum": (MOMENTUM, '{ name = "sgd", momentum = 0.9 }', "update-with-momentum"),
    "nesterov": (
        'kept["v"][i] = 0.9 * kept["v"][i] + g[i]; p[i] = p[i] - learning_rate * (g[i] + 0.9 * kept["v"][i])',
        '{ name = "sgd", momentum = 0.9, nesterov = true }',
        "update-with-momentum",
    ),
    "adam": (ADAM, '{ name = "adam" }', "update-by-another-rule"),
    "rmsprop": (
        'kept["s"][i] = 0.9 * kept["s"][i] + 0.1 * g[i] ** 2; p[i] = p[i] - learning_rate * g[i] / (np.sqrt(kept["s"][i]) + 1e-6)',
        '{ name = "rmsprop", alpha = 0.9, eps = 1e-06 }',
        "update-by-another-rule",
    ),
    "decay": (
        "p[i] = p[i] - learning_rate / (1 + 0.01 * (t - 1)) * (g[i] + 0.1 * p[i])",
        '{ name = "sgd", lr_decay = 0.01, weight_decay = 0.1 }',
        "update-by-another-rule",
    ),
}


def with_step(plain, body, *, form="kept by itself", claims=(), alone=False):
    source = plain.claims(*claims) if claims else plain
    source = source[: source.index("def update")] + FORMS[form].replace("BODY", body).lstrip()
    if alone:
        source = source.replace("def backprop(", "def gradients_of(").replace(" backprop(", " gradients_of(")
    return type(plain)(source)


WAYS = [
    ("momentum", "kept by itself", True),
    ("momentum", "passed and returned", False),
    ("adam", "passed, without a default", True),
    ("nesterov", "kept by itself", False),
    ("rmsprop", "passed and returned", True),
    ("decay", "passed, without a default", False),
]


@pytest.mark.parametrize(("name", "form", "alone"), WAYS)
def test_a_rule_is_named_until_it_is_declared(name, form, alone, verify, plain):
    body, line, fault = NAMED[name]
    undeclared = verify(with_step(plain, body, form=form, alone=alone), only=("update",))
    assert undeclared.verdict == "fail"
    assert undeclared.report.diagnosis[0].fault == fault
    assert f"`optimizer = {line}`" in undeclared.report.diagnosis[0].explanation
    declared = verify(with_step(plain, body, form=form, alone=alone, claims=(f"optimizer = {line}",)))
    assert declared.verdict == "pass", declared.report.summary
    if alone:
        assert {outcome.status for outcome in declared.report.checks if outcome.id not in ("contract", "update")} == {"skipped"}


WRONG = {
    "another momentum": (SGD, MOMENTUM.replace("0.9", "0.8"), False, '`optimizer = { name = "sgd", momentum = 0.8 }`'),
    "plain steps": (SGD, "p[i] = p[i] - learning_rate * g[i]", False, "carries nothing from step to step"),
    "no bias correction": (
        'optimizer = { name = "adam" }',
        ADAM.replace("(1 - 0.9**t)", "1").replace("(1 - 0.999**t)", "1"),
        False,
        "correction",
    ),
    "twice the gradient": (SGD, MOMENTUM.replace("g[i]", "2 * g[i]"), True, "along 2 times the gradient"),
    "a velocity that is cut": (SGD, MOMENTUM.replace("0.9 * kept", "(0.9 if t < 3 else 0.5) * kept"), True, "what is carried"),
    "a wrong gradient of the biases": (SGD, MOMENTUM.replace("g[i]", "(g[i] if g[i].ndim > 1 else g[i] / 3)"), True, "wrong already"),
}


@pytest.mark.parametrize(("line", "body", "alone", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_declared_rule_is_said(line, body, alone, said, verify, plain):
    verified = verify(with_step(plain, body, claims=(line,), alone=alone), only=("update",))
    assert verified.verdict == "fail"
    assert said in verified.report.diagnosis[0].explanation


def test_gradients_that_are_wrong_below_the_output_show_in_steps_alone(verify, plain):
    source = with_step(plain.but("delta = delta @ weights[l] * slope", "delta = delta @ weights[l] ** 2 * slope"), ADAM, alone=True)
    verified = verify(type(plain)(source.replace('# contract = "mlp"\n', '# contract = "mlp"\n# optimizer = { name = "adam" }\n')))
    assert verified.verdict == "fail"
    assert "in the layers below the output alone" in verified.report.diagnosis[0].explanation
