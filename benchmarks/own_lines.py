"""How often the report points to the line of the source where a mistake was planted; how often to another; how often to none.

    python -m benchmarks.own_lines [--jobs 2] [FILE …]

Every wrong reference implementation is judged with the profile quick, as the command judges it, and the lines that its report names are
held against the line where its mistake stands (by its text, in the table below). Right ones are judged too: there no line may be named.
Writes benchmarks/results/own_lines.txt.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.output import publish, versions
from verifier.errors import HarnessError, RequestError
from verifier.results.report import Report
from verifier.verification.judging import judge

FOLDER = Path(__file__).parents[1] / "reference_impls"

# File -> what the lines hold that could be corrected, each enough. Empty where no value of a line is wrong: the mistake is in what is
# kept between calls, in the precision, in another function than those of the gradients, or a line is missing.
PLANTED: Mapping[str, tuple[str, ...]] = {
    "accumulated_between_calls": (),
    "another_forward_pass": ("activations.append(z if layer", "activations = run(", "delta = 2.0 *"),
    "argmax_of_soft_targets": ("np.argmax(y, axis=1)] -= 1.0",),
    "bias_averaged": ("delta.mean(axis=0)",),
    "bias_gradient_aliased": (),
    "bias_left_out": ("sigmoid(activations[-1] @ w.T)",),
    "bias_not_summed": ("bias_gradients.insert(0, delta[0])",),
    "bias_one_number": ("np.sum(delta)",),
    "bias_sign": ("-delta.sum(axis=0)",),
    "bias_zero": ("np.zeros_like(biases[layer])",),
    "clipped_by_norm": ("return loss, [factor * gradient",),
    "clipped_by_value": ("np.clip(gradient",),
    "cross_entropy_delta_with_squared_error": ("delta = (output - y)",),
    "cross_entropy_of_ones_only": ("delta = -(y / output)", "loss ="),
    "dropout_left_on": ("activations.append(", "/ 0.8"),
    "factor_batch": ("delta = 2.0 *",),
    "factor_outputs": ("delta = 2.0 *",),
    "factor_two": ("delta = (output - y)",),
    "first_layer_zero": (),
    "forward_state_never_stored": (),
    "l2_divided_by_batch": ("weight_gradients.insert(",),
    "l2_not_in_gradient": ("weight_gradients.insert(",),
    "l2_of_gradient": ("DECAY * gradient",),
    "l2_on_biases": ("DECAY * biases",),
    "l2_without_two": ("weight_gradients.insert(",),
    "last_sample_only": ("weight_gradients[layer] =", "bias_gradients[layer] ="),
    "leaky_slope": ("np.where(activations[layer] > 0",),
    "loss_of_another_reduction": ("loss =",),
    "mean_twice": ("/ len(x))", "delta.mean(axis=0)", "delta = 2.0 *"),
    "mutates_inputs": (),
    "next_layer_weights": ("weights[layer - 1]",),
    "no_hidden_derivative": ("delta = delta @ weights[layer]",),
    "no_output_derivative": ("delta = error / len(x)",),
    "numerical_differentiation": (),
    "outer_product_transposed": ("activations[layer].T @ delta",),
    "overwritten_pre_activation": ("np.tanh(z, out=z)", "delta = upward"),
    "pre_activation_for_activation": ("delta.T @ pre_activations",),
    "relu_derivative_one": ("np.ones_like",),
    "relu_output_unmasked": ("delta = error / len(x)",),
    "reshaped_weights": (".T.reshape(",),
    "sigmoid_derivative_of_activation": ("sigmoid_derivative(", "return sigmoid(z) * (1.0 - sigmoid(z))"),
    "sigmoid_derivative_with_cross_entropy": ("delta = (output - y) * output",),
    "sign": ("delta = 2.0 * (y - output)",),
    "single_precision": (),
    "softmax_diagonal_jacobian": ("delta = error *",),
    "softmax_over_everything": ("return exponentials / np.sum(exponentials)",),
    "softplus_derivative_of_activation": ("np.exp(-activations[layer])",),
    "stale_activations": (),
    "tanh_derivative_tanh": ("delta = (delta @ weights[layer]) * activations[layer]",),
    "tanh_derivative_unsquared": ("(1.0 - activations[layer])",),
    "targets_changed_in_place": (),
    "untransposed_weights": ("weights[layer].T)",),
    "update_ignores_rate": ("0.1 * g",),
    "update_sample_by_sample": (),
    "update_with_momentum": ("stepped =", "velocity[shapes] ="),
    "update_without_biases": ("b.copy()",),
    "update_wrong_sign": ("+ learning_rate * g",),
    "updated_before_propagated": ("weights[layer] -= learning_rate",),
    "wrong_deltas": (),
    "wrong_forward_stages": (),
    "wrong_predict": (),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, compare, print, and write where all were judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("files", nargs="*", help="of reference_impls/; all of faulty/ and correct/ by default")
    chosen = parser.parse_args(arguments)
    files = chosen.files or [str(FOLDER / "faulty"), str(FOLDER / "correct")]
    rows: dict[str, list[str]] = {}
    seconds = []
    for judged in judge(files, profile="quick", jobs=chosen.jobs):
        assert not isinstance(judged, RequestError | HarnessError), judged
        rows.setdefault(outcome_of(judged.report), []).append(row_of(judged.report))
        print(
            f"{row_of(judged.report)}  ({judged.report.timings.get('own line', 0.0):.1f} s)", flush=True
        )  # a run that is stopped has these
        seconds.append(judged.report.timings.get("own line", 0.0))
    lines = [
        f"{kind}: {len(rows.get(kind, []))}"
        for kind in ("planted line", "another line", "silent", "right code, silent", "right code, named")
    ]
    lines += [f"seconds: median {sorted(seconds)[len(seconds) // 2]:.1f}, most {max(seconds):.1f}", ""]
    lines += [row for kind in rows for row in sorted(rows[kind])]
    text = "\n".join([versions("backprop-verifier"), "", *lines])
    print(text) if chosen.files else publish("own_lines", text)


def outcome_of(report: Report) -> str:
    """What became of one report."""
    planted = PLANTED.get(report.candidate.name)
    if planted is None:
        return "right code, named" if report.own_lines else "right code, silent"
    if not report.own_lines:
        return "silent"
    return "planted line" if all(any(text in line.source for text in planted) for line in report.own_lines) else "another line"


def row_of(report: Report) -> str:
    """Name, outcome and lines."""
    said = "; ".join(f"{line.line}: {line.source} -> {line.quantity}" for line in report.own_lines)
    return f"{report.candidate.name:40} {outcome_of(report):20} {said}".rstrip()


if __name__ == "__main__":
    main()
