"""The formats of an audit by name; each is written from the record alone."""

import msgspec

from verifier.audit import baseline
from verifier.audit.reporting import html, markdown
from verifier.audit.results import Audit


def written(audit: Audit, name: str) -> str:
    """The audit in a format: "json", "markdown", "html", "baseline", or the proposed "tests"."""
    if name == "json":
        return msgspec.json.format(msgspec.json.encode(audit), indent=2).decode() + "\n"
    if name == "markdown":
        return markdown.write(audit)
    if name == "html":
        return html.write(audit)
    if name == "baseline":
        return baseline.write(audit)
    proposals = [proposal.source.rstrip() for function in audit.functions for proposal in function.proposals]
    return "\n\n\n".join(proposals) + "\n" if proposals else ""
