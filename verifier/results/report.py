"""The report: the one source that every format is written from. `report.json` is this record, encoded."""

from typing import Any

import msgspec

from verifier.results.outcome import Measurement, Outcome, Verdict

SCHEMA_VERSION = 1
COUNTEREXAMPLE_FILE = "counterexample.safetensors"  # in the report folder


class CandidateRecord(msgspec.Struct, frozen=True):
    """Who was judged: its name, where it is (as the user named it), its contract, and its claims (manifest keys, defaults filled in).

    `beside_defaults`: the claims that differ from the contract's defaults. `fingerprint`: equal for two candidates of the same code,
    comments, layout and names apart; "" where it is not known.
    """

    name: str
    path: str
    contract: str
    claims: dict[str, Any]
    beside_defaults: dict[str, Any] = {}
    fingerprint: str = ""


class Part(msgspec.Struct, frozen=True):
    """One part of a score: what was asked, the points it earned of those that it could, and why where it earned less."""

    name: str
    points: float
    of: float
    why: str = ""


class Score(msgspec.Struct, frozen=True):
    """The points of a submission, and the parts that they are the sum of."""

    points: float
    of: float
    parts: tuple[Part, ...] = ()


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """Worth knowing, not a wrong gradient; `manifest_line` is the line that would declare it, where there is one."""

    check: str
    message: str
    manifest_line: str | None = None


class Diagnosis(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mistake that explains what was seen: the fault's name, the equation that it breaks, and a sentence for a student.

    `evidence`: what the name rests on: on how many networks it predicts the candidate's numbers.
    `layer`, `tensor`, `region`, `axes`: of a file of layers, whose gradient, which of its elements, and at which sizes and options.
    `also`: another mistake beside the first one, and not another explanation of it.
    """

    fault: str
    equation: str
    explanation: str
    evidence: str = ""
    layer: str = ""
    tensor: str = ""
    region: str = ""
    axes: str = ""
    also: bool = False


class OwnLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the candidate's source: with another value there, every gradient would be right.

    Attributes:
        file, line, function: where it is; the file as the user named it, the function "" at the top of a file.
        source: the line without its indentation; `column` and `length` say what in it makes the value (from 0, in characters).
        variable: what is set there (`delta`, `deltas[1]`), given to a function (`sigmoid(z)`) or returned (`return`).
        quantity: what should stand there: `δ[0]`, layers counted from 0 as in `weights[0]`.
        sentence: the same for a reader, with the numbers.
        claimed, right: the element that is furthest off, and what it should be.
        confirmed: on how many other random networks the same value there made every gradient right.
    """

    file: str
    line: int
    function: str
    source: str
    column: int
    length: int
    variable: str
    quantity: str
    sentence: str
    claimed: float | None
    right: float
    confirmed: int

    @property
    def place(self) -> str:
        """``student.py, line 14, in backprop``."""
        return f"{self.file}, line {self.line}" + (f", in {self.function}" if self.function else "")


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a problem worked by hand.

    Attributes:
        equation: the id of the equation that the line applies.
        name: the value that it gives: `pre_activations[0]`, `deltas[1]`, `loss`, or the tensor whose gradient (or update) it is.
        text: the formula with its numbers, up to the result.
        right, claimed: the result, and the candidate's where it is known.
        parts: whether the two differ by more than rounding.
        claimed_shape: of what the candidate has in its place, where its shape does not fit: then no number of it is the one meant.
    """

    equation: str
    name: str
    text: str
    right: float
    claimed: float | None = None
    parts: bool = False
    claimed_shape: tuple[int, ...] | None = None


class GraphNode(msgspec.Struct, frozen=True):
    """One operation of a graph: the name of its value, the names of the values that it reads, and its call as text."""

    output: str
    operands: tuple[str, ...]
    text: str


class Counterexample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The smallest network found that fails: the file that replays it, a description, and its arrays and gradients as nested lists.

    Attributes:
        file: name of the file beside the report, or None where it could not be written.
        problem: description of the network.
        check: id of the check that it fails.
        arrays: the problem's arrays by name.
        claimed, reference: gradients by array name, the candidate's and the right ones.
        walkthrough: the network worked by hand, line by line; empty where it is too large for that.
        nodes: of an engine's graph, its operations in order; empty elsewhere.
    """

    file: str | None
    problem: str
    check: str
    arrays: dict[str, Any]
    claimed: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    walkthrough: tuple[Step, ...] = ()
    nodes: tuple[GraphNode, ...] = ()


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a pass is worth: mistakes that would have been noticed on the networks of this run, and mistakes that would not.

    `largest`: by the name of a size, the largest that was asked.
    """

    excludes: tuple[str, ...]
    not_excluded: tuple[str, ...]
    networks: int
    largest: dict[str, int] = {}


class Isolation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What confined the candidate: each promise kept or not, and why not.

    Attributes:
        own_user: whether the worker was a user of its own, as it can be where the harness runs as root; None where a report does not say.
    """

    files: bool
    system_calls: bool
    limits: bool
    landlock_abi: int | None = None
    reason: str | None = None
    own_user: bool | None = None
    known: bool = True


class LayerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One layer of a file that has several.

    Attributes:
        name, operation: how the manifest calls it, and what it claims to be.
        verdict: as of a report; `not-done` where its functions are there and not written.
        forward: what is known of its forward pass: `pass`, `fail`, or `skipped` where nothing says what is right.
        gradients: by array, `pass`, `fail` or `undecided`.
        sentence: what is wrong, or what else there is to say.
    """

    name: str
    verdict: str
    operation: str = ""
    forward: str = "skipped"
    gradients: dict[str, str] = {}
    sentence: str = ""


class OperationRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation of an engine, alone.

    Attributes:
        name: as the table of operations has it.
        value, gradients, broadcasting, edge, second (order), complex (numbers): `right`, `wrong`, `refuses`, `refuses late`, `convention`;
            empty where nothing was asked.
        questions: how many graphs were asked about it.
        sentence: what it refuses, in the engine's words, and what it does at kinks.
    """

    name: str
    value: str
    gradients: dict[str, str] = {}
    broadcasting: str = ""
    edge: str = ""
    second: str = ""
    complex: str = ""
    questions: int = 0
    sentence: str = ""


class Report(msgspec.Struct, frozen=True):
    """One candidate, one run.

    Attributes:
        verdict: `pass`, `fail`, `inconclusive` or `error`.
        summary: the headline: the verdict's reason in one or two sentences (tensor, numbers, what to do).
        checks: one outcome a check, in the order in which they were asked.
        measurements: the worst comparison of each check, tensor and network that is worth showing.
        printed: the last of what the candidate printed (shown where it fails).
        environment: versions of Python, NumPy, PyTorch, Hypothesis and the harness; the platform.
        timings: seconds by phase; the only part of a report that may change between two runs of one seed.
        layers: of a file of layers, one record each; unset elsewhere.
        operations: of an engine, one record each; unset elsewhere.
        only: the checks to which the run was limited; empty where all were asked.
        certificate: of a pass, what it excludes; None where `autograd` was not asked, and of another verdict.
        reason: why an `error` is no mistake in the mathematics: "not-judged" (there is nothing to ask) or "not-done" (nothing is filled
            in yet); else "".
        place: the line of the candidate's source that the verdict points to, as ``student.py, line 14, in backprop``; "" where none is.
        options: the other options of the command that made this run, as words to paste.
        score: what it is worth; None in a report of an earlier version.
        hints: how much of it a student is shown: "verdict", "equation" or "line".
        message: what the assignment says to every student.
        own_lines: the lines that would fix it, where that could be found out; `place` is then the first of them.
        rung: of a run within a time limit: 1, 2, 3, … where it asked about a half, a quarter, an eighth of the profile's networks;
            6 where ten networks settled that it is wrong.
    """

    schema_version: int
    verdict: Verdict
    summary: str
    candidate: CandidateRecord
    profile: str
    seed: int
    checks: tuple[Outcome, ...]
    measurements: tuple[Measurement, ...]
    notes: tuple[Note, ...]
    diagnosis: tuple[Diagnosis, ...]
    counterexample: Counterexample | None
    isolation: Isolation
    environment: dict[str, str]
    printed: str
    timings: dict[str, float]
    only: tuple[str, ...] = ()
    layers: tuple[LayerRecord, ...] | msgspec.UnsetType = msgspec.UNSET
    certificate: Certificate | None = None
    operations: tuple[OperationRecord, ...] | msgspec.UnsetType = msgspec.UNSET
    reason: str = ""
    place: str = ""
    options: tuple[str, ...] = ()
    score: Score | None = None
    hints: str = "line"
    message: str = ""
    own_lines: tuple[OwnLine, ...] = ()
    rung: int = 0


def to_json(report: Report) -> bytes:
    """The report as indented UTF-8 JSON; infinities and NaN become null, as JSON has none."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def from_json(data: bytes) -> Report:
    """The report that `to_json` wrote. Raises msgspec.ValidationError where it does not have that form."""
    return msgspec.json.decode(data, type=Report)
