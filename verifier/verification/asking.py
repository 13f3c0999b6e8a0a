"""Asking one candidate: its worker started, asked, restarted after a death, and given up after three.

Every way in which there is no usable answer becomes one sentence (`Unanswered`) that names the candidate's file and line where there is
one, and the problem. The referee goes on with the next question.
"""

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.candidates.descriptors import KEPT_OUTPUT
from verifier.candidates.discovery import Candidate
from verifier.candidates.endings import ended_by_cpu_limit, used_up_cpu, used_up_wall
from verifier.candidates.limits import Limits
from verifier.candidates.session import Answer, Session, Target, WorkerEnded
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.contracts.calling import Call, Read
from verifier.contracts.catalogue import calling_of, family_of
from verifier.errors import AnswerError
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

FloatArray = NDArray[np.floating]

LAYERS_SHOWN = 4  # whose shapes a message gives
DEATHS = 3  # a candidate that has died so often is given up
TOGETHER_ELEMENTS = (
    100_000  # of a problem's arrays; above, the answers that are kept would be large, and a message costs little beside them
)


class Interview:
    """One candidate and its present worker; the `Asking` of the checks. A context manager."""

    def __init__(self, zygote: Zygote, candidate: Candidate, limits: Limits) -> None:
        self._zygote, self._candidate, self._limits = zygote, candidate, limits
        self._claims = candidate.claims
        self._calling = calling_of(candidate.contract)
        self._session: Session | None = None
        self._put: Problem | None = None
        self._kept: dict[int, tuple[Problem, list[tuple[Call, Answer, dict[str, Any]]]]] = {}
        self._answered = False  # a first question
        self._asks_alone = False  # each question, since a worker ended
        self._watched = False
        self._deaths = 0
        self._given_up = ""
        self._wall = self._cpu = 0.0  # spent over all its workers, in seconds
        self._printed = ""
        self.isolation: dict[str, Any] = {}
        self.evaluated = 0
        self.complex_numbers = ""  # where the candidate was seen to handle some, if it was
        self._functions: Mapping[str, int] | None = None

    def __enter__(self) -> "Interview":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def functions(self) -> Collection[str]:
        """Names of the candidate's functions; raises Unanswered where it does not load."""
        if self._functions is None:
            self._worker("")
        return self._functions or {}

    @property
    def entry(self) -> str:
        """The function that is asked for gradients."""
        return self._calling.entry_of(self.functions, self._candidate.entry)

    def check_entry(self) -> None:
        """Raises Unanswered where the entry does not exist; it names the functions that are there."""
        if self.entry in self.functions:
            return
        there = ", ".join(sorted(self.functions)[:12]) or "no function at all"
        raise Unanswered(
            f"{self._shown}: there is no function {self._candidate.entry!r}; it has {there}. Define {self._candidate.entry}, or name "
            'yours in the manifest: entry = "…" (a method needs an object: net = Network(…) in the file, and entry = "net.backprop").',
            fatal=True,
            reason="not-judged",
        )

    @property
    def deaths_left(self) -> int:
        """How many more times the candidate may die; at the last it is given up."""
        return DEATHS - self._deaths

    def printed(self) -> str:
        """The last of what the candidate printed, over all its workers."""
        return self._printed + (self._session.printed() if self._session is not None else "")

    def ask_together(self, problem: Problem, functions: Collection[str]) -> None:
        """Ask for the gradients and for these functions in one message, and keep the answers until each is asked for.

        Only after a first answer, and never again once the worker ended: which call was at fault, each asked alone will show. Such an end
        counts as no death, since several calls had to share the time of one; there is at most one.
        """
        elements = sum(array.size for array in problem.arrays.values())
        if not self._answered or self._asks_alone or self._session is None or elements > TOGETHER_ELEMENTS:
            return
        others = self._calling.optional_calls(problem, self._claims)
        calls = [self._entry_call(problem), *(others[name] for name in functions if name in self.functions)]
        try:
            answer = self._send(self._session, problem, {"calls": [call.message() for call in calls]}, {})
        except WorkerEnded:
            self._ended()
            return
        self._kept[id(problem)] = problem, [(call, answer, result) for call, result in zip(calls, answer.message["results"], strict=True)]

    def gradients(self, problem: Problem, *, where: str) -> Evaluation:
        def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
            return self._calling.read_entry(tree, arrays, problem, self._claims, self.entry)

        evaluation: Evaluation = self._ask(problem, self._entry_call(problem), read, where)
        return evaluation

    def call(self, problem: Problem, call: Call, read: Read, *, where: str) -> Any:
        return self._ask(problem, call, read, where)

    def arguments_after(self, problem: Problem, *, where: str) -> Mapping[str, NDArray[Any]]:
        call = self._entry_call(problem)
        if call.in_place:
            return {}
        answer = self._watched_call(problem, call) or self._exchange(problem, {"calls": [call.message(echo=True)]}, {}, where)
        echo = self._result(answer, answer.message["results"][0], call.function, where).get("echo") or {}
        names = self._calling.values_of(problem, self._claims)[0]
        return dict(_echoed(names, echo, answer.arrays))

    def _watched_call(self, problem: Problem, call: Call) -> Answer | None:
        """Once, and on a living worker: the answer to a call during which complex numbers are looked for. None where that went wrong."""
        if self._watched or self._session is None:
            return None
        self._watched = True
        try:
            answer = self._send(self._session, problem, {"calls": [{**call.message(echo=True), "watch": True}]}, {})
        except WorkerEnded:  # no death: watching costs time
            self._ended()
            return None
        result = answer.message["results"][0]
        if "form" not in result:
            return None
        self.complex_numbers = result["complex"]
        return answer

    def losses(self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, *, where: str) -> FloatArray:
        claims = self._claims
        names = self._calling.values_of(problem, claims)[0]
        extra: dict[str, NDArray[Any]] = {"steps": np.asarray(steps, dtype=np.float64)}
        directions: dict[str, list[str]] = {}
        for value, held in names.items():
            listed = [held] if isinstance(held, str) else held
            if any(name in direction for name in listed):
                directions[value] = [f"direction of {name}" for name in listed]
                for name in listed:
                    along = direction.get(name, np.zeros(problem.arrays[name].shape))
                    extra[f"direction of {name}"] = self._calling.to_claimed(name, along, claims)
        call, part = self._loss_call(problem)
        line = {**call.message(), "directions": directions, "steps": "steps", "part": part}
        points = self._points(problem, line, extra, where)
        self.evaluated += len(steps)
        if part is not None:
            if points.size != len(steps):
                raise Unanswered(f"{self._shown}: the loss came back with shape {points.shape[1:]}; it must be one number. {where}.")
            return points.reshape(len(steps)).astype(np.float64)
        return self._losses_of_outputs(problem, direction, steps, points, where)

    _points_alone = False

    def _points(self, problem: Problem, line: dict[str, Any], extra: Mapping[str, NDArray[Any]], where: str) -> NDArray[Any]:
        """The answers along a line, the points as the leading axis.

        A limit on one answer is one call's. A whole line is asked in one message until one comes too late for it; from then on each point
        is asked alone, with a limit of its own.
        """
        if not self._points_alone:
            session = self._worker(where)
            try:
                return self._line_answer(self._send(session, problem, {"lines": [line]}, extra), line["function"], where)
            except WorkerEnded as ended:
                if ended.reason not in ("wall", "cpu"):
                    raise self._died(ended, where) from None
                self._ended()  # no death: many calls had to share the time of one
                self._points_alone = True
        found = []
        for step in extra["steps"]:
            answer = self._exchange(problem, {"lines": [line]}, {**extra, "steps": np.array([step])}, where)
            found.append(self._line_answer(answer, line["function"], where))
        if any(point.shape != found[0].shape for point in found):
            raise Unanswered(f"{self._shown}, in {line['function']}: returned another shape at another point of a line. {where}.")
        return np.concatenate(found)

    def _line_answer(self, answer: Answer, function: str, where: str) -> NDArray[Any]:
        return answer.arrays[self._result(answer, answer.message["lines"][0], function, where)["form"]]

    def _loss_call(self, problem: Problem) -> tuple[Call, int | None]:
        """The call whose answer has the loss, and which part it is; where no loss is known to come back, that of `predict`."""
        call = self._entry_call(problem)
        if call.loss is not None and not self._loss_is_missing:
            return call, call.loss
        return self._calling.optional_calls(problem, self._claims)["predict"], None

    _loss_is_missing = False

    def use_predict_for_losses(self) -> None:
        """From now on a loss is the claimed one over what `predict` returns."""
        self._loss_is_missing = True

    def _losses_of_outputs(
        self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, points: FloatArray, where: str
    ) -> FloatArray:
        claims = self._claims
        try:
            outputs = np.stack([self._calling.read_outputs("point", {"point": point}, problem, claims) for point in points])
        except AnswerError as error:
            raise Unanswered(f"{self._shown}: {error} {where}.") from None
        parameters = {}
        for name in problem.program.differentiate:
            start = problem.arrays[name].astype(np.float64)
            along = direction.get(name, np.zeros(start.shape))
            moved = [(start + step * along).astype(problem.dtype) for step in steps.tolist()]
            parameters[name] = np.stack(moved).astype(np.float64)
        return family_of(problem.contract).losses_of_outputs(problem, claims, outputs, parameters)

    def _entry_call(self, problem: Problem) -> Call:
        return self._calling.entry_call(problem, self._claims, self.entry)

    def _ask(self, problem: Problem, call: Call, read: Read, where: str) -> Any:
        answer, result = self._take_kept(problem, call) or self._ask_alone(problem, call, where)
        self.evaluated += 1
        if "raised" in result:
            where = f"{where}. It was called as {self._called(problem, call)}"
        form = self._result(answer, result, call.function, where)["form"]
        try:
            return read(form, answer.arrays)
        except AnswerError as error:
            raise Unanswered(f"{self._shown}, in {call.function}: {error} {where}.") from None

    def _called(self, problem: Problem, call: Call) -> str:
        """The call with the shapes that went in: ``backprop(weights, biases, x, y)`` with weights (3, 2), (1, 3); …"""
        names, arrays = self._calling.values_of(problem, self._claims)
        listed = {name: [value] if isinstance(value, str) else value for name, value in names.items()}
        shapes = []
        for name, values in listed.items():
            shown = [str(arrays[value].shape) for value in values[:LAYERS_SHOWN]] or ["[]"]
            shapes.append(f"{name} {', '.join(shown)}{', …' if len(values) > LAYERS_SHOWN else ''}")
        return f"{call.function}({', '.join(names)}) with {'; '.join(shapes)}"

    def _take_kept(self, problem: Problem, call: Call) -> tuple[Answer, dict[str, Any]] | None:
        """The answer that `ask_together` kept; once, since whoever asks again wants to know whether it is the same."""
        _, kept = self._kept.get(id(problem), (problem, []))
        found = next((position for position, (asked, _, _) in enumerate(kept) if asked == call), None)
        return None if found is None else kept.pop(found)[1:]

    def _ask_alone(self, problem: Problem, call: Call, where: str) -> tuple[Answer, dict[str, Any]]:
        answer = self._exchange(problem, {"calls": [call.message()]}, {}, where)
        self._answered = True
        return answer, answer.message["results"][0]

    def _exchange(self, problem: Problem, message: dict[str, Any], extra: Mapping[str, NDArray[Any]], where: str) -> Answer:
        session = self._worker(where)
        try:
            return self._send(session, problem, message, extra)
        except WorkerEnded as ended:
            raise self._died(ended, where) from None

    def _send(self, session: Session, problem: Problem, message: dict[str, Any], extra: Mapping[str, NDArray[Any]]) -> Answer:
        arrays: dict[str, NDArray[Any]] = dict(extra)
        if self._put is not problem:
            message["put"], values = self._calling.values_of(problem, self._claims)
            arrays |= values
        began = time.monotonic()
        try:
            answer = session.ask(message, arrays, seconds=max(0.0, self._limits.all_wall_seconds - self._wall))
        finally:
            self._wall += time.monotonic() - began
        self._put = problem
        return answer

    def _result(self, answer: Answer, result: dict[str, Any], function: str, where: str) -> dict[str, Any]:
        """A result of an answer, or Unanswered where it is an exception or a refusal."""
        if "raised" in result:
            reason = "not-done" if result["raised"].get("type") == "NotImplementedError" else ""
            raise Unanswered(f"{self._raised(result['raised'])} {where}.", reason=reason)
        if "refused" in result:
            reason = "not-done" if str(result["refused"]).startswith("returned None") else ""
            raise Unanswered(f"{self._shown}, in {function}: {result['refused']}. {where}.", reason=reason)
        return result

    def _worker(self, where: str) -> Session:
        if self._session is None:
            if self._given_up:
                raise Unanswered(self._given_up, fatal=True)
            candidate = self._candidate
            target = Target(candidate.file, candidate.root, candidate.readable, candidate.module, candidate.entry)
            try:
                session = self._zygote.start(target, replace(self._limits, all_cpu_seconds=self._limits.all_cpu_seconds - self._cpu))
            except WorkerEnded as ended:
                died = self._died(ended, where)
                raise Unanswered(f"{self._shown}: while it was loaded, the candidate {ended.text}.", fatal=True) from died
            self.isolation = session.hello.get("isolation") or {}
            failed = session.hello.get("load_error")
            if failed is not None:
                self._print(session.printed())
                session.close()
                raise Unanswered(self._raised(failed, loading=True), fatal=True)
            self._functions = session.hello.get("functions") or {}
            self._session, self._put = session, None
        return self._session

    def _died(self, ended: WorkerEnded, where: str) -> Unanswered:
        self._deaths += 1
        self._ended()
        told = f"{self._shown}: the candidate {(self._used_up() or ended).text}"
        if not self._given_up and self._deaths >= DEATHS:
            self._given_up = f"{told}; given up after {self._deaths} such ends."
        return Unanswered(f"{told}. {where}.", fatal=bool(self._given_up))

    def _ended(self) -> None:
        """A worker is gone: from now on each question is asked alone; given up where no time is left for another worker."""
        self._asks_alone = True
        self._close()
        spent = self._used_up()
        if spent is not None:
            self._given_up = f"{self._shown}: the candidate {spent.text}; given up."

    def _used_up(self) -> WorkerEnded | None:
        """What it spent over all its workers, where that is more than it may."""
        if self._wall >= self._limits.all_wall_seconds:
            return used_up_wall(self._limits)
        return used_up_cpu(self._limits) if self._cpu >= self._limits.all_cpu_seconds else None

    def forget(self) -> None:
        """Go on with another worker: whatever the candidate has kept between calls is gone."""
        if not self._given_up:
            self._close()

    def _close(self) -> None:
        if self._session is not None:
            self._print(self._session.printed())
            self._session.close()
            death = self._session.death
            if death is not None:
                self._cpu += death.cpu
                if ended_by_cpu_limit(death):
                    self._cpu = max(self._cpu, self._limits.all_cpu_seconds)
            self._session = None

    def _print(self, text: str) -> None:
        self._printed = (self._printed + text)[-KEPT_OUTPUT:]

    @property
    def _shown(self) -> str:
        return self._candidate.path

    def _raised(self, raised: Mapping[str, Any], *, loading: bool = False) -> str:
        """`student.py, line 14, in backprop: IndexError: list index out of range.` and its own frames, where there are several."""
        line, function = raised.get("line"), raised.get("function")
        place = _as_named(self._candidate, raised.get("file")) + (f", line {line}" if line else "")
        place += f", in {function}" if function and function != "<module>" else ""
        text = f"{place}: {raised.get('type')}: {raised.get('text')}" if raised.get("text") else f"{place}: {raised.get('type')}"
        traceback = str(raised.get("traceback") or "")
        if traceback and traceback not in self._printed:
            self._print(traceback)
        told = text.rstrip(".") + (", while it was loaded." if loading else ".")
        advice = self._advice(str(raised.get("type")), str(raised.get("text")))
        return f"{told} {advice}" if advice else told

    def _advice(self, kind: str, text: str) -> str:
        """What to do about an exception that the contract or the confinement brought about; "" where the code is at fault."""
        if kind in ("PermissionError", "ModuleNotFoundError", "ImportError"):
            words = re.split(r"[^\w-]+", text)
            forbidden = next((package for package in self._limits.forbid if package in words), None)
            if forbidden:
                return f"The package {forbidden} may not be imported here."
        of_contract = self._calling.advice(kind, text)
        if of_contract:
            return of_contract
        if kind == "ModuleNotFoundError" and self._candidate.root is None:
            return "A single file can import what is installed beside the verifier, and nothing from its own folder."
        if kind == "EOFError" and "line" in text:
            return "Nobody answers `input()` here: put what it asks for into the code."
        if kind == "PermissionError" and self._candidate.root is None:
            return "A single file may read nothing but itself: put both into a folder with a verifier.toml."
        if kind in ("gaierror", "URLError", "ConnectionError"):
            return "There is no network here."
        return ""


def _as_named(candidate: Candidate, file: object) -> str:
    """A file of the candidate as the user named the candidate, else as it is."""
    if not isinstance(file, str):
        return candidate.path
    if candidate.file is not None and Path(file) == candidate.file and candidate.root is None:
        return candidate.path
    if candidate.root is not None and Path(file).is_relative_to(candidate.root):
        named = Path(candidate.path)
        return str((named.parent if named.suffix == ".py" else named) / Path(file).relative_to(candidate.root))
    return file


def _echoed(names: Mapping[str, Any], echo: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    """The arrays that came back for the arguments, by their names; what is no array any more counts as an empty one."""
    gone = np.empty(0)
    found = []
    for value, name in names.items():
        back = echo.get(value)
        wanted = [name] if isinstance(name, str) else name
        backs = back if isinstance(back, list) else [back]
        if len(backs) != len(wanted):
            backs = [None] * len(wanted)
        for one, array in zip(wanted, backs, strict=True):
            found.append((one, arrays[array] if isinstance(array, str) and array in arrays else gone))
    return found
