"""The boundary switched off: a referee that calls a candidate in its own process and compares, as most people's own tests do.

python -P one_process.py FILE... prints one line a file: its name and what became of a referee of that kind.
"""

import fcntl
import importlib.util
import itertools
import json
import os
import resource
import select
import signal
import sys

import numpy as np

SECONDS = 2.0  # then it hangs
MEMORY = 1 << 31
ESCAPE = b"\x1b"


def networks():
    """Two layers and a batch of one, which some attacks wait for, after one layer."""
    draw = np.random.default_rng(0).normal
    for sizes, batch in (((3, 2), 4), ((3, 2, 2), 1)):
        pairs = list(itertools.pairwise(sizes))
        weights, biases = [draw(size=(after, before)) for before, after in pairs], [draw(size=after) for _, after in pairs]
        yield weights, biases, draw(size=(batch, sizes[0])), draw(size=(batch, sizes[-1]))


def right_answer(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w.T + b))))
    out, delta = activations[-1], 2 * (activations[-1] - y) / len(x) * activations[-1] * (1 - activations[-1])
    of_weights, of_biases = [], []
    for w, a in zip(weights[::-1], activations[-2::-1], strict=True):
        of_weights.insert(0, delta.T @ a)
        of_biases.insert(0, delta.sum(axis=0))
        delta = delta @ w * a * (1 - a)
    return [np.sum((out - y) ** 2) / len(x), of_weights, of_biases]


def compare(claimed, right, name):
    """The relative error that courses hand out; a wrong number of axes first."""
    if np.ndim(claimed) != np.ndim(right):
        raise ValueError(name)
    return np.max(np.abs(claimed - right) / np.maximum(1e-8, np.abs(claimed) + np.abs(right)))


def judge(file):
    """`pass`, or what is wrong with it."""
    found = importlib.util.spec_from_file_location("candidate", file)
    candidate = importlib.util.module_from_spec(found)
    found.loader.exec_module(candidate)
    for weights, biases, x, y in networks():
        right = right_answer(weights, biases, x, y)
        try:
            claimed = candidate.backprop([w.copy() for w in weights], [b.copy() for b in biases], x.copy(), y.copy())
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        pairs = [("loss", claimed[0], right[0])]
        for place, kind in ((1, "weight_gradients"), (2, "bias_gradients")):
            pairs += [
                (f"{kind}[{layer}]", own, one) for layer, (own, one) in enumerate(zip(list(claimed[place]), right[place], strict=False))
            ]
        for name, own, one in pairs:
            if compare(own, one, name) > 1e-7:
                return f"{name} is wrong"
    return "pass"


def changed(rounding):
    """Whether this process is another one than before."""
    try:
        waiting = os.read(READ, 1) == b"n"
    except OSError:
        waiting = False
    return not waiting or np.geterr() != rounding or sys.gettrace() is not None


def be_the_referee(file, answer):
    rounding = np.geterr()
    verdict = judge(file)
    line = json.dumps({"verdict": verdict, "changed": changed(rounding)})
    os.write(1, verdict.encode())
    os.write(answer, line.encode())


def what_became(file):
    """Of a child that is such a referee."""
    answers, answer = os.pipe()
    shown, stdout = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.dup2(stdout, 1)
        os.dup2(stdout, 2)
        be_the_referee(file, answer)
        sys.exit(0)  # as any program ends: not before its threads do
    os.close(answer)
    os.close(stdout)
    hangs = not select.select([os.pidfd_open(pid)], [], [], SECONDS)[0]
    if hangs:
        os.kill(pid, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text, output = read(answers), read(shown)
    try:
        line = json.loads(text)
    except ValueError:
        return "hangs" if hangs else f"is gone: {reason(ended, output)}"
    if "verdict" not in line:
        return "says something else"
    if hangs:
        return "hangs at its end"
    if line["verdict"] != "pass" and ESCAPE in output:
        return "drives the terminal"
    spoiled = output.strip() != line["verdict"].encode()
    return "is changed" if line["changed"] else "prints something else" if spoiled else f"says {line['verdict']}"


def reason(ended, output):
    """The signal that killed it, the exception that it did not survive, or its exit status."""
    if ended < 0:
        return signal.Signals(-ended).name
    last = output.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return last.partition(":")[0] if "Error" in last.partition(":")[0] else f"exit status {ended}"


def read(descriptor):
    """What was written there, without waiting for whoever still holds the other end."""
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        READ, WRITE = os.pipe()
        os.write(WRITE, b"next")  # what the referee has still to read
        print(f"{os.path.basename(path)[:-3]} {what_became(path)}", flush=True)
        os.close(READ)
        os.close(WRITE)
