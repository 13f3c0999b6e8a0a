"""The planted suite's passes are each tested in one way, so that it is known beforehand which mistakes its tests would notice.

Which are is worked out from the inputs in tests/planted/gradient_suite/test_passes.py: the truth of these tests is that file.
"""

import pytest

from tests.audit.conftest import run_audit

# What any comparison of values notices for a signed input without zeros, ties or large values, in one call.
COARSE = {
    "zero",
    "negated",
    "doubled",
    "halved",
    "times-batch",
    "reversed",
    "last-row",
    "first-of-batch",
    "shared-over-batch",
    "batch-above-1",
}
ABSENT = {"last-tile", "where-large", "at-zeros", "at-ties", "nan-at-zero", "previous-call", "added-to-previous", "other-rank"}
EVERY_MUTATION = (
    COARSE
    | ABSENT
    | {
        *("cotangent-ones", "cotangent-contiguous", "cotangent-shared", "transposed", "one-element", "unequal-sizes", "equal-sizes"),
        *("where-negative", "narrower"),
    }
)

KNOWN = {
    # Zeros, ties and a call for each element; the cotangent is contiguous; float32's rounding is below gradcheck's 1e-3.
    "ByGradcheck": {
        "noticed": COARSE
        | {"cotangent-ones", "cotangent-shared", "transposed", "one-element", "unequal-sizes", "where-negative"}
        | {"at-zeros", "at-ties", "nan-at-zero", "previous-call", "added-to-previous"},
        "never-shown": {"equal-sizes", "last-tile", "where-large", "cotangent-contiguous", "other-rank"},
        "not-noticed": {"narrower"},
    },
    # The element in the middle has a gradient of 3e-4, below the absolute tolerance; bfloat16's rounding is below the relative one.
    "ByAllclose": {
        "noticed": COARSE | {"cotangent-ones", "cotangent-shared", "transposed", "unequal-sizes", "where-negative"},
        "never-shown": ABSENT | {"equal-sizes", "cotangent-contiguous"},
        "not-noticed": {"one-element", "narrower"},
    },
    # A sum's cotangent is one 1 for all elements: memory holds no more of them.
    "ByOnes": {
        "noticed": COARSE | {"transposed", "one-element", "unequal-sizes", "where-negative", "narrower", "cotangent-contiguous"},
        "never-shown": ABSENT | {"cotangent-ones", "cotangent-shared", "equal-sizes"},
    },
    "BySquares": {
        "noticed": COARSE | {"cotangent-ones", "cotangent-shared", "transposed", "one-element", "equal-sizes", "narrower"},
        "never-shown": ABSENT | {"unequal-sizes", "where-negative", "cotangent-contiguous"},
    },
    "ForwardOnly": {"not-reached": EVERY_MUTATION - {"other-rank"}},
    "Untested": {"not-reached": EVERY_MUTATION - {"other-rank"}},
    # Without a comparison, but for a crash where the gradient is zero.
    "Crashing": {
        "noticed": {"zero"},
        "never-shown": ABSENT | {"cotangent-ones", "cotangent-shared", "unequal-sizes", "equal-sizes"},
        "not-noticed": (COARSE - {"zero"}) | {"one-element", "where-negative", "narrower", "cotangent-contiguous"},
    },
    # Three calls; an output that nobody uses has a cotangent of zeros; one option varies, the other does not.
    "Powers": {
        "noticed": COARSE
        | {"cotangent-ones", "one-element", "where-negative", "narrower", "cotangent-contiguous", "other-scale"}
        | {"previous-call", "added-to-previous"},
        "never-shown": (ABSENT - {"previous-call", "added-to-previous"})
        | {"unequal-sizes", "equal-sizes", "cotangent-shared", "last-output", "other-absolute"},
    },
}


@pytest.fixture(scope="module")
def audited(gradient_suite, tmp_path_factory):
    return run_audit(gradient_suite, "--no-proposals", "--output", "html=audit.html", cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", KNOWN)
def test_each_mutant_has_the_outcome_that_its_tests_must_give_it(name, audited):
    assert audited.outcomes(name) == KNOWN[name]


def test_exchanged_gradients_of_equal_inputs_are_never_shown(audited):
    outcomes = audited.outcomes("Product")
    assert {"x exchanged", "y exchanged"} <= outcomes["never-shown"]
    assert {f"{output} {mutant}" for output in "xy" for mutant in COARSE} <= outcomes["noticed"]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("ByGradcheck", 1e-3, 1.25e-3),  # gradcheck's relative tolerance
        ("ByAllclose", 1.1e-2, 1.4e-2),  # a relative and an absolute hundredth; the largest gradient is 9.6
        ("ByOnes", 1e-12, 1.25e-12),
        ("Product", 2.2e-16, 4.5e-16),  # equality
    ],
)
def test_the_resolution_is_the_tolerance_that_the_test_has(name, least, most, audited):
    assert least <= audited.function(name)["resolution"] <= most


def test_where_nothing_is_compared_there_is_no_resolution(audited):
    assert audited.function("Crashing")["resolution"] is None
    assert "no test sees a gradient twice too large" in audited.printed


def test_a_crash_is_noticed_and_said(audited):
    (zero,) = [one for one in audited.function("Crashing")["mutants"] if one["mutant"] == "zero"]
    assert (zero["test"], zero["said"]) == ("test_passes.py::test_crash", "the test crashes (SIGSEGV)")


def test_what_the_tests_never_vary_is_said(audited):
    assert "cotangent always of ones" in audited.function("ByOnes")["never_varied"]
    assert "all sizes equal in every call" in audited.function("BySquares")["never_varied"]
    assert "absolute always False" in audited.function("Powers")["never_varied"]
    assert not any("scale" in one for one in audited.function("Powers")["never_varied"])


def test_a_pass_that_no_test_reaches_is_a_finding(audited):
    assert audited.function("ForwardOnly")["tests"] == []
    assert "no test reaches it" in audited.printed


def test_nothing_is_written_into_the_project(audited):
    names = {path.name for path in audited.folder.rglob("*")}
    assert names == {"passes.py", "test_passes.py", "audit.json", "audit.html"}
