"""An audit as one HTML page, without scripts or network: functions × mutants, and below each function its findings."""

from importlib.resources import files

from verifier.audit.reporting import wording
from verifier.audit.results import Audit


def write(audit: Audit) -> str:
    """The page; every text of the project is escaped."""
    import jinja2

    template = files("verifier.audit.reporting").joinpath("templates/audit.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    names = list(dict.fromkeys(mutant.mutant for _, mutant in audit.mutants))
    rows = [
        (function, output, {mutant.mutant: mutant for mutant in function.mutants if mutant.output == output})
        for function in audit.functions
        for output in dict.fromkeys(mutant.output for mutant in function.mutants)
    ]
    return environment.from_string(template).render(audit=audit, names=names, rows=rows, w=wording)
