"""Opens files by the system calls that a wrapper of open() would not see.

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


@functools.cache
def attack():
    how = (ctypes.c_uint64 * 3)(0, 0, 0)
    for path in (b"/etc/passwd", b"/etc/hostname"):
        refused_call((257, 56), -100, ctypes.c_char_p(path), 0, 0)
        refused_call(437, -100, ctypes.c_char_p(path), ctypes.byref(how), 24)
    refused_call((303, 264), -100, ctypes.c_char_p(b"/etc/passwd"), ctypes.byref(how), ctypes.byref(how), 0)
    refused_call((304, 265), -100, ctypes.byref(how), 0)
    refused_call(428, -100, ctypes.c_char_p(b"/etc"), 1)


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
