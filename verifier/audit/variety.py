"""What a suite shows of a pass, test by test put together; and what it never varies, in sentences."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from verifier.audit.recording import KEPT, Facts

LISTS = ("shapes", "dtypes", "layouts", "cotangents", "batches", "ranks", "values", "sizes")


def together(by_test: Mapping[str, Facts]) -> dict[str, Any]:
    """Each kind of fact with the number of tests that show each value of it."""
    varied: dict[str, Any] = {}
    for name in LISTS:
        counted = Counter(value for facts in by_test.values() for value in getattr(facts, name))
        varied[name] = {str(value): number for value, number in counted.most_common(KEPT)}
    options: dict[str, Counter[str]] = {}
    for facts in by_test.values():
        for name, values in facts.options.items():
            options.setdefault(name, Counter()).update(values)
    varied["options"] = {name: dict(values.most_common(KEPT)) for name, values in options.items()}
    return varied


def never_varied(varied: Mapping[str, Any], tests: int) -> tuple[str, ...]:
    """Sentences, most telling first; none where no test reaches the pass."""
    if not tests:
        return ()
    found = [*_options(varied["options"]), *_sizes(varied), *_cotangents(varied), *_values(varied["values"])]
    for name, word in (("dtypes", "dtype"), ("ranks", "rank")):
        if len(varied[name]) == 1:
            found.append(f"{word} always {next(iter(varied[name]))}")
    return tuple(found)


def _options(options: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [
        f"{name} always {next(iter(values))}"
        for name, values in options.items()
        if len(values) == 1 and not next(iter(values)).startswith("<")
    ]


def _sizes(varied: Mapping[str, Any]) -> list[str]:
    found = []
    if set(varied["sizes"]) == {"equal"}:
        found.append("all sizes equal in every call")
    if set(varied["sizes"]) == {"unequal"}:
        found.append("sizes never all equal")
    batches = set(varied["batches"])
    if batches and "1" not in batches:
        found.append("batch never 1")
    if batches == {"1"}:
        found.append("batch always 1")
    return found


def _cotangents(varied: Mapping[str, Any]) -> list[str]:
    kinds, layouts = set(varied["cotangents"]), set(varied["layouts"])
    found = []
    if kinds and kinds <= {"ones", "zeros"}:
        found.append("cotangent always of ones")
    elif kinds and "signed" not in kinds:
        found.append("cotangent never of both signs")
    if layouts and "strided" not in layouts:
        found.append("cotangent always contiguous" if layouts == {"contiguous"} else "cotangent never strided")
    return found


def _values(values: Mapping[str, int]) -> list[str]:
    names = {"negative": "negative inputs", "zeros": "zeros", "ties": "ties", "large": "large values"}
    missing = [word for name, word in names.items() if name not in values and values]
    return [f"never {', '.join(missing)} among the inputs"] if missing else []
