"""Reports built by hand: one that passes, one that fails with everything in it, one full of hostile text."""

import msgspec
import pytest

from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import CandidateRecord, Counterexample, Diagnosis, Isolation, Note, Report

HOSTILE = (
    "<script>alert(1)</script> [red]x[/red] \x1b[31mred\x1b[0m \x1b]0;title\x07 ```\n# up | `tick` **bold** @all \u202edesrever \x9b2J"
)


@pytest.fixture
def passing() -> Report:
    return Report(
        schema_version=1,
        verdict="pass",
        summary="The gradients agree with finite differences and with PyTorch on 200 networks. Errors above 3e-8 are excluded.",
        candidate=CandidateRecord("vectorised_rows", "reference_impls/correct/vectorised_rows.py", "mlp", {"batch": "rows", "l2": 0.0}),
        profile="ci",
        seed=20261124,
        checks=(
            Outcome("contract", "pass", "Every answer had the claimed form.", problems=200),
            Outcome("finite-difference", "pass", "Excludes errors above 3e-8.", 40, 0, 4e-10, 3.1e-9, "weights[0]", 12, 3e-8),
            Outcome("autograd", "pass", "All within the rounding.", 200, 0, 1.2e-16, 4e-15, "biases[1]", 7, 4e-14),
            Outcome("update", "skipped", "The candidate has no `update`."),
        ),
        measurements=(
            Measurement(
                "autograd", 7, "3-4-1 sigmoid, squared_error, batch 2", "biases[1]", 1.2e-16, 4e-15, "32 x rounding scatter", "pass"
            ),
        ),
        notes=(),
        diagnosis=(),
        counterexample=None,
        isolation=Isolation(True, True, True, 7),
        environment={"python": "3.11.2", "numpy": "2.4.6"},
        printed="",
        timings={"autograd": 1.5, "finite differences": 2.0},
    )


@pytest.fixture
def failing(passing: Report) -> Report:
    autograd = Outcome(
        "autograd",
        "fail",
        "weights[1][0, 2] = -0.0811, should be -0.1621 (half, as is every gradient). Error 0.081, tolerance 4e-15.",
        200,
        198,
        0.081,
        4e-15,
        "weights[1]",
        7,
    )
    difference = Outcome(
        "finite-difference", "fail", "The gradient is not that of the candidate's own loss.", 40, 9, 0.08105, 3e-8, "weights[1]", 7
    )
    return msgspec.structs.replace(
        passing,
        verdict="fail",
        summary=autograd.message,
        candidate=CandidateRecord("factor_two", "reference_impls/faulty/factor two.py", "mlp", {"losses": ["squared_error"], "l2": 0.1}),
        checks=(passing.checks[0], difference, autograd, passing.checks[3]),
        measurements=(
            Measurement(
                "finite-difference",
                7,
                "3-4-1 sigmoid, squared_error, batch 2",
                "weights[1]",
                0.08105,
                3e-8,
                "8 x the bound of the difference",
                "fail",
                steps=(0.5, 0.125, 0.03125, 0.0078125, 0.001953125),
                differences=(-0.0935, -0.0821, -0.08112, -0.081056, -0.0810521),
                step=0.0078125,
            ),
            Measurement(
                "autograd",
                7,
                "3-4-1 sigmoid, squared_error, batch 2",
                "weights[1]",
                0.08105,
                4e-15,
                "32 x rounding scatter",
                "fail",
                -0.08105245,
                -0.1621049,
                (0, 2),
            ),
        ),
        notes=(Note("forward", "The loss has an epsilon of 1e-12 in its logarithm.", "log_epsilon = 1e-12"),),
        diagnosis=(
            Diagnosis("half-gradient", "output-delta", "Every gradient is exactly half of what squared_error asks for."),
            Diagnosis("half-loss", "output-delta", "The loss is half of the claimed one. Perhaps half_squared_error is meant."),
        ),
        counterexample=Counterexample(
            "counterexample.safetensors",
            "1-2-1 sigmoid, squared_error, batch 1",
            "autograd",
            {"x": [[1.0]], "weights[0]": [[0.5], [1.0]], "weights[1]": [[1.0, 0.5]], "biases[0]": [0.0, 1.0]},
            {"weights[1]": [[-0.0811, -0.05]], "biases[0]": [0.25, None]},
            {"weights[1]": [[-0.1622, -0.1]], "biases[0]": [0.5, 0.125]},
        ),
        printed="epoch 1\nloss 0.3\n",
        isolation=Isolation(False, True, True, None, "this kernel has no Landlock"),
    )


@pytest.fixture
def hostile(failing: Report) -> Report:
    return msgspec.structs.replace(
        failing,
        summary=HOSTILE,
        candidate=CandidateRecord(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
        checks=(Outcome("autograd", "fail", HOSTILE + " again", 3, 1, 0.5, 1e-9, HOSTILE, 0),),
        measurements=(Measurement(HOSTILE, 0, HOSTILE, HOSTILE, 0.5, 1e-9, HOSTILE, "fail", steps=(0.5, 0.1), differences=(1.0, 1.1)),),
        notes=(Note(HOSTILE, HOSTILE, HOSTILE),),
        diagnosis=(Diagnosis(HOSTILE, HOSTILE, HOSTILE), Diagnosis(HOSTILE, HOSTILE, HOSTILE)),
        counterexample=Counterexample(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [1.0, HOSTILE]}, {HOSTILE: [1.0]}, {HOSTILE: [HOSTILE]}),
        isolation=Isolation(False, False, True, None, HOSTILE),
        environment={HOSTILE: HOSTILE},
        printed=HOSTILE,
        timings={HOSTILE: 1.0},
    )
