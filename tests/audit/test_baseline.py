"""An audit held against the survivors that are known: each departure is one sentence, and what a limit in time left out is none."""

import pytest

from verifier.audit.baseline import Survivor, departures, read_baseline, write
from verifier.audit.results import Audit, Function, Mutant


def audited(*outcomes, not_asked=()):
    mutants = tuple(Mutant("x", name, outcome) for name, outcome in outcomes)
    return Audit(functions=(Function("f", "autograd.Function", mutants=mutants),), not_asked=tuple(("f", "x", name) for name in not_asked))


def known(*outcomes):
    return tuple(Survivor("f", "x", (name,), outcome) for name, outcome in outcomes)


@pytest.mark.parametrize(
    ("audit", "expected", "said"),
    [
        (audited(("doubled", "noticed")), (), []),
        (audited(("doubled", "not-noticed")), known(("doubled", "not-noticed")), []),
        (audited(("doubled", "not-noticed")), (), ["f x doubled is not-noticed, which the baseline does not know."]),
        (audited(("doubled", "noticed")), known(("doubled", "not-noticed")), ["f x doubled is now noticed: remove it from the baseline."]),
        (audited(("doubled", "never-shown")), known(("doubled", "not-noticed")), ["f x doubled is never-shown, not not-noticed."]),
        (audited(("zero", "noticed")), known(("doubled", "not-noticed")), ["f x doubled was not among the mutants."]),
        (audited(("zero", "noticed"), not_asked=("doubled",)), known(("doubled", "not-noticed")), []),
    ],
)
def test_each_departure_from_what_is_known_is_said(audit, expected, said):
    assert departures(audit, expected) == said


def test_what_is_written_of_an_audit_is_met_by_it():
    audit = audited(("doubled", "not-noticed"), ("zero", "never-shown"), ("half", "not-reached"), ("sign", "noticed"))
    assert departures(audit, read_baseline(write(audit), "known.toml")) == []
