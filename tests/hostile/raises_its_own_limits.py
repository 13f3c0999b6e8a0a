"""Raises its own limits, takes back its privileges, and locks memory.

Expected: pass
Held by: system calls
"""

import ctypes
import errno
import functools
import os
import resource

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
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_CORE):
        try:
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (OSError, ValueError):
            continue
        raise RuntimeError(f"breach: limit {limit}")
    refused(os.setuid, 0)
    refused(os.setresuid, 0, 0, 0)
    refused(os.setgroups, [0])
    refused_call((126, 91), ctypes.byref((ctypes.c_uint32 * 2)(0x20080522, 0)), ctypes.byref((ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)))
    refused(os.nice, -5)


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
