"""`verifier report`: a stored report in another format."""

from pathlib import Path

import click

from verifier.errors import RequestError
from verifier.reports.formats import FORMATS
from verifier.results.report import SCHEMA_VERSION, Report


@click.command()
@click.argument("file", metavar="REPORT.JSON")
@click.option("--format", "name", type=click.Choice(tuple(FORMATS)), default="terminal", show_default=True, help="The format to write.")
@click.option("--output", "-o", metavar="FILE", help="Where to write it, instead of showing it.")
def report(file: str, name: str, output: str | None) -> int:
    """Write the stored REPORT.JSON (or the one in that folder) in another format."""
    path = Path(file)
    stored = read_report(path)
    if output is not None:
        _write(Path(output), FORMATS[name].write(stored))
    elif name == "terminal":
        from verifier.reports.terminal import open_console, show

        show(stored, open_console(), folder=path if path.is_dir() else path.parent)
    else:
        click.echo(FORMATS[name].write(stored), nl=False)
    return 0


def read_report(path: Path) -> Report:
    """The report in a file, or in the folder of that path.

    Raises:
        RequestError: there is none, or it is not one of this version.
    """
    import msgspec

    from verifier.results.report import from_json

    if path.is_dir():
        path = path / "report.json"
    try:
        stored = from_json(path.read_bytes())
    except FileNotFoundError:
        raise RequestError(f"no such report: {path}") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise RequestError(f"{path} is not a report.json of this version: {error}") from None
    if stored.schema_version != SCHEMA_VERSION:
        raise RequestError(f"{path} has schema version {stored.schema_version}; this version reads {SCHEMA_VERSION}")
    return stored


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from None
