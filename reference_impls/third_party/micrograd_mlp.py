"""micrograd's own engine, neurons and layers, unmodified: ReLU inside, a linear output, biases, squared error by its `Value`s.

Tried with micrograd 0.1.0 (`pip install .[third-party]`). Two things that the library leaves to its user are done here:

- `Layer.__call__` returns a bare `Value` for a layer of one neuron, which the next layer cannot iterate over; so the neurons are
  called one by one, as `Layer` does.
- `Value.backward` descends the graph by recursion, so it is called once a sample, not once for a long batch: gradients add up.

It computes one number at a time, hence the small networks.
"""

# /// script
# dependencies = ["micrograd", "numpy"]
#
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["identity"]
# losses = ["squared_error", "half_squared_error"]
# max_layers = 3
# max_width = 4
# ///

import numpy as np
from micrograd.engine import Value
from micrograd.nn import MLP


def network_of(weights, biases):
    """micrograd's network, its random parameters replaced by ours."""
    network = MLP(weights[0].shape[1], [len(b) for b in biases])
    for layer, w, b in zip(network.layers, weights, biases, strict=True):
        for neuron, row, bias in zip(layer.neurons, w, b, strict=True):
            neuron.b.data = float(bias)
            for value, weight in zip(neuron.w, row, strict=True):
                value.data = float(weight)
    return network


def outputs_of(network, sample):
    values = [Value(float(number)) for number in sample]
    for layer in network.layers:
        values = [neuron(values) for neuron in layer.neurons]
    return values


def predict(weights, biases, x):
    network = network_of(weights, biases)
    return np.array([[value.data for value in outputs_of(network, sample)] for sample in x])


def backprop(weights, biases, x, y, loss):
    network = network_of(weights, biases)
    scale = (0.5 if loss == "half_squared_error" else 1.0) / len(x)
    total = 0.0
    for sample, target in zip(x, y, strict=True):
        errors = [value - float(number) for value, number in zip(outputs_of(network, sample), target, strict=True)]
        sample_loss = sum(error**2 for error in errors) * scale
        sample_loss.backward()
        total += sample_loss.data
    weight_gradients = [[[value.grad for value in neuron.w] for neuron in layer.neurons] for layer in network.layers]
    bias_gradients = [[neuron.b.grad for neuron in layer.neurons] for layer in network.layers]
    return total, weight_gradients, bias_gradients
