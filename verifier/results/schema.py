"""The JSON Schema of `report.json`, made from the record itself, for those who read reports without this package.

How it may change: a new field has a default, so that an older report still has the form, and readers pass over what they do not know.
Anything else is a new `SCHEMA_VERSION`. docs/report.schema.json holds what is published; a test compares.
"""

import json
from typing import Any

import msgspec

from verifier.results.report import SCHEMA_VERSION, Report


def report_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of one report."""
    schema: dict[str, Any] = msgspec.json.schema(Report)
    record = schema["$defs"]["Report"]
    record["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:backprop-verifier:report:{SCHEMA_VERSION}",
        "title": f"report.json of backprop-verifier, schema version {SCHEMA_VERSION}",
        **schema,
    }


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"
