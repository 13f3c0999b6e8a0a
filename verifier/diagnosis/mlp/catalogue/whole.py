"""Faults beside the four equations: regularisation, the forward pass, and those that only a test of their own can tell."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from verifier.diagnosis.mlp.variation import BackPiece, Constant, Context, Fault, FinishPiece, Gradients, Inapplicable
from verifier.problems.program import Node, Program
from verifier.textbook import Applied, Back, Sweep

_W, _B = "weight-gradient", "bias-gradient"


def _l2_scaled(factor: Callable[[Context], float]) -> BackPiece:
    def back(applied: Applied, found: Back, context: Context) -> Back:
        if applied.node.operation != "l2":
            return found
        return tuple(None if part is None else applied.store(part * factor(context)) for part in found)

    return back


def _l2_without(layer: int) -> BackPiece:
    """The penalty's part of one layer's weight gradient is left out."""

    def back(applied: Applied, found: Back, context: Context) -> Back:
        if applied.node.operation != "l2":
            return found
        which = layer % len(found)
        return tuple(None if place == which else part for place, part in enumerate(found))

    return back


def _l1(applied: Applied, found: Back, context: Context) -> Back:
    if applied.node.operation != "l2":
        return found
    scale = applied.node.attributes["factor"] * applied.cotangent[..., None, None]
    return tuple(applied.store(scale * np.sign(weights)) for weights in applied.inputs)


def _l2_of_the_sum(applied: Applied, found: Back, context: Context) -> Back:
    if applied.node.operation != "l2":
        return found
    scale = 2 * applied.node.attributes["factor"] * applied.cotangent[..., None, None]
    return tuple(applied.store(scale * weights.sum(axis=(-2, -1), keepdims=True) * np.ones_like(weights)) for weights in applied.inputs)


def penalty_factor(program: Program) -> float:
    """2λ as it stands before W in the gradient: 2 · loss_scale · factor; 0 where nothing is regularised."""
    scale = next((node.attributes["scale"] for node in program.nodes if node.operation == "total"), 1.0)
    factor = next((node.attributes["factor"] for node in program.nodes if node.operation == "l2"), 0.0)
    return 2 * scale * factor


def _of_gradient(summed: bool) -> FinishPiece:
    """2λ times the gradient in the place of 2λ W; `summed`: times the gradient before it is divided by the batch."""

    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        decay = penalty_factor(program)
        if not decay:
            return gradients
        changed = dict(gradients)
        for name in gradients:
            if name.startswith("weights"):
                data = gradients[name] - decay * swept.values[name]
                changed[name] = data * (1 + decay * (context.batch if summed else 1))
        return changed

    return finish


def _decayed(kinds: tuple[str, ...], own: bool = False, shared: bool = False) -> FinishPiece:
    """Parameters of these kinds, times the claims' own decay or the free constant (`shared`: over the batch), are added."""

    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        decay = penalty_factor(program) if own else context.constant / (context.batch if shared else 1)
        if not decay:
            return gradients
        return {name: g + decay * swept.values[name] if name.startswith(kinds) else g for name, g in gradients.items()}

    return finish


def _linear_output(program: Program, context: Context) -> Program:
    name = f"activations[{context.last}]"
    nodes = [replace(node, operation="identity", attributes={}) if node.output == name else node for node in program.nodes]
    return replace(program, nodes=tuple(nodes))


_ON_LOGITS = {"softmax": "softmax_cross_entropy", "sigmoid": "binary_cross_entropy_with_logits"}


def _activation_twice(program: Program, context: Context) -> Program:
    """The loss on logits is given the output's probabilities."""
    output = f"activations[{context.last}]"
    kind = next((node.operation for node in program.nodes if node.output == output), "")
    if kind not in _ON_LOGITS:
        raise Inapplicable
    nodes = [
        replace(node, operation=_ON_LOGITS[kind], inputs=(output, node.inputs[1]), attributes={}) if node.output == "losses" else node
        for node in program.nodes
    ]
    return replace(program, nodes=tuple(nodes))


def _no_bias(program: Program, context: Context) -> Program:
    nodes = tuple(Node(n.operation, n.inputs[:2], n.output, n.attributes) if n.operation == "affine" else n for n in program.nodes)
    return replace(program, nodes=nodes)


def _bias_gradient_all_the_same(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
    found = dict(gradients)
    for layer in range(context.last + 1):
        if f"biases[{layer}]" in gradients:
            found[f"biases[{layer}]"] = swept.cotangents[f"pre_activations[{layer}]"].sum(axis=-2)
    return found


PENALTY_FAULTS: tuple[Fault, ...] = (
    Fault(
        "l2-not-in-gradient",
        _W,
        "The regularisation is in the loss and forgotten in the gradient.",
        "Add 2λW (times the loss's own scale) to each weight gradient.",
        back=_l2_scaled(lambda context: 0.0),
        kind="l2-scale",
    ),
    Fault(
        "l2-without-two",
        _W,
        "The regularisation is λ Σ w² in the loss and λ w in the gradient: the 2 is missing.",
        "The derivative of λ w² is 2λ w.",
        back=_l2_scaled(lambda context: 0.5),
        kind="l2-scale",
    ),
    Fault(
        "l2-twice",
        _W,
        "The regularisation counts twice in the gradient.",
        "Add 2λW once.",
        back=_l2_scaled(lambda context: 2.0),
        kind="l2-scale",
    ),
    Fault(
        "l2-sign",
        _W,
        "The regularisation has the wrong sign in the gradient.",
        "The gradient of λ Σ w² is +2λ w.",
        back=_l2_scaled(lambda context: -1.0),
        kind="l2-scale",
    ),
    Fault(
        "l2-divided-by-batch",
        _W,
        "The regularisation is divided by the batch size in the gradient and not in the loss.",
        "Divide the data part only.",
        back=_l2_scaled(lambda context: 1 / context.batch),
        kind="l2-scale",
    ),
    Fault(
        "l2-not-divided-by-batch",
        _W,
        "The regularisation is (batch size) times too large in the gradient.",
        "Divide it by the batch size, as the loss does.",
        back=_l2_scaled(lambda context: float(context.batch)),
        kind="l2-scale",
    ),
    *(
        Fault(
            f"l2-not-in-{where}-gradient",
            _W,
            f"The regularisation is forgotten in the gradient of {words}.",
            "Add 2λW (times the loss's own scale) to each weight gradient.",
            back=_l2_without(layer),
            kind="l2-scale",
        )
        for where, words, layer in (("first", "the first layer's weights", 0), ("last", "the output layer's weights", -1))
    ),
    Fault(
        "l1-for-l2",
        _W,
        "The gradient of the regularisation is λ sign(w), that of λ Σ |w|; the loss has λ Σ w².",
        "Add 2λW.",
        back=_l1,
        kind="l2-scale",
    ),
    Fault(
        "l2-of-gradient",
        _W,
        "The regularisation is applied to the gradient, not to the weights: 2λ times the gradient is added to itself.",
        "Add 2λ times the weights.",
        finish=_of_gradient(summed=False),
        kind="l2-of-gradient",
    ),
    Fault(
        "l2-of-summed-gradient",
        _W,
        "The regularisation is applied to the gradient summed over the batch, not to the weights.",
        "Add 2λ times the weights, over the batch size as the loss has it.",
        finish=_of_gradient(summed=True),
        kind="l2-of-gradient",
    ),
    Fault(
        "l2-of-the-sum",
        _W,
        "The gradient of the regularisation is 2λ times the sum of a layer's weights, one number for all of them.",
        "The derivative of λ Σ w² by each weight is 2λ w: add 2λW.",
        back=_l2_of_the_sum,
        kind="l2-scale",
    ),
    Fault(
        "l2-on-biases",
        _B,
        "The gradient regularises the biases too; the loss regularises the weights only.",
        "Leave the biases out.",
        finish=_decayed(("biases",), own=True),
    ),
    Fault(
        "l2-in-gradient-alone",
        _W,
        "{c} times the weights is added to their gradient: a regularisation that the claimed loss does not have.",
        "Add it to the loss too, and claim it (l2 = …), or leave it out.",
        finish=_decayed(("weights",)),
        constant=Constant("factor"),
        kind="added-decay",
    ),
    Fault(
        "l2-over-batch-in-gradient-alone",
        _W,
        "{c} / (batch size) times the weights is added to their gradient: a regularisation that the claimed loss does not have.",
        "Add it to the loss too, and claim it (l2 = …, l2_over_batch = true), or leave it out.",
        finish=_decayed(("weights",), shared=True),
        constant=Constant("factor"),
        kind="added-decay",
    ),
    Fault(
        "l2-of-all-in-gradient-alone",
        _W,
        "{c} times every parameter is added to its gradient: a regularisation that the claimed loss does not have.",
        "Add it to the loss too, or leave it out.",
        finish=_decayed(("weights", "biases")),
        constant=Constant("factor"),
        kind="added-decay",
    ),
)

FORWARD_FAULTS: tuple[Fault, ...] = (
    Fault(
        "linear-output",
        "forward",
        "The output layer is linear: its activation is left out, in the forward pass and in the backward pass alike.",
        "Apply the claimed output activation, or claim identity.",
        program=_linear_output,
        unfused=True,
    ),
    Fault(
        "output-activation-twice",
        "forward",
        "The output's activation is applied twice: a cross-entropy that takes logits is given the probabilities.",
        "Give the loss the values before the output activation, or take the logarithm of the probabilities.",
        program=_activation_twice,
    ),
    Fault(
        "bias-left-out",
        "forward",
        "The forward pass forgets the bias: z = W a instead of z = W a + b.",
        "Add the bias.",
        program=_no_bias,
        finish=_bias_gradient_all_the_same,
    ),
)

PATTERNS: tuple[Fault, ...] = (
    Fault(
        "single-precision",
        "forward",
        "Every gradient is right to float32's last bits, and not to float64's: something inside is computed or stored in float32.",
        'Look for dtype=np.float32 or astype(np.float32), or claim dtypes = ["float32"].',
        pattern=True,
    ),
    Fault(
        "numerical-differentiation",
        "output-delta",
        "The gradients are differences of the loss, not backpropagation: they have the few right digits that differences give.",
        "Carry δ back through the layers.",
        pattern=True,
    ),
    Fault(
        "accumulated-between-calls",
        "weight-gradient",
        "Each call adds its gradients to those of the calls before.",
        "Set the gradients to zero at the start of each call.",
        pattern=True,
    ),
    Fault(
        "stale-forward-state",
        "forward",
        "The backward pass uses the forward pass of an earlier call.",
        "Run the forward pass again in each call; a cache must be emptied when the weights or the inputs change.",
        pattern=True,
    ),
    Fault(
        "random-between-calls",
        "forward",
        "The same call answers differently each time: something is random.",
        "Is dropout left on, or are weights initialised again?",
        pattern=True,
    ),
    *(
        Fault(name, "update", words, hint, pattern=True)
        for name, words, hint in (
            ("update-sign", "`update` adds the gradient: it climbs.", "Subtract: W ← W - η ∂L/∂W."),
            ("update-without-biases", "`update` never moves the biases.", "b ← b - η ∂L/∂b, as for the weights."),
            ("update-without-weights", "`update` never moves the weights.", "W ← W - η ∂L/∂W, as for the biases."),
            (
                "update-ignores-rate",
                "`update` steps at a rate of its own, whatever learning rate it is given.",
                "Use the argument, or claim learning_rate = … in the manifest.",
            ),
            (
                "update-with-momentum",
                "`update` carries a part of the step before into the next: momentum, kept between calls.",
                'W ← W - η ∂L/∂W alone; or declare it in the manifest: optimizer = { name = "sgd", momentum = … }.',
            ),
            (
                "update-sample-by-sample",
                "`update` steps once per sample, each time from the weights after the sample before.",
                "Add up the gradient over the batch, then step once.",
            ),
        )
    ),
)
