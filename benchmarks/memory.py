"""Peak memory of referee and worker where one network of 10⁷ parameters is checked, by the command, against the size of the parameters.

    python -m benchmarks.memory [--parameters 10000000]

The network is stored in a file and replayed: one problem, every check, a worker of its own. What the same command takes for a network
of a hundred parameters (Python, NumPy, PyTorch) is measured too, and told apart. Writes results/memory.txt.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cost import CLAIMS, network
from benchmarks.output import publish, table, versions
from verifier.contracts.mlp.network import architecture_of
from verifier.problems.storage import problem_to_bytes

SMALL = 100  # parameters of a network that takes no memory beside what is imported
HEADER = ("", "peak MB", "of it for a small network", "peak ÷ parameters", "beyond a small network", "goal")
LIMIT = 10  # goal: peak memory below so many times the parameters' own size
CANDIDATE = '''"""A right, vectorised network of tanh layers with a linear output."""

# /// script
# [tool.verifier]
# activations = ["tanh"]
# output_activations = ["identity"]
# losses = ["half_squared_error"]
# sizes = {sizes}
# max_width = {widest}
# ///

import numpy as np


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases)):
        z = activations[-1] @ w.T + b
        activations.append(z if layer == len(weights) - 1 else np.tanh(z))
    delta = (activations[-1] - y) / len(y)
    loss = 0.5 * np.sum((activations[-1] - y) ** 2) / len(y)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer:
            delta = (delta @ weights[layer]) * (1 - activations[layer] ** 2)
    return loss, weight_gradients, bias_gradients
'''
# A child of a large process counts its parent's memory as its own in ru_maxrss: so VmHWM here, and what the kernel told of the worker.
PEAK = """
import re, sys
from verifier.candidates.session import Session
from verifier.cli import main
close, workers = Session.close, [0]
def closing(session):
    close(session)
    workers.append(session.death.peak_memory if session.death else 0)
Session.close = closing
try:
    main()
finally:
    own = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
    for kilobytes in (own, max(workers) / 1024):
        sys.stderr.write(f"\\npeak {kilobytes / 1024}")
"""


def run(folder: Path, parameters: int) -> tuple[dict[str, float], float, str]:
    """Peak MB of referee and of its largest worker, with seconds; the parameters' MB; and what the command said."""
    problem = network(parameters)
    size = sum(problem.arrays[name].nbytes for name in problem.program.differentiate) / 2**20
    stored, candidate = folder / "network.safetensors", folder / "vectorised.py"
    stored.write_bytes(problem_to_bytes(problem))
    widths = architecture_of(problem).widths
    candidate.write_text(CANDIDATE.format(sizes=list(widths), widest=max(widths)))
    assert CLAIMS.losses == ("half_squared_error",)
    arguments = ["verifier", "replay", str(stored), str(candidate), "--report-dir", str(folder / "reports")]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {arguments!r}\n{PEAK}"],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "VERIFIER_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    referee, worker = (float(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("peak "))
    report = json.loads((folder / "reports" / "vectorised" / "report.json").read_text())
    said = [f"{check['id']} {check['status']}: {check['message']}" for check in report["checks"]]
    phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in report["timings"].items() if seconds >= 0.1)
    text = "\n".join([f"Verdict: {report['verdict']} (exit {done.returncode}). Seconds: {phases}.", *(f"  {line}" for line in said)])
    return {"referee": referee, "worker": worker, "seconds": seconds}, size, text


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, default=10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        found, size, said = run(Path(folder), parser.parse_args().parameters)
        empty, _, _ = run(Path(folder), SMALL)
    rows = [
        (
            who,
            *(f"{x:.0f}" for x in (found[who], empty[who])),
            *(f"{x / size:.1f}" for x in (found[who], found[who] - empty[who])),
            f"{LIMIT}",
        )
        for who in ("referee", "worker")
    ]
    heading = f"A network of {size:.0f} MB of parameters (float64), replayed: {found['seconds']:.0f} s in all."
    publish("memory", "\n".join([heading, versions("numpy", "torch"), "", table(rows, HEADER), "", said]))


if __name__ == "__main__":
    main()
