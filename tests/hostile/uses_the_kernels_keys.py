"""Stores and reads the kernel's keys.

Expected: pass
Held by: system calls
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
    refused_call((250, 219), 0, -3, 1)
    refused_call((248, 217), ctypes.c_char_p(b"user"), ctypes.c_char_p(b"verifier-breach"), ctypes.c_char_p(b"x"), 1, -3)
    refused_call((249, 218), ctypes.c_char_p(b"user"), ctypes.c_char_p(b"x"), 0, -3)


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
