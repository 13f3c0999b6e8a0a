"""Peak memory of referee and worker where one network of 10⁷ parameters is checked, by the command, against the size of the parameters.

    python -m benchmarks.memory [--parameters 10000000]

The network is stored in a file and replayed: one problem, every check, a worker of its own. Writes results/memory.txt.
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
PEAK = """
import resource, sys
from verifier.cli import main
try:
    main()
finally:
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        sys.stderr.write(f"\\npeak {resource.getrusage(who).ru_maxrss / 1024}")
"""


def run(folder: Path, parameters: int) -> tuple[dict[str, float], float, str]:
    """Peak MB of referee and of its largest child, with seconds; the parameters' MB; and what the command said."""
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
    referee, child = (float(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("peak "))
    report = json.loads((folder / "reports" / "vectorised" / "report.json").read_text())
    said = [f"{check['id']} {check['status']}: {check['message']}" for check in report["checks"]]
    phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in report["timings"].items() if seconds >= 0.1)
    text = "\n".join([f"Verdict: {report['verdict']} (exit {done.returncode}). Seconds: {phases}.", *(f"  {line}" for line in said)])
    return {"referee": referee, "worker": child, "seconds": seconds}, size, text


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, default=10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        found, size, said = run(Path(folder), parser.parse_args().parameters)
    rows = [(who, f"{found[who]:.0f}", f"{found[who] / size:.1f}", f"{LIMIT}") for who in ("referee", "worker")]
    heading = f"A network of {size:.0f} MB of parameters (float64), replayed: {found['seconds']:.0f} s in all."
    publish("memory", "\n".join([heading, versions("numpy", "torch"), "", table(rows, ("", "peak MB", "÷ parameters", "goal")), "", said]))


if __name__ == "__main__":
    main()
