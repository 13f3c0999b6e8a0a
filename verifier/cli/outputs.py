"""What a whole run is written to besides its report folders: `--output FORMAT=FILE`."""

from dataclasses import dataclass
from pathlib import Path

from verifier.cli.stored import write_text
from verifier.errors import RequestError
from verifier.reports.formats import FORMATS
from verifier.results.gathering import Gathering


@dataclass(frozen=True)
class Output:
    """One file that holds the run, in this format."""

    format: str
    path: Path

    def begin(self) -> None:
        """Where the file must not be missing whatever happens, write now that nothing is decided yet.

        Raises:
            RequestError: it cannot be written.
        """
        if self.format == "gradescope":
            from verifier.reports.gradescope import write_unfinished

            self._write(write_unfinished())

    def finish(self, run: Gathering) -> None:
        """Write the run.

        Raises:
            RequestError: it cannot be written, or the format does not hold what there is.
        """
        self._write(FORMATS[self.format].write_together(run))

    def _write(self, text: str) -> None:
        try:
            write_text(self.path, text)
        except OSError as error:
            raise RequestError(f"cannot write {self.path}: {error.strerror or error}") from None


def parse_outputs(words: tuple[str, ...]) -> tuple[Output, ...]:
    """The outputs that ``FORMAT=FILE`` words ask for.

    Raises:
        RequestError: a word is none; it says what is allowed.
    """
    outputs = []
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not file or name not in FORMATS:
            raise RequestError(f"--output {word!r}: write FORMAT=FILE, with FORMAT one of {', '.join(FORMATS)}")
        outputs.append(Output(name, Path(file)))
    return tuple(outputs)
