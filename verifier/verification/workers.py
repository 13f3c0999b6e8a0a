"""A candidate's workers, one after another: started, asked, started again after a death, and given up after three.

Every way in which there is no usable answer becomes one sentence (`Unanswered`) that names the candidate's file and line where there is
one, and the question. The referee goes on with the next one.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from numpy.typing import NDArray

from verifier.candidates.descriptors import KEPT_OUTPUT
from verifier.candidates.discovery import Candidate
from verifier.candidates.endings import ended_by_cpu_limit, used_up_cpu, used_up_wall
from verifier.candidates.limits import Limits
from verifier.candidates.session import Answer, Session, Target, WorkerEnded
from verifier.candidates.source_lines import runs_when_loaded
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.verification.raising import Advice, advise, sentence_of

SLOW_TO_LOAD = 1.0  # seconds
AT_THE_TOP = 'Code at the top level of a file runs whenever the file is loaded: put training and plots below `if __name__ == "__main__":`.'
LAST_LINE = 80  # characters of what was printed
DEATHS = 3  # a candidate that has died so often is given up


class Workers:
    """One candidate and its present worker. A context manager.

    Args:
        target: what a worker loads, where the candidate alone does not say it.
        advice: the contract's own, on an exception's type and text.
        deaths: how often the candidate may die before it is given up.

    Attributes:
        isolation: how the last worker was confined, in its own words.
        left_out: of a notebook, the cells of which something did not run.
        signature: of the entry, the names of its parameters, and of those that its code never reads.
        parameters: of the candidate's own functions, what a call may pass by position.
        started: how many workers there were: whoever left something with one leaves it again where the number has changed.
        ended: whether a worker ended while it was asked.
    """

    def __init__(
        self,
        zygote: Zygote,
        candidate: Candidate,
        limits: Limits,
        *,
        target: Target | None = None,
        advice: Advice = lambda kind, text: "",
        deaths: int = DEATHS,
    ) -> None:
        self._zygote, self._candidate, self._limits = zygote, candidate, limits
        self._target = target or Target(candidate.file, candidate.root, candidate.readable, candidate.module, candidate.entry)
        self._advice = advice
        self._session: Session | None = None
        self._deaths, self._most_deaths = 0, deaths
        self._given_up = ""
        self._wall = self._cpu = 0.0  # spent over all its workers, in seconds
        self._printed = ""
        self._shown: set[tuple[Any, ...]] = set()  # the lines whose frames it holds
        self._functions: Mapping[str, int] | None = None
        self.parameters: Mapping[str, Sequence[str]] = {}
        self.isolation: dict[str, Any] = {}
        self.left_out: tuple[int, ...] = ()
        self.signature: Mapping[str, Sequence[str]] = {}
        self.note_on_loading = ""
        self.started = 0
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def functions(self) -> Mapping[str, int]:
        """The candidate's functions by name; raises Unanswered where it does not load."""
        if self._functions is None:
            self.worker("")
        return self._functions or {}

    @property
    def deaths_left(self) -> int:
        """How many more times the candidate may die; at the last it is given up."""
        return self._most_deaths - self._deaths

    @property
    def living(self) -> Session | None:
        """The present worker, if there is one."""
        return self._session

    def load(self) -> None:
        """Start a worker. Raises Unanswered where the candidate does not load."""
        self.worker("")

    def printed(self) -> str:
        """The last of what the candidate printed, over all its workers."""
        return self._printed + (self._session.printed() if self._session is not None else "")

    def ask(self, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], where: str) -> Answer:
        """One message and its answer. Raises Unanswered where the worker ends; `fatal` where the candidate is given up."""
        session = self.worker(where)
        try:
            return self.send(session, message, arrays)
        except WorkerEnded as ended:
            raise self.died(ended, where) from None

    def send(self, session: Session, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Answer:
        """One message and its answer. Raises WorkerEnded, of which the caller makes a death (`died`) or not (`lose`)."""
        began = time.monotonic()
        try:
            return session.ask(message, arrays, seconds=max(0.0, self._limits.all_wall_seconds - self._wall))
        finally:
            self._wall += time.monotonic() - began

    def worker(self, where: str) -> Session:
        """The present worker, or another one. Raises Unanswered where there is to be none, or the candidate does not load."""
        if self._given_up:
            raise Unanswered(self._given_up, fatal=True)
        if self._session is None:
            try:
                limits = replace(self._limits, all_cpu_seconds=self._limits.all_cpu_seconds - self._cpu)
                began = time.monotonic()
                session = self._zygote.start(self._target, limits)
            except WorkerEnded as ended:
                died = self.died(ended, where)
                self._print(ended.printed)
                when = "" if "load" in ended.text else "while it was loaded, "
                said = f"{self._candidate.path}: {when}the candidate {ended.text}."
                remedy = AT_THE_TOP if ended.reason in ("wall", "cpu", "output") else ""
                raise Unanswered(f"{said} {_last_printed(ended.printed)}{remedy}".rstrip(), fatal=True) from died
            seconds = time.monotonic() - began
            self.isolation = session.hello.get("isolation") or {}
            failed = session.hello.get("load_error")
            if failed is not None:
                self._print(session.printed())
                session.close()
                raise Unanswered(self.described(failed, loading=True), fatal=True)
            self._functions = session.hello.get("functions") or {}
            self.parameters = session.hello.get("parameters") or {}
            self.left_out = tuple(session.hello.get("left_out") or ())
            self.signature = session.hello.get("signature") or {}
            if not self.started and seconds > SLOW_TO_LOAD:
                self.note_on_loading = self._what_ran(seconds, session.printed())
            self._session = session
            self.started += 1
        return self._session

    def _what_ran(self, seconds: float, printed: str) -> str:
        """A note on a script that computes whenever it is loaded; a library may be slow to import too, and warn meanwhile."""
        if not (said := _last_printed(printed)) or not runs_when_loaded(self._candidate):
            return ""
        return f"Loading the file took {seconds:.1f} s. {said}{AT_THE_TOP}"

    def died(self, ended: WorkerEnded, where: str) -> Unanswered:
        """The end of a worker as a death of the candidate's."""
        self._deaths += 1
        self.lose()
        words = f"{self._candidate.path}: the candidate {(self._used_up() or ended).text}"
        if not self._given_up and self._deaths >= self._most_deaths:
            self._given_up = f"{words}; given up after {self._deaths} such ends."
        return Unanswered(f"{words}. {where}.", fatal=bool(self._given_up))

    def lose(self) -> None:
        """A worker is gone, and that is no death; given up where no time is left for another one."""
        self.ended = True
        self._close()
        spent = self._used_up()
        if spent is not None:
            self._given_up = f"{self._candidate.path}: the candidate {spent.text}; given up."

    def forget(self) -> None:
        """Go on with another worker: whatever the candidate has kept between calls is gone."""
        if not self._given_up:
            self._close()

    def abandon(self) -> None:
        """From another thread: there are to be no more answers. Who waits for one hears that the worker ended."""
        self._given_up = f"{self._candidate.path}: what was asked was given up."
        if (session := self._session) is not None:
            session.kill()

    def hear(self, other: "Workers") -> None:
        """Take over what another worker of the same candidate printed, where that is something else."""
        if (text := other.printed()) not in self.printed():
            self._print(text)

    def described(self, raised: Mapping[str, Any], *, loading: bool = False) -> str:
        """What it raised in one sentence, and what to do about it."""
        self.print_frames(raised)
        kind, text = str(raised.get("type")), str(raised.get("text"))
        unread = kind in ("SyntaxError", "IndentationError", "TabError")  # of which nothing ran
        said = sentence_of(self._candidate, raised)
        said += ", while it was loaded." if loading and not unread else "" if said.endswith(("?", "!")) else "."
        alone, notebook = self._candidate.root is None, bool(self.left_out)
        advice = advise(kind, text, alone=alone, notebook=notebook, forbidden=self._limits.forbid, of_contract=self._advice)
        return f"{said} {advice}" if advice else said

    def print_frames(self, raised: Mapping[str, Any]) -> None:
        """Its own frames beside what it printed, once for each line that raises."""
        frames = str(raised.get("traceback") or "")
        place = (raised.get("type"), raised.get("file"), raised.get("line"))
        if frames and place not in self._shown:
            self._shown.add(place)
            self._print(frames)

    def _used_up(self) -> WorkerEnded | None:
        """What it spent over all its workers, where that is more than it may."""
        if self._wall >= self._limits.all_wall_seconds:
            return used_up_wall(self._limits)
        return used_up_cpu(self._limits) if self._cpu >= self._limits.all_cpu_seconds else None

    def _close(self) -> None:
        session, self._session = self._session, None  # at once: whoever gives up asks from another thread
        if session is None:
            return
        self._print(session.printed())
        session.close()
        if (death := session.death) is not None:
            self._cpu += death.cpu
            if ended_by_cpu_limit(death):
                self._cpu = max(self._cpu, self._limits.all_cpu_seconds)

    def _print(self, text: str) -> None:
        self._printed = (self._printed + text)[-KEPT_OUTPUT:]


def _last_printed(printed: str) -> str:
    """A sentence with the last line that was printed, or ""."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return f'It printed {len(lines)} line{"s" if len(lines) > 1 else ""}, the last "{lines[-1][:LAST_LINE]}". ' if lines else ""
