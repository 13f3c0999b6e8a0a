"""A course's submissions: 60 of them, or 1,000 of 60 kinds: right, wrong, hostile, slow, empty, notebooks, other names, copies.

    python -m benchmarks.course make FOLDER --count 60        writes FOLDER/submissions, FOLDER/assignment.toml and FOLDER/expected.json
    python -m benchmarks.course run FOLDER --jobs 2           judges them, and prints what it took and what was not as expected
    python -m benchmarks.course run FOLDER --minutes 14       the same in turns: given again, it goes on
    python -m benchmarks.course kill FOLDER --times 20        judges them, killed at random moments, and compares with a run that was not

Each kind is written here from scratch: three right solutions, one-line mistakes in them, and what else students hand in. Of 1,000 each
comes again, with other names in it and another comment. Further options are those of `verifier check`.

What a run takes is held against its start, and what its candidates take one after another, divided by the processors. A submission that
sleeps counts for nothing there.
"""

import argparse
import csv
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

ASSIGNMENT = """\
activations = ["sigmoid"]
losses = ["squared_error"]

[limits]
wall_seconds = 5
all_wall_seconds = 60
load_seconds = 10
"""

ROWS = """\
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases):
        activations.append(sigmoid(activations[-1] @ w.T + b))
    a = activations[-1]
    loss = np.sum((a - y) ** 2) / len(x)
    delta = 2 * (a - y) / len(x) * a * (1 - a)
    dw, db = [], []
    for layer in reversed(range(len(weights))):
        dw.insert(0, delta.T @ activations[layer])
        db.insert(0, delta.sum(axis=0))
        h = activations[layer]
        delta = delta @ weights[layer] * h * (1 - h)
    return loss, dw, db
"""
SAMPLES = """\
import numpy as np


def backprop(weights, biases, x, y):
    n = x.shape[0]
    grad_w = [np.zeros_like(w) for w in weights]
    grad_b = [np.zeros_like(b) for b in biases]
    total = 0.0
    for xi, yi in zip(x, y):
        outs = [xi]
        for w, b in zip(weights, biases):
            outs.append(1.0 / (1.0 + np.exp(-(np.dot(w, outs[-1]) + b))))
        total += np.sum((yi - outs[-1]) ** 2)
        d = -2.0 * (yi - outs[-1]) * outs[-1] * (1.0 - outs[-1])
        for k in range(len(weights) - 1, -1, -1):
            grad_w[k] += np.outer(d, outs[k])
            grad_b[k] += d
            d = np.dot(weights[k].T, d) * outs[k] * (1.0 - outs[k])
    return total / n, [g / n for g in grad_w], [g / n for g in grad_b]
"""
FORWARD_FIRST = """\
import numpy as np


def forward_pass(weights, biases, x):
    cache = []
    current = x
    for w, b in zip(weights, biases):
        z = current @ w.T + b
        cache.append((current, z))
        current = 1 / (1 + np.exp(-z))
    return current, cache


def slope(z):
    s = 1 / (1 + np.exp(-z))
    return s * (1 - s)


def backprop(weights, biases, x, y):
    output, cache = forward_pass(weights, biases, x)
    cost = ((output - y) ** 2).sum() / x.shape[0]
    upstream = 2 * (output - y) / x.shape[0]
    weight_grads = [None] * len(weights)
    bias_grads = [None] * len(weights)
    for i in range(len(weights) - 1, -1, -1):
        previous, z = cache[i]
        d = upstream * slope(z)
        weight_grads[i] = d.T @ previous
        bias_grads[i] = d.sum(axis=0)
        upstream = d @ weights[i]
    return cost, weight_grads, bias_grads
"""


def notebook(*cells: str) -> str:
    """A Jupyter notebook of code cells."""
    code: list[dict[str, Any]] = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in cells
    ]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


# Kind -> (solution, line as it is, line as the student has it).
MISTAKES = {
    "no_slope_at_the_output": (ROWS, " / len(x) * a * (1 - a)\n", " / len(x)\n"),
    "no_slope_inside": (ROWS, "delta @ weights[layer] * h * (1 - h)", "delta @ weights[layer]"),
    "no_factor_two": (ROWS, "delta = 2 * (a - y)", "delta = (a - y)"),
    "not_divided": (ROWS, "(a - y) / len(x) * a", "(a - y) * a"),
    "sign": (ROWS, "delta = 2 * (a - y)", "delta = 2 * (y - a)"),
    "bias_not_summed": (ROWS, "delta.sum(axis=0)", "delta[0]"),
    "bias_averaged": (ROWS, "delta.sum(axis=0)", "delta.mean(axis=0)"),
    "bias_one_number": (ROWS, "delta.sum(axis=0)", "np.full(delta.shape[1], delta.sum())"),
    "appended": (ROWS, "dw.insert(0, delta.T @ activations[layer])", "dw.append(delta.T @ activations[layer])"),
    "transposed": (ROWS, "dw.insert(0, delta.T @ activations[layer])", "dw.insert(0, activations[layer].T @ delta)"),
    "next_activation": (ROWS, "delta.T @ activations[layer])", "delta.T @ activations[layer - 1])"),
    "sigmoid_of_activation": (ROWS, "* h * (1 - h)", "* sigmoid(h) * (1 - sigmoid(h))"),
    "loss_summed": (ROWS, "np.sum((a - y) ** 2) / len(x)", "np.sum((a - y) ** 2)"),
    "loss_halved": (ROWS, "np.sum((a - y) ** 2) / len(x)", "np.sum((a - y) ** 2) / (2 * len(x))"),
    "mean_over_all": (ROWS, "2 * (a - y) / len(x)", "2 * (a - y) / y.size"),
    "bias_forgotten_forward": (ROWS, " @ w.T + b)", " @ w.T)"),
    "tanh": (ROWS, "return 1 / (1 + np.exp(-z))", "return np.tanh(z)"),
    "last_sample_alone": (SAMPLES, "grad_w[k] += np.outer", "grad_w[k] = np.outer"),
    "bias_of_last_sample": (SAMPLES, "grad_b[k] += d", "grad_b[k] = d"),
    "weights_not_divided": (SAMPLES, "[g / n for g in grad_w]", "grad_w"),
    "slope_of_next": (SAMPLES, "* outs[k] * (1.0 - outs[k])", "* outs[k + 1] * (1.0 - outs[k + 1])"),
    "weights_twice": (FORWARD_FIRST, "upstream = d @ weights[i]", "upstream = (d @ weights[i]) * 2"),
    "slope_is_s": (FORWARD_FIRST, "return s * (1 - s)", "return s"),
    "slope_is_one_minus": (FORWARD_FIRST, "return s * (1 - s)", "return (1 - s)"),
    "upstream_after_slope": (FORWARD_FIRST, "upstream = d @ weights[i]", "upstream = upstream @ weights[i]"),
    "first_bias_zero": (FORWARD_FIRST, "bias_grads[i] = d.sum(axis=0)", "bias_grads[i] = d.sum(axis=0) * (i > 0)"),
    "shapes_do_not_fit": (ROWS, "delta.T @ activations[layer]", "delta @ activations[layer]"),
    "absolute": (FORWARD_FIRST, "2 * (output - y) / x.shape[0]", "2 * abs(output - y) / x.shape[0]"),
}
RAISES = {
    "two_layers_only": (ROWS, "    activations = [x]\n", "    w1, w2 = weights\n    activations = [x]\n"),
    "undefined_name": (ROWS, "delta.sum(axis=0)", "detla.sum(axis=0)"),
    "syntax": (ROWS, "def backprop(weights, biases, x, y):", "def backprop(weights, biases, x, y)"),
    "missing_argument": (ROWS, "def backprop(weights, biases, x, y):", "def backprop(weights, biases, x, y, learning_rate):"),
    "returns_gradients_only": (ROWS, "return loss, dw, db", "return dw, db"),
    "sleeps": (ROWS, "import numpy as np\n", "import numpy as np\nimport time\n\ntime.sleep(3600)\n"),
    "never_ends": (ROWS, "    a = activations[-1]\n", "    while len(weights) > 2:\n        pass\n    a = activations[-1]\n"),
    "exits": (ROWS, "    return loss, dw, db", "    raise SystemExit"),
    "reads_a_file": (ROWS, "import numpy as np\n", 'import numpy as np\n\ndata = open("data.csv").read()\n'),
    "imports_what_is_not_there": (ROWS, "import numpy as np\n", "import my_plots as plt\nimport numpy as np\n"),
    "asks": (ROWS, "import numpy as np\n", 'import numpy as np\n\nrate = float(input("learning rate? "))\n'),
    "forks": (ROWS, "import numpy as np\n", "import os\n\nimport numpy as np\n\nos.fork()\n"),
    "takes_memory": (ROWS, "    activations = [x]\n", "    activations = [x]\n    keep = np.ones((40_000, 40_000))\n"),
}
NOT_DONE = {
    "nothing_filled_in": "def backprop(weights, biases, x, y):\n    pass\n",
    "to_be_done": 'def backprop(weights, biases, x, y):\n    raise NotImplementedError("later")\n',
}
NOT_JUDGED = {
    "empty.py": "",
    "other_name.py": ROWS.replace("backprop", "back_prop"),
    "in_a_class.py": "class Network:\n    def backprop(self, weights, biases, x, y):\n        return 0.0, [], []\n",
    "empty_notebook.ipynb": notebook(""),
    "archive.zip": "PK",
    "other_claims.py": '# /// script\n# [tool.verifier]\n# losses = ["half_squared_error"]\n# ///\n' + ROWS,
    "no_suffix": ROWS,
    "two_files/one.py": ROWS,
    "two_files/two.py": SAMPLES,
    "folder_of_nothing/notes.txt": "none",
}
RIGHT = {
    "rows.py": ROWS,
    "李雷.py": SAMPLES,
    "Дмитрий_Ångström.py": FORWARD_FIRST,
    "copied.py": re.sub(r"\b(delta|loss|layer|a)\b", r"my_\1", ROWS).replace(
        "    activations = [x]\n", "    # my own\n    activations = [x]\n"
    ),
    "folder/network.py": ROWS.replace("def sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n", "from activation import sigmoid\n"),
    "folder/activation.py": "import numpy as np\n\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n",
    "notebook.ipynb": notebook("%matplotlib inline\nimport numpy as np\n", ROWS, "backprop"),
    "prints.py": ROWS.replace("    a = activations[-1]\n", '    a = activations[-1]\n    print("forward is done")\n'),
    "says_the_same.py": '# /// script\n# [tool.verifier]\n# losses = ["squared_error"]\n# ///\n' + ROWS,
}


HIDDEN = (".DS_Store", "__pycache__/rows.cpython-311.pyc", ".git/config")  # of no student
SLEEPING = ("sleeps",)  # kinds that take time and no processor
LOOK_SECONDS = 2.0
INTERRUPTED = 130


@dataclass(frozen=True)
class Kind:
    """Files by path below the submissions folder, and what is expected of their row: verdict and reason."""

    name: str
    files: tuple[tuple[str, str], ...]
    expected: tuple[str, str]


def kinds() -> Iterator[Kind]:
    """Every kind of submission."""
    for expected, given in ((("fail", ""), MISTAKES), (("error", ""), RAISES)):
        for name, (solution, old, new) in given.items():
            assert old in solution, name
            yield Kind(name, ((f"{name}.py", solution.replace(old, new)),), expected)
    for name, text in NOT_DONE.items():
        yield Kind(name, ((f"{name}.py", text),), ("error", "not-done"))
    for expected, files in ((("error", "not-judged"), NOT_JUDGED), (("pass", ""), RIGHT)):
        tops = dict.fromkeys(path.partition("/")[0] for path in files)
        for top in tops:
            whole = tuple((path, text) for path, text in files.items() if path.partition("/")[0] == top)
            yield Kind(Path(top).stem, whole, expected)


def make(folder: Path, count: int, seed: int) -> dict[str, tuple[str, str]]:
    """Write so many submissions, and return what is expected of each by its name."""
    submissions = folder / "submissions"
    submissions.mkdir(parents=True)
    (folder / "assignment.toml").write_text(ASSIGNMENT)
    random = Random(seed)
    every = list(kinds())
    random.shuffle(every)
    expected = {}
    for number in range(count):
        kind = every[number % len(every)]
        turn = number // len(every)
        student = f"s{number:04d}_{kind.name}"
        for path, text in kind.files:
            inner = Path(path)
            top = student + (inner.suffix if len(inner.parts) == 1 else "")
            place = submissions / Path(top, *inner.parts[1:])
            place.parent.mkdir(exist_ok=True)
            place.write_text(varied(text, turn, random) if inner.suffix == ".py" else text)
        bare = kind.files[0][0].endswith((".py", ".ipynb")) or "/" in kind.files[0][0]
        expected[student if bare else top] = kind.expected
    for path in HIDDEN:
        (submissions / path).parent.mkdir(exist_ok=True)
        (submissions / path).write_text("")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))
    return expected


def varied(text: str, turn: int, random: Random) -> str:
    """The same code as another student would write it down: other names and a comment; as it is in the first turn."""
    if turn == 0 or not text:
        return text
    for name in ("activations", "delta", "loss", "outs", "current", "upstream", "total"):
        text = re.sub(rf"\b{name}\b", f"{name}_{random.randrange(100)}", text)
    return f"{text}\n# handed in as number {random.randrange(10**6)}\n"


def run(folder: Path, minutes: float, options: list[str]) -> int:
    """Judge the folder by the command, and print seconds, memory, and what was not as expected; stop after so many minutes."""
    turns = folder / "turns.jsonl"
    if not (folder / "start.json").exists():
        (folder / "start.json").write_text(json.dumps(start_seconds(folder, options)))
    began, memory = time.perf_counter(), []
    with open(folder / "output.txt", "a") as output:
        command = [*check(folder, folder / "reports"), "--resume", *options]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            if time.perf_counter() - began > 60 * minutes:
                process.send_signal(signal.SIGINT)
                process.wait()
            memory.append(resident(process.pid))
            time.sleep(LOOK_SECONDS)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    turn = {"seconds": time.perf_counter() - began, "processors": used.ru_utime + used.ru_stime, "memory": memory}
    with turns.open("a") as file:
        file.write(json.dumps(turn) + "\n")
    if process.returncode == INTERRUPTED:
        print(f"{len(list(folder.glob('reports/*/report.json')))} judged so far; the same command goes on.")
        return 0
    return summary(folder, [json.loads(line) for line in turns.read_text().splitlines()], process.returncode, jobs_of(options))


def start_seconds(folder: Path, options: list[str]) -> float:
    """What the command takes beside the time of its candidates, where there is one."""
    submission, reports = folder / "start.py", folder / "start"
    submission.write_text(ROWS)
    began = time.perf_counter()
    subprocess.run([*check(folder, reports, submission), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    (report,) = reports.glob("*/report.json")
    return seconds - float(sum(json.loads(report.read_bytes())["timings"].values()))


def check(folder: Path, reports: Path, submissions: Path | None = None) -> list[str]:
    """The command that a teacher gives."""
    judged = submissions or folder / "submissions"
    return [
        *(sys.executable, "-P", "-m", "verifier", "check", str(judged), "--assignment", str(folder / "assignment.toml")),
        *("--report-dir", str(reports), "--output", f"csv={folder / 'grades.csv'}", "--output", f"html={folder / 'class.html'}"),
    ]


def jobs_of(options: list[str]) -> int:
    """How many are judged side by side."""
    return int(options[options.index("--jobs") + 1]) if "--jobs" in options else len(os.sched_getaffinity(0))


def resident(pid: int) -> float:
    """MiB that the command holds itself; 0 where it is gone."""
    try:
        return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def summary(folder: Path, turns: list[dict[str, Any]], status: int, jobs: int) -> int:
    """Print what the run took, and what was not as expected; 1 where something was not."""
    expected = {name: tuple(outcome) for name, outcome in json.loads((folder / "expected.json").read_text()).items()}
    found, wrong, own, sizes = {}, [], 0.0, []
    for path in folder.glob("reports/*/report.json"):
        report = json.loads(path.read_bytes())
        name = report["candidate"]["name"]
        found[name] = (report["verdict"], report["reason"])
        own += 0.0 if name.endswith(SLEEPING) else sum(report["timings"].values())
        sizes.append(sum(file.stat().st_size for file in path.parent.iterdir()))
        if found[name] != expected.get(name):
            wrong.append(f"{name}: {found[name]}, expected {expected.get(name)}: {report['summary'][:120]}")
    rows = list(csv.DictReader((folder / "grades.csv").read_text(encoding="utf-8").splitlines()))
    missing = sorted(set(expected) - {row["candidate"] for row in rows})
    seconds, processors = sum(turn["seconds"] for turn in turns), sum(turn["processors"] for turn in turns)
    memory = [one for turn in turns for one in turn["memory"][3:] if one]
    quarter = max(1, len(memory) // 4)
    print(f"{len(expected)} submissions, {len(found)} reports, {len(rows)} rows of grades; exit status {status}; in {len(turns)} turns.")
    start = float(json.loads((folder / "start.json").read_text())) * len(turns)
    print(f"{seconds:.0f} s on {jobs} processors; start {start:.0f} s, the candidates' own time {own:.0f} s / {jobs} = {own / jobs:.0f} s.")
    print(f"Ratio {seconds / (start + own / jobs):.2f}. Processor time of all processes {processors:.0f} s.")
    first, last = max(memory[:quarter]), max(memory[-quarter:])
    print(f"The command itself held {first:.0f} MiB at most in the first quarter of its time, {last:.0f} MiB in the last.")
    print(
        f"Reports {max(sizes) / 1000:.0f} kB at most, {sum(sizes) / len(sizes) / 1000:.0f} kB typically; class page {size_of(folder)} kB."
    )
    for line in [*wrong, *(f"{name}: no row" for name in missing)]:
        print(line)
    return int(bool(wrong or missing))


def size_of(folder: Path) -> int:
    """Of the class page, in kB."""
    return (folder / "class.html").stat().st_size // 1000


def kill(folder: Path, times: int, within: float, seed: int, options: list[str]) -> int:
    """Judge the folder, killed (SIGKILL) at so many random moments `within` seconds, and resumed each time.

    Returns 1 where a report differs from those of `run`.
    """
    random, reports, killed = Random(seed), folder / "killed", 0
    command = [*check(folder, reports), "--resume", *options]
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(random.uniform(0.0, within) if killed < times else None)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    lost = []
    for path in sorted(folder.glob("reports/*/report.json")):
        again = reports / path.parent.name / "report.json"
        if not again.exists() or verdict_in(again) != verdict_in(path):
            lost.append(path.parent.name)
    there = len(list(reports.glob("*/report.json")))
    print(f"Killed {killed} times, then resumed to the end: {there} reports, {len(lost)} lost or different.")
    for name in lost:
        print(name)
    return int(bool(lost))


def verdict_in(path: Path) -> tuple[Any, ...]:
    """What a report says, without the seconds that it took."""
    report = json.loads(path.read_bytes())
    return tuple(report[key] for key in ("verdict", "reason", "summary", "checks", "diagnosis", "score", "seed"))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("make", "run", "kill"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--within", type=float, default=12.0)
    chosen, options = parser.parse_known_args()
    if chosen.action == "make":
        made = make(chosen.folder, chosen.count, chosen.seed)
        print(f"{len(made)} submissions of {len(list(kinds()))} kinds in {chosen.folder}")
        return 0
    if chosen.action == "kill":
        return kill(chosen.folder, chosen.times, chosen.within, chosen.seed, options)
    return run(chosen.folder, chosen.minutes, options)


if __name__ == "__main__":
    raise SystemExit(main())
