"""One candidate's worker, for contracts that exchange messages: started, asked, restarted after a death, given up after three."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from verifier.candidates.descriptors import KEPT_OUTPUT
from verifier.candidates.discovery import Candidate
from verifier.candidates.endings import used_up_cpu, used_up_wall
from verifier.candidates.limits import Limits
from verifier.candidates.session import Session, Target, WorkerEnded
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.contracts.layer.claims import Claims

DEATHS = 3  # a candidate that has died so often is given up


class Exchanging:
    """A candidate and its present worker. A context manager."""

    def __init__(self, zygote: Zygote, candidate: Candidate, claims: Claims, limits: Limits) -> None:
        self._zygote, self._candidate, self._claims, self._limits = zygote, candidate, claims, limits
        self._session: Session | None = None
        self._deaths = 0
        self._given_up = ""
        self._wall = self._cpu = 0.0
        self._printed = ""
        self.isolation: dict[str, Any] = {}
        self.functions: Mapping[str, int] = {}

    def __enter__(self) -> "Exchanging":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def load(self) -> None:
        """Start a worker. Raises Unanswered where the candidate does not load."""
        self._worker()

    def exchange(self, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[Mapping[str, Any], Any]:
        """One message and its answer. Raises Unanswered where the worker ends; `fatal` where it was given up."""
        session = self._worker()
        began = time.monotonic()
        try:
            answer = session.ask(message, arrays, seconds=max(0.0, self._limits.all_wall_seconds - self._wall))
        except WorkerEnded as ended:
            raise self._died(ended, where) from None
        finally:
            self._wall += time.monotonic() - began
        return answer.message, answer.arrays

    def restart(self) -> None:
        """End the worker, as no death of the candidate's: the next message goes to a fresh one."""
        self._close()

    def describe(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """What a statement raised, in one sentence, and whether it was in the candidate's own code."""
        raised = reply["raised"]
        line, function = raised.get("line"), raised.get("function")
        own = raised.get("file") is not None
        place = self._shown_file(raised.get("file")) if own else f"the manifest's {reply.get('phase')}"
        if own:
            place += (f", line {line}" if line else "") + (f", in {function}" if function and function != "<module>" else "")
        elif reply.get("line", 0) > 1:
            place += f", line {reply['line']}"
        said = f"{raised.get('type')}: {raised.get('text')}" if raised.get("text") else str(raised.get("type"))
        traceback = str(raised.get("traceback") or "")
        if own and traceback and traceback not in self._printed:
            self._print(traceback)
        return f"{place}: {said}".rstrip(".") + ".", own

    def printed(self) -> str:
        """The last of what the candidate printed."""
        return self._printed + (self._session.printed() if self._session is not None else "")

    def _worker(self) -> Session:
        if self._session is not None:
            return self._session
        if self._given_up:
            raise Unanswered(self._given_up, fatal=True)
        candidate, claims = self._candidate, self._claims
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
        try:
            session = self._zygote.start(target, replace(self._limits, all_cpu_seconds=self._limits.all_cpu_seconds - self._cpu))
        except WorkerEnded as ended:
            died = self._died(ended, "")
            raise Unanswered(f"{candidate.path}: while it was loaded, the candidate {ended.text}.", fatal=True) from died
        self.isolation = session.hello.get("isolation") or {}
        failed = session.hello.get("load_error")
        if failed is not None:
            self._print(session.printed())
            session.close()
            told, _ = self.describe({"raised": failed, "phase": "module"})
            raise Unanswered(f"{told.rstrip('.')}, while it was loaded.{_advice(failed)}", fatal=True)
        self.functions = session.hello.get("functions") or {}
        self._session = session
        return session

    def _died(self, ended: WorkerEnded, where: str) -> Unanswered:
        self._deaths += 1
        self._close()
        spent = used_up_wall(self._limits) if self._wall >= self._limits.all_wall_seconds else None
        if spent is None and self._cpu >= self._limits.all_cpu_seconds:
            spent = used_up_cpu(self._limits)
        told = f"{self._candidate.path}: the candidate {(spent or ended).text}"
        if spent is not None or self._deaths >= DEATHS:
            self._given_up = f"{told}; given up after {self._deaths} such ends."
        return Unanswered(f"{told}. {where}.", fatal=bool(self._given_up))

    def _close(self) -> None:
        if self._session is not None:
            self._print(self._session.printed())
            self._session.close()
            if self._session.death is not None:
                self._cpu += self._session.death.cpu
            self._session = None

    def _print(self, text: str) -> None:
        self._printed = (self._printed + text)[-KEPT_OUTPUT:]

    def _shown_file(self, file: object) -> str:
        """A file of the candidate as the user named the candidate, else as it is."""
        candidate = self._candidate
        if not isinstance(file, str):
            return candidate.path
        if candidate.file is not None and Path(file) == candidate.file and candidate.root is None:
            return candidate.path
        if candidate.root is not None and Path(file).is_relative_to(candidate.root):
            named = Path(candidate.path)
            return str((named.parent if named.suffix == ".py" else named) / Path(file).relative_to(candidate.root))
        return file


def _advice(raised: Mapping[str, Any]) -> str:
    """What to do about a module that is not there, or a name that NumPy has no more."""
    kind, text = str(raised.get("type")), str(raised.get("text"))
    if kind == "ModuleNotFoundError" and "'" in text:
        return f' If it is not needed to compute, say stand_ins = ["{text.split(chr(39))[1].partition(".")[0]}"].'
    if kind == "AttributeError" and "numpy" in text:
        return " NumPy 2 took that name away: say numpy_aliases = true."
    return ""
