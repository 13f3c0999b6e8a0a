"""RNN and LSTM cells, their sequences and three steps by the names of a course on sequences: no manifest, they are recognised."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(axis=0))
    return powers / powers.sum(axis=0)


def rnn_cell_forward(xt, a_prev, parameters):
    a_next = np.tanh(parameters["Wax"] @ xt + parameters["Waa"] @ a_prev + parameters["ba"])
    return a_next, softmax(parameters["Wya"] @ a_next + parameters["by"]), (a_next, a_prev, xt, parameters)


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    dz = (1 - a_next**2) * da_next
    return {
        "dxt": parameters["Wax"].T @ dz,
        "da_prev": parameters["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dz.sum(axis=1, keepdims=True),
    }


def rnn_forward(x, a0, parameters):
    steps, a_next = [], a0
    for t in range(x.shape[2]):
        a_next, y, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        steps.append((a_next, y, cache))
    a, y_pred = (np.stack([step[i] for step in steps], axis=2) for i in (0, 1))
    return a, y_pred, ([step[2] for step in steps], x)


def rnn_backward(da, caches):
    caches, x = caches
    dx, total, da_prev = np.zeros(x.shape), {}, 0.0
    for t in reversed(range(x.shape[2])):
        step = rnn_cell_backward(da[:, :, t] + da_prev, caches[t])
        dx[:, :, t], da_prev = step.pop("dxt"), step.pop("da_prev")
        total = {name: total.get(name, 0.0) + array for name, array in step.items()}
    return {"dx": dx, "da0": da_prev, **total}


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    both = np.concatenate([a_prev, xt], axis=0)
    f, i, o = (sigmoid(parameters[f"W{gate}"] @ both + parameters[f"b{gate}"]) for gate in "fio")
    cct = np.tanh(parameters["Wc"] @ both + parameters["bc"])
    c_next = f * c_prev + i * cct
    a_next = o * np.tanh(c_next)
    y = softmax(parameters["Wy"] @ a_next + parameters["by"])
    return a_next, c_next, y, (a_prev, c_prev, c_next, both, f, i, o, cct, parameters)


def lstm_cell_backward(da_next, dc_next, cache):
    a_prev, c_prev, c_next, both, f, i, o, cct, parameters = cache
    dc = dc_next + da_next * o * (1 - np.tanh(c_next) ** 2)
    dz = {
        "f": dc * c_prev * f * (1 - f),
        "i": dc * cct * i * (1 - i),
        "c": dc * i * (1 - cct**2),
        "o": da_next * np.tanh(c_next) * o * (1 - o),
    }
    dboth = sum(parameters[f"W{gate}"].T @ d for gate, d in dz.items())
    hidden = len(a_prev)
    weights = {f"dW{gate}": d @ both.T for gate, d in dz.items()}
    biases = {f"db{gate}": d.sum(axis=1, keepdims=True) for gate, d in dz.items()}
    return {"dxt": dboth[hidden:], "da_prev": dboth[:hidden], "dc_prev": dc * f, **weights, **biases}


def lstm_forward(x, a0, parameters):
    steps, a_next, c_next = [], a0, np.zeros(a0.shape)
    for t in range(x.shape[2]):
        a_next, c_next, y, cache = lstm_cell_forward(x[:, :, t], a_next, c_next, parameters)
        steps.append((a_next, y, c_next, cache))
    a, y, c = (np.stack([step[i] for step in steps], axis=2) for i in (0, 1, 2))
    return a, y, c, ([step[3] for step in steps], x)


def lstm_backward(da, caches):
    caches, x = caches
    dx, total, da_prev, dc_prev = np.zeros(x.shape), {}, 0.0, 0.0
    for t in reversed(range(x.shape[2])):
        step = lstm_cell_backward(da[:, :, t] + da_prev, dc_prev, caches[t])
        dx[:, :, t], da_prev, dc_prev = step.pop("dxt"), step.pop("da_prev"), step.pop("dc_prev")
        total = {name: total.get(name, 0.0) + array for name, array in step.items()}
    return {"dx": dx, "da0": da_prev, **total}


def zeros_like(parameters):
    return {f"d{name}": np.zeros_like(array) for name, array in parameters.items()}


initialize_velocity = zeros_like


def initialize_adam(parameters):
    return zeros_like(parameters), zeros_like(parameters)


def update_parameters_with_gd(parameters, grads, learning_rate):
    return {name: array - learning_rate * grads[f"d{name}"] for name, array in parameters.items()}


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    v = {name: beta * array + (1 - beta) * grads[name] for name, array in v.items()}
    return {name: array - learning_rate * v[f"d{name}"] for name, array in parameters.items()}, v


def update_parameters_with_adam(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    v = {name: beta1 * array + (1 - beta1) * grads[name] for name, array in v.items()}
    s = {name: beta2 * array + (1 - beta2) * grads[name] ** 2 for name, array in s.items()}
    v_corrected = {name: array / (1 - beta1**t) for name, array in v.items()}
    s_corrected = {name: array / (1 - beta2**t) for name, array in s.items()}
    moved = {
        name: array - learning_rate * v_corrected[f"d{name}"] / (np.sqrt(s_corrected[f"d{name}"]) + epsilon)
        for name, array in parameters.items()
    }
    return moved, v, s, v_corrected, s_corrected
