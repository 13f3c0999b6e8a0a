"""An audit as Markdown, for pull requests and step summaries."""

from collections.abc import Iterator

from verifier.audit.reporting import wording
from verifier.audit.results import FINDINGS, Audit, Function


def write(audit: Audit) -> str:
    """The page."""
    return "\n".join(_lines(audit)) + "\n"


def _lines(audit: Audit) -> Iterator[str]:
    yield "# Would the gradient tests notice?"
    yield ""
    yield escaped(wording.headline(audit))
    yield ""
    if audit.flaky or (audit.failing and not audit.functions):
        yield from (escaped(line.strip()) + "  " for line in wording.undecided(audit))
        return
    yield "| backward pass | noticed | not noticed | never shown | not reached | sees errors above |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for function in audit.functions:
        counts = " | ".join(str(function.count(one)) for one in ("noticed", *FINDINGS))
        sees = wording.figure(function.resolution) if function.resolutions else "–"
        yield f"| {escaped(wording.short(function.name))} | {counts} | {sees} |"
    for function in audit.functions:
        yield from _function(function)
    yield ""
    yield from (escaped(line) + "  " for line in wording.closing(audit))


def _function(function: Function) -> Iterator[str]:
    yield ""
    yield f"## {escaped(function.name)}"
    yield ""
    for line in (wording.reach(function), wording.resolution(function), wording.never_varied(function)):
        if line:
            yield f"- {escaped(line)}"
    if function.tests:
        yield ""
        yield "| gradient | mutant | | |"
        yield "| --- | --- | --- | --- |"
        for mutant in function.mutants:
            word = wording.WORDS[mutant.outcome]
            shown = mutant.outcome == "never-shown" and f"shown by {mutant.shown_by}"
            yield f"| {escaped(mutant.output)} | {mutant.mutant} | {word} | {escaped(mutant.test or shown or mutant.summary)} |"
    for proposal in function.proposals:
        names = ", ".join(dict.fromkeys(name for _, name in proposal.notices))
        yield ""
        yield f"A test that notices {escaped(names)}:"
        yield ""
        yield "```python"
        yield proposal.source.rstrip()
        yield "```"
    if function.unproposed and wording.findings(function):
        yield ""
        yield f"No test to propose: {escaped(function.unproposed)}."


def escaped(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
