"""What docs/audit.md and docs/gate.md say of `verifier audit`, held against what there is."""

import re
from pathlib import Path

from verifier.audit.baseline import read_baseline
from verifier.audit.mutations import CATALOGUE
from verifier.cli.audit import FORMATS, audit

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "audit.md").read_text(encoding="utf-8")
GATE = (DOCS / "gate.md").read_text(encoding="utf-8")


def test_every_mutation_has_its_place_in_the_table_and_no_other_is_there():
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", PAGE[PAGE.index("## The mistakes") : PAGE.index("## What becomes")], re.M)
    named = [name for row in rows for name in re.findall(r"`([\w-]+)`", row)]
    assert sorted(named) == sorted([*(mutation.id for mutation in CATALOGUE), "other-rank", "other-NAME"])


def test_every_format_is_named_and_every_option_that_is_named_is_there():
    assert all(f"`{name}=FILE`" in PAGE or f"`--output {name}=FILE`" in PAGE for name in FORMATS)
    options = {option for parameter in audit.params for option in parameter.opts}
    named = set(re.findall(r"`(--[\w-]+)", PAGE + GATE[GATE.index("## Tests that would notice") : GATE.index("## Two runs compared")]))
    assert named <= options


def test_the_example_of_known_survivors_is_read():
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    (known,) = read_baseline(text, "example")
    assert known.mutants == ("last-tile", "where-large")


def test_the_figures_of_published_projects_are_those_that_the_benchmark_printed():
    printed = (DOCS.parent / "benchmarks" / "results" / "published_audits.txt").read_text(encoding="utf-8")
    counts = re.findall(
        r"^(\d+) mutants of (\d+) .*: (\d+) noticed, (\d+) not-noticed, (\d+) never-shown, (\d+) not-reached", printed, re.M
    )
    rows = re.findall(r"^\| \w+ [\d.]+[^|]*\| \d+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.M)
    assert sorted(counts) == sorted((mutants, passes, *rest) for passes, mutants, *rest in rows)
    assert len(rows) == 3
