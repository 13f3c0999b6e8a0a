"""Speaks to others over Unix sockets: abstract, by path, and by sending over a pair.

Expected: pass
Held by: system calls
"""

import array
import functools
import socket

import numpy as np


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    refused(socket.socket, socket.AF_UNIX)
    one, other = socket.socketpair()
    refused(one.bind, "\0verifier-breach")
    refused(one.connect, "\0verifier-breach")
    refused(one.sendmsg, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
    loose, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    refused(loose.sendto, b"x", "/run/systemd/notify")
    refused(loose.connect, "/dev/log")
    refused(socket.socketpair, socket.AF_INET)


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
