"""The candidates of tests/hostile, asked a few times by one worker; as a program, once each, where this process has less than it should.

python attacks.py: one JSON line an attack, with what its worker was confined by, what came of it, and why it does not run under `require`.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from verifier.candidates.limits import MIB, Limits
from verifier.candidates.session import Answer, Session, Target, WorkerEnded
from verifier.candidates.zygote import Zygote
from verifier.errors import IsolationError

KNOWS_WHERE_IT_LIES = ("reads_the_verifier",)  # some others attack their own file
FOLDER = Path(__file__).resolve().parents[1] / "hostile"
LIMITS = Limits(wall_seconds=0.4, cpu_seconds=0.6, load_seconds=2.0, output_bytes=2 * MIB, scratch_bytes=8 * MIB, scratch_files=200)
DRAW = np.random.default_rng(0).normal
SENT = {"w": DRAW(size=(2, 3)), "b": DRAW(size=2), "x": DRAW(size=(4, 3)), "y": DRAW(size=(4, 2)), "t": np.array([-1e-3, 1e-3])}
CALL = {"function": "backprop", "arguments": ["weights", "biases", "x", "y"], "form": ["array", "arrays", "arrays"]}
LINE = {**CALL, "directions": {"weights": ["w"]}, "steps": "t", "part": 0}


def attacks() -> Iterator[tuple[Path, str, str, str]]:
    """Each file with what holds it, the verdicts that are right for it, and the words that its report must have."""
    for file in sorted(FOLDER.glob("*.py")):
        found = re.search(r"^Expected: ([^;\n]*)(?:; (.*))?\nHeld by: (.*)$", file.read_text(encoding="utf-8"), re.M)
        yield file, found[3], found[1], found[2] or ""


def started(zygote: Zygote, file: Path, limits: Limits = LIMITS) -> Session:
    return zygote.start(Target(file, None, (file,)), limits)


def ask(session: Session, *, line: bool = False) -> Answer:
    """One call, with or without one line."""
    put = {"weights": ["w"], "biases": ["b"], "x": "x", "y": "y"}
    return session.ask({"put": put, "calls": [CALL], **({"lines": [LINE]} if line else {})}, SENT)


def outcome(zygote: Zygote, file: Path, limits: Limits = LIMITS, times: int = 3) -> tuple[dict[str, object], str]:
    """What confined its worker, and how it answered: "answered", what it raised or was refused, or how it ended."""
    isolation: dict[str, object] = {}
    try:
        with started(zygote, file, limits) as session:
            isolation = session.hello["isolation"]
            for _ in range(times):
                reply = ask(session).message["results"][0]
                if "form" not in reply:
                    break
            return isolation, "answered" if "form" in reply else json.dumps(reply)
    except WorkerEnded as ended:
        return isolation, str(ended)


def refusal(zygote: Zygote, file: Path) -> str:
    """Why none of its code runs; empty where it does."""
    try:
        with started(zygote, file):
            return ""
    except IsolationError as refused:
        return str(refused)


if __name__ == "__main__":
    with Zygote() as auto, Zygote(isolation="require") as required, tempfile.TemporaryDirectory() as copies:
        for file, *_ in attacks():
            own = file if file.stem in KNOWS_WHERE_IT_LIES else Path(shutil.copy(file, copies))
            isolation, told = outcome(auto, own)
            print(json.dumps([file.stem, isolation.get("files"), isolation.get("reason"), told, refusal(required, own)]), flush=True)
