"""A candidate's workers for contracts whose manifests hold statements: what a worker loads besides, and the place of what was raised."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from numpy.typing import NDArray

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.outdated import advice_on_old_code
from verifier.candidates.session import Target
from verifier.candidates.source_lines import passage
from verifier.candidates.unwritten import is_unwritten
from verifier.candidates.zygote import Zygote
from verifier.verification.raising import sentence_of_statement
from verifier.verification.workers import DEATHS, Workers

NEAR = 4  # folders above a file in which a module that it imports is looked for


class Exchanging(Workers):
    """Messages to a candidate's worker. `claims` say where its own modules are, and what stands in for those that are not there."""

    def __init__(self, zygote: Zygote, candidate: Candidate, claims: Any, limits: Limits, deaths: int = DEATHS) -> None:
        root = candidate.root or (candidate.file.parent if candidate.file else None)
        target = Target(
            candidate.file,
            candidate.root,
            candidate.readable,
            candidate.module,
            candidate.entry,
            path=tuple(root / folder for folder in claims.path) if root else (),
            stand_ins=claims.stand_ins,
            numpy_aliases=claims.numpy_aliases,
        )
        super().__init__(zygote, candidate, limits, target=target, advice=partial(_advice, candidate), deaths=deaths)

    def exchange(self, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[Mapping[str, Any], Any]:
        """One message, and the message and arrays that answer it. Raises Unanswered as `ask`."""
        answer = self.ask(message, arrays, where)
        return answer.message, answer.arrays

    def restart(self) -> None:
        """End the worker, as no death of the candidate's: the next message goes to a fresh one."""
        self.forget()

    def passage(self, place: Any) -> str:
        """The text at a place that a worker names (file, lines from and to, columns from and to); "" where none of the candidate's is."""
        try:
            file, *numbers = place
            first, last, start, end = (int(number) for number in numbers)
        except (TypeError, ValueError):
            return ""
        return passage(self._candidate, str(file), first, last, max(start, 0), max(end, 0))

    def describe(self, reply: Mapping[str, Any]) -> tuple[str, bool, bool]:
        """What a statement raised, in one sentence; whether it was in the candidate's own code; whether that is not filled in yet."""
        said, own = sentence_of_statement(self._candidate, reply)
        if own:
            self.print_frames(reply["raised"])
        return said, own, is_unwritten(self._candidate, reply["raised"])


def _advice(candidate: Candidate, kind: str, text: str) -> str:
    """What to do about a module that is not there, or a name that NumPy has no more; "" where the module lies near a single file."""
    if kind == "ModuleNotFoundError" and "'" in text:
        package = text.split("'")[1].partition(".")[0]
        return "" if _lies_near(candidate, package) else f'If it is not needed to compute, say stand_ins = ["{package}"].'
    return advice_on_old_code(kind, text)


def _lies_near(candidate: Candidate, package: str) -> bool:
    """Whether a module of this name lies beside a single file, or beside one of the folders that hold it."""
    if candidate.file is None or candidate.root is not None or not package.isidentifier():
        return False
    folders = list(candidate.file.parents)[:NEAR]
    return any((folder / name).exists() for folder in folders for name in (package, f"{package}.py"))
