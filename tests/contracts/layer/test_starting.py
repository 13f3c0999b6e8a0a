"""Files to start from: each is read as a manifest, and its functions are there but not written; operations come from plug-ins too."""

import pytest

import verifier
from verifier import plugins
from verifier.cli import main
from verifier.contracts.keys import TableError
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.operations import catalogue
from verifier.contracts.layer.operations.operation import Operation
from verifier.contracts.layer.starting import starting_layer

WRITABLE = [name for name, entry in catalogue.operations().items() if entry.forward]


@pytest.mark.parametrize("name", WRITABLE)
def test_every_usual_call_can_be_started_from(name):
    text = starting_layer({"operation": name})
    compile(text, name, "exec")
    assert f'operation = "{name}"' in text
    assert "_forward" in text or "_loss" in text


def test_an_operation_without_a_usual_call_is_refused():
    with pytest.raises(TableError, match="no usual call"):
        starting_layer({"operation": "instance_norm"})


def test_the_command_writes_a_file_that_is_not_done_yet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--contract", "layer", "--operation", "conv2d", "conv.py"]) == 0
    report = verifier.check(tmp_path / "conv.py", profile="quick")
    assert report.layers[0].verdict == "not-done", report.summary


def test_a_plugged_in_operation_gives_arrays_and_calls(monkeypatch):
    cube = Operation("cube", {"x": "N D"}, {"out": "N D"}, "out, cache = cube_forward(x)", "dx = cube_backward(dout, cache)")
    monkeypatch.setattr(plugins, "plugged_in", lambda group: {"cube": None} if group == plugins.OPERATIONS else {})
    monkeypatch.setattr(plugins, "part_of", lambda group, name, part: {("cube", "layer_operation"): cube}[name, part])
    (layer,) = claims_from({"operation": "cube"}).layers
    assert (layer.forward.lines, tuple(layer.shapes)) == (("out, cache = cube_forward(x)",), ("x",))
