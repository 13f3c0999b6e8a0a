"""Coverage-guided fuzzing of everything that reads what a candidate wrote, for ten minutes or ten million inputs.

    pip install atheris        (Linux; not a dependency of anything else)
    python -m benchmarks.fuzzing [--seconds 600] [--runs 10000000]

The first byte of an input chooses the reader, the rest is what it reads: a frame over a channel, a blob, the replies to a request, a
hello, gradients from a forged answer, a manifest, a problem file, a journal. A reader may refuse; any other exception, five seconds
for one input or a gigabyte of memory end the run as a finding. Prints the count for `benchmarks/results/fuzzing.txt`.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

KINDS = 8
REQUEST = {
    "calls": [
        {"function": "backprop", "arguments": ["weights", "x"], "form": ["array", "arrays", "arrays"], "echo": True},
        {"function": "predict", "arguments": [], "form": "array"},
    ],
    "lines": [{"function": "backprop", "arguments": [], "form": ["array", "arrays"], "part": 0}],
}
REPLIES: dict[str, Any] = {
    "results": [
        {"form": ["a0", ["a1"], [None]], "echo": {"weights": ["a2"], "x": None}},
        {"raised": {"type": "E", "text": "t", "traceback": "", "file": "f", "line": 3, "function": None}},
    ],
    "lines": [{"form": "a0"}],
}
MANIFEST = """# /// script
# dependencies = ["numpy"]
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error", "cross_entropy"]
# output_activations = ["softmax"]
# sizes = [2, 0, 1]
# learning_rate = 1e-1
# [tool.other]
# x = {a = [1, "]"]}
# ///
def backprop(): pass
"""


def main() -> None:
    """Fuzz in a process of its own, and say how many inputs it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked, rest = parser.parse_known_args()
    if asked.inside:
        _fuzz(rest)
        return
    with tempfile.TemporaryDirectory() as corpus:
        for index, seed in enumerate(_seeds()):
            Path(corpus, f"seed{index}").write_bytes(seed)
        limits = [f"-max_total_time={asked.seconds}", f"-runs={asked.runs}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=4096"]
        command = [sys.executable, "-m", "benchmarks.fuzzing", "--inside", *limits, f"-artifact_prefix={corpus}/", corpus]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        told = re.findall(r"(?:Done (\d+) runs in (\d+) second|cov: (\d+) ft: (\d+).*rss: (\d+)Mb)", done.stderr)
        runs = next((f"{int(one[0]):,} inputs in {one[1]} s" for one in told if one[0]), "no end was told")
        last = next((one for one in reversed(told) if one[2]), ("", "", "?", "?", "?"))
        print(
            f"{runs}; coverage {last[2]} (features {last[3]}), at most {last[4]} MB; {'no finding' if done.returncode == 0 else 'FOUND:'}"
        )
        if done.returncode:
            print(done.stderr[-4000:])
            for left in Path(corpus).glob("*-*"):
                print(left.name, left.read_bytes())
    sys.exit(done.returncode)


def _fuzz(arguments: list[str]) -> None:
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["verifier", "json", "tomllib"]):
        readers = _readers()

    def test(data: bytes) -> None:
        if data:
            readers[data[0] % KINDS](data[1:])

    atheris.Setup([sys.argv[0], *arguments], test)
    atheris.Fuzz()


def _readers() -> list[Callable[[bytes], object]]:
    """What reads each kind of input; each raises only what it may not."""
    from verifier.candidates.descriptors import Channel, TooLarge
    from verifier.candidates.folders import defines_entry
    from verifier.candidates.manifest import manifest_of_source, read_settings
    from verifier.candidates.replies import check_replies, plain_hello
    from verifier.contracts.mlp.calling import read_gradients, read_outputs
    from verifier.errors import AnswerError, RequestError
    from verifier.problems.storage import problem_from_bytes
    from verifier.verification.journal import read_records
    from verifier.wire import WireError, decode_blob

    problem, claims = _problem()

    def frames(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data)
            theirs.close()
            channel = Channel(ours, 1 << 16)
            while (blob := channel.receive()) is not None:
                decode_blob(blob)

    def replies(data: bytes) -> None:
        check_replies(REQUEST, _table(data), {"a0": 0, "a1": 0, "a2": 0})

    def gradients(data: bytes) -> None:
        message, arrays = decode_blob(data)
        check_replies({"calls": [{"form": ["array", "arrays", "arrays"]}]}, message, arrays)
        form = message["results"][0].get("form")
        read_gradients(form, arrays, problem, claims)
        if "a0" in arrays:
            read_outputs("a0", arrays, problem, claims)

    def manifest(data: bytes) -> None:
        source = data.decode("utf-8", "replace")
        defines_entry(source)
        read_settings(manifest_of_source(source, "student.py"))

    def refusing(read: Callable[[bytes], Any], *refusals: type[Exception]) -> Callable[[bytes], None]:
        def reader(data: bytes) -> None:
            try:
                read(data)
            except refusals:
                return

        return reader

    return [
        refusing(frames, WireError, TooLarge),
        refusing(decode_blob, WireError),
        refusing(replies, WireError),
        refusing(lambda data: plain_hello({}, _table(data)), WireError),
        refusing(gradients, WireError, AnswerError),
        refusing(manifest, RequestError),
        refusing(problem_from_bytes, RequestError),
        refusing(lambda data: list(read_records(data, "a.jsonl"))),
    ]


def _table(data: bytes) -> dict[str, Any]:
    """A message as it comes out of a frame: a table of whatever JSON holds."""
    from verifier.wire import WireError

    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise WireError("no JSON") from None
    return value if isinstance(value, dict) else {}


def _problem() -> tuple[Any, Any]:
    from verifier.contracts.mlp.claims import claims_from
    from verifier.contracts.mlp.network import Architecture, build_problem

    claims = claims_from({})
    architecture = Architecture(widths=(2, 1), activations=("sigmoid",), loss="squared_error", batch=1)
    arrays = {"weights[0]": np.ones((1, 2)), "biases[0]": np.ones(1), "x": np.ones((1, 2)), "y": np.ones((1, 1))}
    return build_problem(architecture, arrays, claims), claims


def _seeds() -> list[bytes]:
    """One good input of each kind, from which the fuzzer starts."""
    from verifier import wire
    from verifier.problems.storage import problem_to_bytes
    from verifier.verification.journal import _line

    arrays = {"a0": np.array(1.0), "a1": np.ones((1, 2)), "a2": np.ones(1, np.float32)}
    answer = {"results": [{"form": ["a0", ["a1"], ["a2"]]}], "lines": []}
    hello = {"functions": {"backprop": 3}, "load_error": REPLIES["results"][1]["raised"]}
    inputs = [
        wire.encode(answer, arrays) + wire.encode({}, {}),
        wire.encode_blob(answer, arrays),
        json.dumps(REPLIES).encode(),
        json.dumps(hello).encode(),
        wire.encode_blob(answer, arrays),
        MANIFEST.encode(),
        problem_to_bytes(_problem()[0]),
        _line({"kind": "run", "seed": 3}, "a.jsonl") + _line({"kind": "report"}, "a.jsonl"),
    ]
    return [bytes([index]) + data for index, data in enumerate(inputs)]


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
