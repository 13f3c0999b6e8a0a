"""The schema as it is published, and reports that were written long ago."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from verifier.reports.formats import FORMATS
from verifier.results.report import from_json, to_json
from verifier.results.schema import report_schema, schema_text

ROOT = Path(__file__).parents[2]
OLD = sorted((Path(__file__).parent / "old_reports").glob("*.json"))
VALIDATOR = jsonschema.Draft202012Validator(report_schema())


def test_what_is_published_is_what_is_written():
    published = ROOT / "docs" / "report.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), "verifier report --schema -o docs/report.schema.json"


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_an_old_report_has_the_form_and_stays_readable_in_every_format(path):
    data = path.read_bytes()
    VALIDATOR.validate(json.loads(data))
    report = from_json(data)
    for format in FORMATS.values():
        assert format.write(report) or format.name == "annotations"
    VALIDATOR.validate(json.loads(to_json(report)))


def test_there_are_old_reports():
    assert {from_json(path.read_bytes()).verdict for path in OLD} == {"pass", "fail", "error"}


def test_a_report_with_more_in_it_than_is_known_here_is_read_too():
    document = json.loads(OLD[0].read_bytes())
    document |= {"of_a_later_version": [1, {"a": None}]}
    assert from_json(json.dumps(document).encode()).verdict == document["verdict"]


@pytest.mark.parametrize("broken", [{"verdict": "good"}, {"schema_version": 2}, {"checks": [{"id": "autograd"}]}, {"seed": "zero"}])
def test_what_is_no_report_has_not_the_form(broken):
    document = json.loads(OLD[0].read_bytes()) | broken
    assert not VALIDATOR.is_valid(document)


def test_numbers_that_json_does_not_have_are_written_in_its_form():
    report = from_json(OLD[0].read_bytes())
    worst = [msgspec.structs.replace(one, error=float("inf"), claimed=float("nan")) for one in report.measurements[:1]]
    VALIDATOR.validate(json.loads(to_json(msgspec.structs.replace(report, measurements=tuple(worst)))))
