"""`verifier report`: stored reports in another format."""

import os
from pathlib import Path

import click

from verifier.cli.outputs import Output, page_of
from verifier.cli.stored import read_reports, report_folders, write_text
from verifier.errors import RequestError
from verifier.reports.folder import report_folder
from verifier.reports.formats import FORMATS
from verifier.reports.untrusted import one_line
from verifier.results.gathering import Gathering


@click.command()
@click.argument("files", metavar="REPORT.JSON...", nargs=-1)
@click.option("--format", "name", type=click.Choice(tuple(FORMATS)), default="terminal", show_default=True, help="The format to write.")
@click.option("--output", "-o", metavar="FILE", help="Write to this file instead of showing it; into a folder, a file per report.")
@click.option("--schema", is_flag=True, help="Show the JSON Schema of report.json instead.")
def report(files: tuple[str, ...], name: str, output: str | None, schema: bool) -> int:
    """Write stored reports in another format.

    Each REPORT.JSON is such a file, a candidate's report folder, or a folder of them. Several are written together.
    """
    if schema:
        from verifier.results.schema import schema_text

        _show(schema_text(), output)
        return 0
    if not files:
        raise click.UsageError("Missing argument 'REPORT.JSON...'.")
    places = {folder.name: folder for file in files for folder in report_folders(Path(file))}
    stored = [one for file in files for one in read_reports(Path(file))]
    if output is not None and (output.endswith(("/", os.sep)) or Path(output).is_dir()):
        names = [one.candidate.name for one in stored]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise RequestError(f"two of these reports are of {one_line(twice)}: a folder holds one file of that name")
        Output(name, Path(output), True).finish(Gathering(stored))
        return 0
    if name == "terminal" and output is None and len(stored) == 1:
        from verifier.reports.terminal import open_console, show

        path = Path(files[0])
        show(stored[0], open_console(), folder=path if path.is_dir() else path.parent)
        return 0
    if len(stored) == 1:
        _show(FORMATS[name].write(stored[0]), output)
    else:
        beside = Path(output).parent if output else Path()
        folders = {one.candidate.name: places.get(report_folder(Path(), one.candidate.name).name) for one in stored}
        pages = {candidate: page for candidate, folder in folders.items() if folder and (page := page_of(folder, beside))}
        _show(FORMATS[name].write_together(Gathering(stored, pages=pages)), output)
    return 0


def _show(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_text(Path(output), text)
    except OSError as error:
        raise RequestError(f"cannot write {output}: {error.strerror}") from None
