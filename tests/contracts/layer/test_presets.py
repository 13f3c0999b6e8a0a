"""Presets: each file is read as a manifest, a course is recognised by its names, and what is not there is said and changes nothing."""

import pytest

import verifier
from verifier.cli.check import PRESETS
from verifier.contracts.catalogue import contract_of
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.presets import catalogue
from verifier.verification.judging import judge

RELU = "def relu_forward(x):\n    return np.maximum(x, 0), x\n\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n"


@pytest.mark.parametrize("name", catalogue.names())
def test_every_layer_of_a_preset_can_be_drawn_for(name):
    claims = claims_from({"preset": name})
    assert claims.partial
    for layer in claims.layers:
        assert layer.optimizer is not None or len(draw_problems(layer, 20, 0)) >= 10, layer.name


def test_the_command_offers_the_presets_that_there_are():
    assert (*catalogue.names(), *contract_of("engine").adapters) == PRESETS


def test_a_course_is_recognised_by_its_names_and_other_code_is_not():
    assert catalogue.recognised(RELU) == "cs231n"
    assert catalogue.recognised("class ReLU:\n    def backward(self, dLdA):\n        return dLdA\nclass Sigmoid:\n    pass\n") == "mytorch"
    assert catalogue.recognised("def linear_backward(dZ, c):\n    pass\ndef relu_backward(dA, c):\n    pass\n") == "deeplearning-ai"
    assert catalogue.recognised("def backprop(weights, biases, x, y):\n    pass\n") is None


def test_a_file_without_a_manifest_is_judged_by_its_course_and_says_so(tmp_path):
    file = tmp_path / "layers.py"
    file.write_text(f"import numpy as np\n{RELU}def affine_forward(x, w, b):\n    pass\n\ndef affine_backward(dout, cache):\n    pass\n")
    report = verifier.check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    assert {layer.name: layer.verdict for layer in report.layers} == {"affine": "not-done", "relu": "pass"}
    assert any("preset cs231n" in note.message for note in report.notes)
    assert any("not judged" in note.message and "lstm" in note.message for note in report.notes)


def test_under_an_assignment_every_layer_is_a_part_of_the_score_and_has_to_be_there(tmp_path):
    assignment = tmp_path / "assignment.toml"
    assignment.write_text('contract = "layer"\n[[layer]]\noperation = ["relu", "tanh"]\n')
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "without.py").write_text(f"import numpy as np\n{RELU}")
    unwritten = "def tanh_forward(x):\n    pass\n\ndef tanh_backward(dout, cache):\n    pass\n"
    (tmp_path / "class" / "unwritten.py").write_text(f"import numpy as np\n{RELU}{unwritten}")
    reports = {
        report.candidate.name: report for report in verifier.check([str(tmp_path / "class")], profile="quick", assignment=assignment)
    }
    assert {name: (report.verdict, report.reason, report.score.points) for name, report in reports.items()} == {
        "without": ("error", "", 50.0),
        "unwritten": ("error", "not-done", 50.0),
    }
    assert reports["without"].summary.startswith("tanh: there is no `tanh_forward`; the file has relu_backward, relu_forward.")
    assert reports["unwritten"].summary == "tanh: It is not written yet: it returns nothing. 1 of 2 layers is right."


def test_under_an_assignment_a_pass_names_what_is_not_there(tmp_path):
    (tmp_path / "relu.py").write_text(f"import numpy as np\n{RELU}")
    (tmp_path / "task.toml").write_text('contract = "layer"\npreset = "cs231n"\n')
    (found,) = judge([str(tmp_path / "relu.py")], assignment=str(tmp_path / "task.toml"), profile="quick")
    assert found.report.verdict == "pass"
    assert "Not there, and not judged: affine, batchnorm, " in found.report.summary
