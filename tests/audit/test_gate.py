"""What `verifier audit` ends with: a flaky or red suite decides nothing, a share or a baseline makes it a gate."""

from tests.audit.projects import FILES, LAYERS, PATTERNS, TESTS

QUICK = (*PATTERNS, "--only", "affine*", "--no-proposals", "--no-resolution")

FLAKY = """
import pathlib

import numpy as np
from layers import affine_backward, affine_forward

COUNT = pathlib.Path("count.txt")


def test_every_second_time():
    number = int(COUNT.read_text()) if COUNT.exists() else 0
    COUNT.write_text(str(number + 1))
    _, cache = affine_forward(np.ones((2, 3)), np.ones((3, 2)))
    affine_backward(np.ones((2, 2)), cache)
    assert number % 2 == 0
"""

RED = """
def test_red():
    assert 1 == 2
"""

UNSEEDED = """
import numpy as np
from layers import affine_backward, affine_forward


def test_draws():
    x, w, dout = np.random.randn(4, 3), np.random.randn(3, 2), np.random.randn(4, 2)
    _, cache = affine_forward(x, w)
    dx, dw = affine_backward(dout, cache)
    np.testing.assert_allclose(dx, dout @ w.T, rtol=1e-10)
    np.testing.assert_allclose(dw, x.T @ dout, rtol=1e-10)
"""


def test_a_flaky_test_is_named_and_nothing_is_decided(audit):
    audited = audit({"layers.py": LAYERS, "test_layers.py": TESTS, "test_flaky.py": FLAKY}, *QUICK)
    assert audited.status == 3
    assert audited.found["flaky"] == ["test_flaky.py::test_every_second_time"]
    assert audited.found["functions"] == []
    assert "--deselect 'test_flaky.py::test_every_second_time'" in " ".join(audited.printed.split())


def test_a_test_that_draws_without_a_seed_is_not_flaky_for_that(audit):
    audited = audit({"layers.py": LAYERS, "test_draws.py": UNSEEDED}, *QUICK)
    assert audited.status == 0
    assert {"w doubled", "x doubled"} <= audited.outcomes("affine_backward")["noticed"]


def test_a_red_suite_decides_nothing_unless_its_red_tests_are_left_out(audit):
    files = {**FILES, "test_red.py": RED}
    stopped = audit(files, *QUICK)
    assert (stopped.status, stopped.found["failing"]) == (3, ["test_red.py::test_red"])
    went_on = audit(files, *QUICK, "--leave-out-failing")
    assert went_on.status == 0
    assert "Left out, since they fail without any mutant: test_red.py::test_red" in " ".join(went_on.printed.split())
    assert "x doubled" in went_on.outcomes("affine_backward")["noticed"]


def test_a_suite_that_cannot_be_collected_is_a_wrong_request_with_what_pytest_said(audit):
    audited = audit({"layers.py": LAYERS, "test_layers.py": "import nowhere_to_be_found\n"}, *PATTERNS)
    assert audited.status == 2
    assert "nowhere_to_be_found" in audited.said


def test_what_follows_two_dashes_goes_to_pytest(audit):
    audited = audit(FILES, *QUICK, "--", "-k", "dense")
    assert set(audited.outcomes("affine_backward")) == {"not-reached"}


def test_fewer_than_the_share_is_a_failure(audit):
    above = audit(FILES, *QUICK, "--fail-under", "95")
    assert above.status == 1
    assert "fewer than 95 %" in above.said


def test_a_baseline_that_was_written_is_met_until_a_test_gets_better_or_worse(audit):
    audit(FILES, *QUICK, "--output", "baseline=known.toml")
    assert audit({}, *QUICK, "--baseline", "known.toml").status == 0
    better = TESTS.replace(
        "    np.testing.assert_allclose(dx, DOUT", "    np.testing.assert_allclose(dw, X.T @ DOUT)\n    assert np.allclose(dx, DOUT", 1
    )
    worse = TESTS.replace("    np.testing.assert_allclose(dx, DOUT @ w.T, rtol=1e-10)\n", "", 1)
    won = audit({"test_layers.py": better}, *QUICK, "--baseline", "known.toml")
    assert won.status == 1
    assert "layers:affine_backward w doubled is now noticed: remove it from the baseline." in won.said
    lost = audit({"test_layers.py": worse}, *QUICK, "--baseline", "known.toml")
    assert lost.status == 1
    assert "layers:affine_backward x doubled is not-noticed, which the baseline does not know." in lost.said


def test_a_baseline_with_an_unknown_key_is_refused(audit):
    audited = audit({**FILES, "known.toml": '[[known]]\nfunktion = "x"\n'}, *QUICK, "--baseline", "known.toml")
    assert audited.status == 2
    assert "known.toml" in audited.said


def test_a_suite_that_is_configured_to_run_in_several_processes_and_to_stop_early_is_audited_all_the_same(audit):
    configured = '[tool.pytest.ini_options]\naddopts = ["-n", "2", "-x", "--maxfail=1"]\nfilterwarnings = ["error"]\n'
    audited = audit({**FILES, "pyproject.toml": configured}, *QUICK, PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert "x doubled" in audited.outcomes("affine_backward")["noticed"]


def test_an_unknown_format_is_refused_with_what_there_is(audit):
    audited = audit(FILES, *QUICK, "--output", "pdf=x.pdf")
    assert audited.status == 2
    assert "json, markdown, html, baseline, tests" in audited.said
