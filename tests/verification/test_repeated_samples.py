"""Mistakes that show only where samples or units repeat, or where a batch is long."""

import pytest

PLAIN = {"output": "sigmoid(z)", "hidden": "sigmoid(z)", "slope": "h * (1 - h)", "loss": "((p - y) ** 2).sum() / len(x)"}
DELTA = "2 * (p - y) / len(x) * p * (1 - p)"
MISSED_BEFORE = {
    "of equal samples one counts": "np.isin(np.arange(len(x)), np.unique(np.hstack([x, y]), axis=0, return_index=True)[1])[:, None] * ",
    "of neighbours that are equal one counts": "np.append([True], np.diff(np.hstack([x, y]), axis=0).any(axis=1))[:, None] * ",
    "the first 32 samples count": "(np.arange(len(x)) < 32)[:, None] * ",
    "only whole parts of 16 samples count": "((np.arange(len(x)) < len(x) // 16 * 16) | (len(x) < 16))[:, None] * ",
}


@pytest.mark.parametrize("factor", MISSED_BEFORE.values(), ids=MISSED_BEFORE)
def test_it_fails(factor, report, network):
    found = report(network(**PLAIN, delta=factor + DELTA))
    assert found.verdict == "fail"


def test_of_equal_units_one_counts_and_fails(report, network):
    found = report(
        network(**{**PLAIN, "slope": "h * (1 - h) * np.isin(np.arange(h.shape[1]), np.unique(h[0], return_index=True)[1])"}, delta=DELTA)
    )
    assert found.verdict == "fail"
