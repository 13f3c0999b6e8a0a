"""`explain`, `faults` and `selftest`: what a reader of the terminal gets."""

import pytest

from verifier.cli import main


def test_the_worked_example_is_shown_with_its_contradiction(capsys):
    assert main(["explain", "--worked-example"]) == 0
    shown = capsys.readouterr().out
    assert "0.64570" in shown and "-0.0811" in shown and "-0.16210" in shown
    assert "factor ½" in shown


def test_a_stored_problem_is_worked_line_by_line(tmp_path, capsys):
    assert main(["check", "reference_impls/faulty/no_hidden_derivative.py", "--profile", "quick", "--report-dir", str(tmp_path)]) == 1
    capsys.readouterr()
    folder = tmp_path / "no_hidden_derivative"
    assert main(["explain", str(folder / "counterexample.safetensors")]) == 0
    assert "z[0] = W[0] x + b[0]" in capsys.readouterr().out
    assert main(["explain", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "The first difference: equation hidden-delta." in shown
    assert shown.index("✓ δ[1]") < shown.index("✗ δ[0]")


@pytest.mark.parametrize("words", ["explain", "explain missing.safetensors", "faults no-such", "selftest --fault x"])
def test_a_wrong_request_is_one_line(words, capsys):
    assert main(words.split()) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_faults_are_listed_by_equation_and_one_is_shown_with_its_remedy(capsys):
    assert main(["faults"]) == 0
    assert "hidden-derivative-missing" in capsys.readouterr().out
    assert main(["faults", "bias-one-number"]) == 0
    assert "np.sum(delta, axis=" in capsys.readouterr().out


def test_selftest_finds_and_names_what_it_plants(capsys):
    assert main(["selftest", "--fault", "sign", "--fault", "bias-zero"]) == 0
    assert "2 mistakes: 2 found, 2 named rightly" in capsys.readouterr().out


def test_the_words_of_a_report_are_explained_and_every_heading_of_its_table_is_one(capsys):
    assert main(["explain", "--terms"]) == 0
    told = capsys.readouterr().out
    for word in ("network", "tolerance", "excludes above", "networks", "error", "status", "check"):
        assert any(line.startswith(word) for line in told.splitlines()), word
