"""Hides memory where no limit of its own counts it: memfd, System V and POSIX shared memory, queues.

Expected: pass
Held by: files, system calls
"""

import ctypes
import errno
import functools
import os

import numpy as np


LIBC = ctypes.CDLL(None, use_errno=True)
MACHINE = os.uname().machine


def refused_call(numbers, *arguments):
    """A raw system call, by its number on x86-64 and on aarch64."""
    if MACHINE not in ("x86_64", "aarch64"):
        return
    number = numbers if isinstance(numbers, int) else numbers[MACHINE == "aarch64"]
    result = LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        raise RuntimeError(f"breach: system call {number} {arguments} gave {result}, errno {ctypes.get_errno()}")


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    refused(os.memfd_create, "verifier-breach")
    refused_call(447, 0)
    refused_call((29, 194), 0, 1 << 30, 0o1600)
    refused_call((64, 190), 0, 100, 0o1600)
    refused_call((68, 186), 0, 0o1600)
    refused_call((240, 180), ctypes.c_char_p(b"verifier-breach"), 0o102, 0o600, 0)
    refused(os.open, "/dev/shm/verifier-breach", os.O_CREAT | os.O_RDWR)
    refused_call((149, 228), 0, 4096)
    refused_call((151, 230), 1)


def backprop(weights, biases, x, y):
    attack()
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w.T + b))))
    out = activations[-1]
    delta = 2 * (out - y) / len(x) * out * (1 - out)
    weight_gradients, bias_gradients = [], []
    for w, a in zip(weights[::-1], activations[-2::-1], strict=True):
        weight_gradients.insert(0, delta.T @ a)
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = delta @ w * a * (1 - a)
    return np.sum((out - y) ** 2) / len(x), weight_gradients, bias_gradients
