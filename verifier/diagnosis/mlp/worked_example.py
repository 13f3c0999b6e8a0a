"""The worked example of the mathematics that the project started from: as printed, rounding at every step, and unrounded.

Its text states L = (y - ŷ)² with ∂L/∂ŷ = -2 (y - ŷ); its numbers are the gradient of ½ (y - ŷ)². Both cannot be right: every gradient
is exactly half of that of the stated loss.
"""

from dataclasses import dataclass
from math import exp

X, W1, W2, W3, Y, RATE = (1.0, 2.0), 0.5, 0.3, 0.8, 1.0, 0.1


@dataclass(frozen=True)
class Line:
    """One line of the example: its formula, unrounded, rounded at every step, as printed; `full`: of the loss as it is stated."""

    section: str
    formula: str
    exact: float
    rounded: float
    printed: str | None
    full: float | None = None

    @property
    def by_rounding(self) -> bool:
        """Whether the print's last digits come from rounding on the way: the unrounded number would be printed otherwise."""
        if self.printed is None:
            return False
        return f"{self.exact:.{len(self.printed.partition('.')[2])}f}" != self.printed


def _sigmoid(z: float) -> float:
    return 1 / (1 + exp(-z))


def worked_example() -> tuple[Line, ...]:
    """Every line, in the order of the text."""
    z_h = W1 * X[0] + W2 * X[1]
    h, rounded_h = _sigmoid(z_h), 0.750
    z, rounded_z = W3 * h, round(W3 * rounded_h, 3)
    output, rounded_output = _sigmoid(z), round(_sigmoid(rounded_z), 3)
    error, rounded_error = Y - output, round(Y - rounded_output, 3)
    slope, rounded_slope = output * (1 - output), round(rounded_output * (1 - rounded_output), 3)
    delta, rounded_delta = -error * slope, round(-rounded_error * rounded_slope, 4)
    by_w3, rounded_by_w3 = delta * h, round(rounded_delta * rounded_h, 4)
    delta_h, rounded_delta_h = delta * W3 * h * (1 - h), -0.01217
    assert abs(rounded_delta * W3 * rounded_h * (1 - rounded_h) - rounded_delta_h) < 1e-5
    lines = [
        Line("forward", "z_h = 0.5·1 + 0.3·2", z_h, 1.1, "1.1"),
        Line("forward", "h = σ(z_h)", h, rounded_h, "0.750"),
        Line("forward", "z_out = 0.8·h", z, rounded_z, "0.600"),
        Line("forward", "ŷ = σ(z_out)", output, rounded_output, "0.646"),
        Line("forward", "L = (1 - ŷ)²", error**2, round(rounded_error**2, 3), "0.125"),
        Line("output-delta", "δ_out = -(y - ŷ) ŷ (1 - ŷ)", delta, rounded_delta, "-0.0811", 2 * delta),
        Line("weight-gradient", "∂L/∂w₃ = δ_out h", by_w3, rounded_by_w3, "-0.0608", 2 * by_w3),
        Line("hidden-delta", "δ_h = δ_out w₃ h (1 - h)", delta_h, rounded_delta_h, "-0.01217", 2 * delta_h),
        Line("weight-gradient", "∂L/∂w₁ = δ_h x₁", delta_h * X[0], rounded_delta_h * X[0], "-0.01217", 2 * delta_h * X[0]),
        Line("weight-gradient", "∂L/∂w₂ = δ_h x₂", delta_h * X[1], rounded_delta_h * X[1], "-0.02434", 2 * delta_h * X[1]),
    ]
    for name, weight, gradient, rounded, printed in (
        ("w₃", W3, by_w3, rounded_by_w3, "0.806"),
        ("w₁", W1, delta_h * X[0], rounded_delta_h * X[0], "0.501"),
        ("w₂", W2, delta_h * X[1], rounded_delta_h * X[1], "0.302"),
    ):
        after = (weight - RATE * gradient, round(weight - RATE * rounded, 3), weight - RATE * 2 * gradient)
        lines.append(Line("update", f"{name} ← {weight} - 0.1 ∂L/∂{name}", after[0], after[1], printed, after[2]))
    return tuple(lines)


CONTRADICTION = (
    "The text contradicts itself by a factor ½. It states L = (y - ŷ)², whose derivative is ∂L/∂ŷ = -2 (y - ŷ), and then begins with "
    "δ_out = -(y - ŷ) ŷ (1 - ŷ), without the 2: that is the gradient of ½ (y - ŷ)². Every gradient printed is exactly half of that of the "
    "stated loss, and every step half as long. Either the loss has a ½, or δ_out has a 2."
)
