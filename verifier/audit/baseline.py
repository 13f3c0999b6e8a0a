"""Known survivors: mutants that the tests do not notice, and may not for now. Text in, records out."""

import json
import tomllib
from collections.abc import Iterator

import msgspec

from verifier.audit.results import FINDINGS, Audit
from verifier.errors import RequestError


class Survivor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that is known: these mutants of one gradient have this outcome; `reason` is for people."""

    function: str
    output: str
    mutants: tuple[str, ...]
    outcome: str
    reason: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    known: tuple[Survivor, ...] = ()


def read_baseline(text: str, name: str) -> tuple[Survivor, ...]:
    """The survivors of a baseline file.

    Raises:
        RequestError: it is not TOML, or not a list of `[[known]]` of the right form.
    """
    try:
        return msgspec.convert(tomllib.loads(text), _File).known
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RequestError(f"{name}: {error}") from None


def write(audit: Audit) -> str:
    """A baseline that the audit meets."""
    return "\n".join(_entries(audit))


def _entries(audit: Audit) -> Iterator[str]:
    for function in audit.functions:
        for output in dict.fromkeys(mutant.output for mutant in function.mutants):
            for outcome in FINDINGS:
                names = [one.mutant for one in function.mutants if one.output == output and one.outcome == outcome]
                if names:
                    yield "[[known]]"
                    yield f"function = {json.dumps(function.name)}"
                    yield f"output = {json.dumps(output)}"
                    yield f"outcome = {json.dumps(outcome)}"
                    yield f"mutants = {json.dumps(names)}"
                    yield 'reason = ""'
                    yield ""


def departures(audit: Audit, known: tuple[Survivor, ...]) -> list[str]:
    """Sentences: a survivor that is not known, one that is noticed now, one whose outcome is another."""
    expected = {(one.function, one.output, name): one.outcome for one in known for name in one.mutants}
    found = []
    for function, mutant in audit.mutants:
        key = (function.name, mutant.output, mutant.mutant)
        words, was = " ".join(key), expected.pop(key, None)
        if mutant.outcome == was or (was is None and mutant.outcome == "noticed"):
            continue
        if was is None:
            found.append(f"{words} is {mutant.outcome}, which the baseline does not know.")
        elif mutant.outcome == "noticed":
            found.append(f"{words} is now noticed: remove it from the baseline.")
        else:
            found.append(f"{words} is {mutant.outcome}, not {was}.")
    asked = set(audit.not_asked)
    found += [f"{' '.join(key)} was not among the mutants." for key in expected if key not in asked]
    return found
