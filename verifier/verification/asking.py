"""Asking one candidate by its contract's calls: the question is put, the answer read, and what is no usable answer becomes `Unanswered`.

The life of its workers is `workers`', what came already `kept_answers`'.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.session import Answer, Session, WorkerEnded
from verifier.candidates.source_lines import classes_in
from verifier.candidates.zygote import Zygote
from verifier.checks import contract
from verifier.checks.examination import Unanswered
from verifier.contracts.calling import Call, Namesake, Read
from verifier.contracts.catalogue import calling_of, family_of
from verifier.errors import AnswerError
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.results.report import Diagnosis
from verifier.verification.beginning import about_parameters, instead_of
from verifier.verification.kept_answers import KeptAnswers, Result
from verifier.verification.raising import said
from verifier.verification.workers import Workers

ARRAYS_SHOWN = 4  # of a list of arguments, whose shapes a message gives
TOGETHER_ELEMENTS = (
    100_000  # of a problem's arrays; above, the answers that are kept would be large, and a message costs little beside them
)


class Interview(Workers):
    """One candidate and its present worker; the `Asking` of the checks. A context manager."""

    def __init__(self, zygote: Zygote, candidate: Candidate, limits: Limits) -> None:
        self._calling = calling_of(candidate.contract)
        super().__init__(zygote, candidate, limits, advice=self._calling.advice)
        self._claims = candidate.claims
        self._kept = KeptAnswers()
        self._put: tuple[Problem, int] | None = None  # whose arguments the worker of this number holds
        self._answered = False  # a first question
        self._watched = False
        self._points_alone = False
        self._loss_is_missing = False
        self._found: Mapping[str, Namesake] = {}
        self._read_in = 0  # the number of the worker whose parameters told them
        self._tried: dict[str, str] = {}  # helpers that their answers told
        self.complex_numbers = ""  # where the candidate was seen to handle some, if it was

    @property
    def functions(self) -> Mapping[str, int]:
        """The candidate's functions by name, but for helpers that only share the name of an optional one."""
        helpers = self.helpers
        return {name: line for name, line in super().functions.items() if name not in helpers}

    @property
    def helpers(self) -> Mapping[str, str]:
        """Those helpers, as a note calls them."""
        certain = {name: one.call for name, one in self._namesakes().items() if one.trial is None}
        return {**certain, **self._tried}

    def try_namesakes(self, problems: Sequence[Problem]) -> None:
        """Take for helpers the functions whose parameters do not tell, and which answer none of these problems as the contract's would."""
        for name, one in self._namesakes().items():
            if one.trial is None or name not in self.functions:
                continue
            refused = []
            for problem in problems:
                try:
                    self._ask(problem, *one.trial(problem), "")
                    break
                except Unanswered as error:
                    if error.fatal:
                        return
                    refused.append(str(error).partition(contract.CALLED)[0].rstrip(" ."))
            else:
                self._tried[name] = f"{one.call}, since it does not answer as the contract's {name} ({refused[0]})"

    def _namesakes(self) -> Mapping[str, Namesake]:
        """None where the entry is missing, so that the message names all there is."""
        offered = super().functions
        if self._read_in != self.started:  # once a worker: each call asks for the functions that there are
            entry = self._calling.entry_of(offered, self._candidate.entry).rpartition(".")[2]
            found = self._calling.namesakes(self.parameters, self._claims) if entry in offered else {}
            self._found, self._read_in = {name: one for name, one in found.items() if name != entry}, self.started
        return self._found

    @property
    def entry(self) -> str:
        """The function that is asked for gradients."""
        return self._calling.entry_of(self.functions, self._candidate.entry)

    def check_entry(self) -> None:
        """Raises Unanswered where the entry does not exist; it names the functions that are there."""
        if self.entry.rpartition(".")[2] in self.functions:  # those of the object before the dot
            return
        classes = [f"the class {name}" for name in classes_in(self._candidate)]
        there = ", ".join([*sorted(self.functions), *classes][:12]) or "no function at all"
        path, wanted = self._candidate.path, self._candidate.entry
        says = instead_of(wanted, list(self.functions), self._candidate)
        raise Unanswered(f"{path}: there is no function {wanted!r}; it has {there}. {says}", fatal=True, reason="not-judged")

    def ask_together(self, problem: Problem, functions: Collection[str]) -> None:
        """Ask for the gradients and for these functions in one message, and keep the answers until each is asked for.

        Only after a first answer, and never again once the worker ended: which call was at fault, each asked alone will show. Such an end
        counts as no death, since several calls had to share the time of one; there is at most one.
        """
        elements = sum(array.size for array in problem.arrays.values())
        if not self._answered or self.ended or self.living is None or elements > TOGETHER_ELEMENTS:
            return
        others = self._calling.optional_calls(problem, self._claims)
        there = (others[name] for name in functions if name in others)
        calls = [self._entry_call(problem), *(call for call in there if call.function in self.functions)]
        try:
            answer = self._send(self.living, problem, {"calls": [message for call in calls for message in call.messages()]}, {})
        except WorkerEnded:
            self.lose()
            return
        self._kept.keep(problem, calls, answer)

    def gradients(self, problem: Problem, *, where: str) -> Evaluation:
        """The candidate's loss and gradients on a network; raises Unanswered with `where` in its sentence."""

        def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
            return self._calling.read_entry(tree, arrays, problem, self._claims, self.entry)

        evaluation: Evaluation = self._ask(problem, self._entry_call(problem), read, where)
        return evaluation

    def gradients_under(self, problem: Problem, claims: Any) -> Evaluation | None:
        """The answer where it is called in the layout of other claims; None where it raises, or returns something else."""
        own, printed = self._claims, self._printed
        self._claims, self._put = claims, None
        try:
            answer, results = self._ask_alone(problem, self._entry_call(problem), "")
            form = results[0].get("form")
            return None if form is None else self._calling.read_entry(form, answer.arrays, problem, claims, self.entry)
        except (Unanswered, AnswerError):
            return None
        finally:
            self._claims, self._put, self._printed = own, None, printed

    def call(self, problem: Problem, call: Call, read: Read, *, where: str) -> Any:
        """One call of a function of the candidate, its answer read by `read`."""
        return self._ask(problem, call, read, where)

    def arguments_after(self, problem: Problem, *, where: str) -> Mapping[str, NDArray[Any]]:
        """The entry's arguments as they are after the call, by name; an empty mapping where the call is meant to change them."""
        call = self._entry_call(problem)
        if call.in_place:
            return {}
        answer = self._watched_call(problem, call) or self._exchange(problem, {"calls": call.messages(echo=True)}, {}, where)
        names = self._calling.values_of(problem, self._claims)[0]
        found: dict[str, NDArray[Any]] = {}
        for one, result in zip((*call.before, call), self._results(answer.message["results"], call, where), strict=True):
            passed = {name: names[name] for name in one.arguments if name in names}
            found.update(_echoed(passed, result.get("echo") or {}, answer.arrays))
        return found

    def _watched_call(self, problem: Problem, call: Call) -> Answer | None:
        """Once, and on a living worker: the answer to a call during which complex numbers are looked for. None where that went wrong."""
        if self._watched or self.living is None:
            return None
        self._watched = True
        try:
            answer = self._send(self.living, problem, {"calls": call.messages(echo=True, watch=True)}, {})
        except WorkerEnded:  # no death: watching costs time
            self.lose()
            return None
        result = answer.message["results"][-1]
        if "form" not in result:
            return None
        self.complex_numbers = result["complex"]
        return answer

    def counts(self, problem: Problem) -> list[int] | None:
        """What one call of the entry costs, see `verifier.worker.effort`; None where it gives no answer meanwhile, or ends it."""
        if self.living is None:
            return None
        try:
            answer = self._send(self.living, problem, {"calls": [{**self._entry_call(problem).message(), "count": True}]}, {})
        except WorkerEnded:  # no death: counting costs time
            self.lose()
            return None
        counts: list[int] | None = answer.message["results"][0].get("counts")
        return counts or None

    def read_later(self, problem: Problem) -> Evaluation | None:
        """The entry's answer as it is after another call and after its arguments were written to; None where there is none."""
        later = self._asked_otherwise(problem, {"later": True})
        return None if isinstance(later, str) else later

    def read_laid_out(self, problem: Problem, layout: str) -> Evaluation | str | None:
        """The entry's answer where its arguments lie otherwise in memory, or what it raised, in words; None where there is none."""
        return self._asked_otherwise(problem, {"layout": layout})

    def _asked_otherwise(self, problem: Problem, otherwise: Mapping[str, Any]) -> Evaluation | str | None:
        call = self._entry_call(problem)
        if self.living is None or call.in_place or call.state or call.before:
            return None
        try:
            answer = self._send(self.living, problem, {"calls": [{**call.message(), **otherwise}]}, {})
            result = answer.message["results"][0]
            if "raised" in result:
                return said(result["raised"])
            found: Evaluation = self._calling.read_entry(result.get("form"), answer.arrays, problem, self._claims, self.entry)
        except WorkerEnded:  # no death: it was asked for more than the contract promises
            self.lose()
            return None
        except (AnswerError, TypeError):
            return None
        return found

    def losses(self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, *, where: str) -> FloatArray:
        """The candidate's loss at each step along a direction, float64, one number a step."""
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
        line = {**call.message(), "directions": directions, "steps": "steps", "part": part, "projected": list(call.projected)}
        points = self._points(problem, line, extra, where)
        if part is not None or call.projected:
            if points.size != len(steps):
                raise Unanswered(
                    f"{self._candidate.path}: the loss came back with shape {points.shape[1:]}; it must be one number. {where}."
                )
            return points.reshape(len(steps)).astype(np.float64)
        return self._losses_of_outputs(problem, direction, steps, points, where)

    def _points(self, problem: Problem, line: dict[str, Any], extra: Mapping[str, NDArray[Any]], where: str) -> NDArray[Any]:
        """The answers along a line, the points as the leading axis.

        A limit on one answer is one call's. A whole line is asked in one message until one comes too late for it; from then on each point
        is asked alone, with a limit of its own.
        """
        if not self._points_alone:
            session = self.worker(where)
            try:
                return self._line_answer(self._send(session, problem, {"lines": [line]}, extra), line["function"], where)
            except WorkerEnded as ended:
                if ended.reason not in ("wall", "cpu"):
                    raise self.died(ended, where) from None
                self.lose()  # no death: many calls had to share the time of one
                self._points_alone = True
        found = []
        for step in extra["steps"]:
            answer = self._exchange(problem, {"lines": [line]}, {**extra, "steps": np.array([step])}, where)
            found.append(self._line_answer(answer, line["function"], where))
        if any(point.shape != found[0].shape for point in found):
            raise Unanswered(f"{self._candidate.path}, in {line['function']}: returned another shape at another point of a line. {where}.")
        return np.concatenate(found)

    def _line_answer(self, answer: Answer, function: str, where: str) -> NDArray[Any]:
        return answer.arrays[self._result(answer.message["lines"][0], function, where)["form"]]

    def _loss_call(self, problem: Problem) -> tuple[Call, int | None]:
        """The call whose answer has the loss, and which part it is; where no loss is known to come back, that of `predict`."""
        call = self._entry_call(problem)
        if call.loss is not None and not self._loss_is_missing:
            return call, call.loss
        return self._calling.optional_calls(problem, self._claims)["predict"], None

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
            raise Unanswered(f"{self._candidate.path}: {error} {where}.") from None
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
        if not call.state:
            return self._ask_once(problem, call, read, where)
        try:
            return self._ask_once(problem, call, read, where)
        except Unanswered as error:
            if error.fatal or call.state == "kept" or self._stepped != self.started:
                raise
            self.forget()  # what it keeps by itself has the shapes of the problem before
            return self._ask_once(problem, call, read, where)
        finally:
            self._stepped = self.started

    _stepped = 0  # the number of the worker that answered a call with a state last

    def _ask_once(self, problem: Problem, call: Call, read: Read, where: str) -> Any:
        answer, results = self._kept.take(problem, call) or self._ask_alone(problem, call, where)
        forms = [result["form"] for result in self._results(results, call, where, problem)]
        form = forms if call.before else forms[0]
        try:
            return read(form, answer.arrays)
        except AnswerError as error:
            known = Diagnosis(error.fault, "", str(error)) if error.fault else None
            raise Unanswered(f"{self._candidate.path}, in {call.function}: {error} {where}.", diagnosis=known) from None

    def _called(self, problem: Problem, call: Call) -> str:
        """The call with the shapes that went in: ``backprop(weights, biases, x, y)`` with weights (3, 2), (1, 3); …"""
        names, arrays = self._calling.values_of(problem, self._claims)
        listed = {name: [held] if isinstance(held := names[name], str) else held for name in call.arguments if name in names}
        shapes = []
        for name, values in listed.items():
            shown = [str(arrays[value].shape) for value in values[:ARRAYS_SHOWN]] or ["[]"]
            shapes.append(f"{name} {', '.join(shown)}{', …' if len(values) > ARRAYS_SHOWN else ''}")
        return f"{call.function}({', '.join(call.arguments)}) with {'; '.join(shapes)}"

    def _ask_alone(self, problem: Problem, call: Call, where: str) -> tuple[Answer, Sequence[Result]]:
        answer = self._exchange(problem, {"calls": call.messages()}, {}, where)
        self._answered = True
        return answer, answer.message["results"]

    def _exchange(self, problem: Problem, message: dict[str, Any], extra: Mapping[str, NDArray[Any]], where: str) -> Answer:
        session = self.worker(where)
        try:
            return self._send(session, problem, message, extra)
        except WorkerEnded as ended:
            raise self.died(ended, where) from None

    def _send(self, session: Session, problem: Problem, message: dict[str, Any], extra: Mapping[str, NDArray[Any]]) -> Answer:
        """A message over a problem's arguments, which go with it unless the worker has them."""
        arrays: dict[str, NDArray[Any]] = dict(extra)
        if self._put is None or self._put[0] is not problem or self._put[1] != self.started:
            message["put"], values = self._calling.values_of(problem, self._claims)
            arrays |= values
        answer = self.send(session, message, arrays)
        self._put = problem, self.started
        return answer

    def _results(self, results: Sequence[Result], call: Call, where: str, problem: Problem | None = None) -> list[Result]:
        """The results of a call and of those before it, or Unanswered where one is an exception or a refusal."""
        found = []
        for one, result in zip((*call.before, call), results, strict=True):
            shapes = f". {contract.CALLED} {self._called(problem, one)}" if "raised" in result and problem is not None else ""
            if shapes and one.function == self.entry:
                shapes += about_parameters(self.signature, one.arguments)
            found.append(self._result(result, one.function, where + shapes))
        return found

    def _result(self, result: Result, function: str, where: str) -> Result:
        if "raised" in result:
            reason = "not-done" if result["raised"].get("type") == "NotImplementedError" else ""
            raise Unanswered(f"{self.described(result['raised'])} {where}.", reason=reason)
        if "refused" in result:
            reason = "not-done" if str(result["refused"]).startswith("returned None") else ""
            raise Unanswered(f"{self._candidate.path}, in {function}: {result['refused']}. {where}.", reason=reason)
        return result


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
