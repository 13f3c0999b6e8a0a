"""What a whole run is written to besides its report folders: `--output FORMAT=FILE`."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.cli.stored import write_text
from verifier.errors import RequestError
from verifier.reports.folder import report_folder
from verifier.reports.formats import FORMATS
from verifier.results.gathering import Gathering
from verifier.results.report import Report

PAGES = ("report.html", "report.md", "report.json")


@dataclass(frozen=True)
class Output:
    """One file that holds the run in this format, or (`into_folder`) a folder with a file for each candidate."""

    format: str
    path: Path
    into_folder: bool = False

    def begin(self) -> None:
        """Where the file must not be missing whatever happens, write now that nothing is decided yet.

        Raises:
            RequestError: it cannot be written.
        """
        if self.format == "gradescope" and not self.a_folder:
            from verifier.reports.gradescope import write_unfinished

            self._write(write_unfinished())

    def expect(self, count: int) -> None:
        """Refuse now what cannot be written at the end.

        Raises:
            RequestError: there is no place for it, or the format holds one report where there are more and no folder is named.
        """
        self._find_place()
        self.begin()
        form = FORMATS[self.format]
        if count > 1 and not self.a_folder and (not form.together or self.format == "gradescope"):
            raise RequestError(
                f"{self.format} holds one report, and there are {count} candidates: "
                f"name a folder for a file each, as in --output {self.format}={self.path}{os.sep}"
            )

    def _find_place(self) -> None:
        """Raises RequestError where the file, or the folder of files, cannot come to be."""
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):  # a pipe or a device
            return
        if self.into_folder and self.path.is_file():
            raise RequestError(f"cannot make the folder {self.path}: there is a file of that name")
        # A folder is made at the end, with those above it that are missing; that of a file has to be there.
        place = next(place for place in self.path.absolute().parents if place.exists() or not self.into_folder)
        place = self.path if self.a_folder and self.path.exists() else place
        if not place.is_dir():
            raise RequestError(f"cannot write {self.path}: there is no folder {place}")
        if not os.access(place, os.W_OK):
            raise RequestError(f"cannot write {self.path}: nothing may be written in {place}")

    def finish(self, run: Gathering, folders: Mapping[str, Path] | None = None) -> None:
        """Write the run.

        Args:
            folders: where each candidate's reports are, by name; a page over all leads there.
        Raises:
            RequestError: it cannot be written, or the format does not hold what there is.
        """
        if self.a_folder:
            self._write_each(run.reports)
            return
        pages = {name: page for name, folder in (folders or {}).items() if (page := page_of(folder, self.path.parent))}
        self._write(FORMATS[self.format].write_together(replace(run, pages=pages)))

    @property
    def a_folder(self) -> bool:
        """Whether a folder was named, which gets a file for each candidate."""
        return self.into_folder or self.path.is_dir()

    def _write_each(self, reports: Iterable[Report]) -> None:
        form = FORMATS[self.format]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"cannot make the folder {self.path}: {error.strerror or error}") from None
        for report in reports:
            name = report_folder(self.path, report.candidate.name).name
            self._write(form.write(report), self.path / f"{name}{Path(form.file).suffix}")

    def _write(self, text: str, path: Path | None = None) -> None:
        path = path or self.path
        try:
            write_text(path, text)
        except OSError as error:
            raise RequestError(f"cannot write {path}: {error.strerror or error}") from None


def page_of(folder: Path, seen_from: Path) -> str:
    """The page that a person should open in a report folder, as a path from another one; "" where there is none."""
    page = next((folder / name for name in PAGES if (folder / name).is_file()), None)
    return "" if page is None else os.path.relpath(page, seen_from)


def parse_outputs(words: tuple[str, ...]) -> tuple[Output, ...]:
    """The outputs that ``FORMAT=FILE`` words ask for.

    Raises:
        RequestError: a word is none; it says what is allowed.
    """
    outputs = []
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not file or name not in FORMATS:
            raise RequestError(f"--output {word!r}: write FORMAT=FILE, or FORMAT=FOLDER/; FORMAT is one of {', '.join(FORMATS)}")
        outputs.append(Output(name, Path(file), file.endswith(("/", os.sep))))
    return tuple(outputs)
