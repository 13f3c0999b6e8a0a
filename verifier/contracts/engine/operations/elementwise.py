"""Operations element by element: of one operand, of two, and by a choice."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.operations.operation import MARGIN, NOT_ZERO, POSITIVE, REAL, Domain, Operation

ONE = Domain(-0.9, 0.9)
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805  # of selu (Klambauer et al. 2017)
_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(a: Array) -> Array:
    """1 / (1 + e⁻ᵃ), element by element."""
    return 1 / (1 + np.exp(-a))


def softplus(a: Array) -> Array:
    """log(1 + eᵃ), element by element, without overflow."""
    return np.logaddexp(a, 0.0)


def _apart(operands: Sequence[Array], options: Mapping[str, Any]) -> bool:
    """No element of one operand is near the other's."""
    return bool(np.all(np.abs(operands[0] - operands[1]) >= MARGIN))


def leaky_relu(a: Array, negative_slope: float = 0.01) -> Array:
    """a above 0, else the slope times a; element by element."""
    return np.where(a > 0, a, negative_slope * a)


def _off_the_bounds(operands: Sequence[Array], options: Mapping[str, Any]) -> bool:
    bounds = [options[key] for key in ("min", "max") if options.get(key) is not None]
    return all(bool(np.all(np.abs(operands[0] - bound) >= MARGIN)) for bound in bounds)


def _clip(a: Array, min: float | None = None, max: float | None = None) -> Array:
    return np.clip(a, -np.inf if min is None else min, np.inf if max is None else max)


UNARY = (
    Operation("neg", "unary", np.negative, points=(0.0,)),
    Operation("exp", "unary", np.exp, points=(0.0,)),
    Operation("log", "unary", np.log, (POSITIVE,), points=(1.0,)),
    Operation("log2", "unary", np.log2, (POSITIVE,), points=(1.0,)),
    Operation("log10", "unary", np.log10, (POSITIVE,), points=(1.0,)),
    Operation("log1p", "unary", np.log1p, (Domain(-0.8, 3.0),), points=(0.0,)),
    Operation("expm1", "unary", np.expm1, points=(0.0,)),
    Operation("sqrt", "unary", np.sqrt, (POSITIVE,), points=(1.0,)),
    Operation("rsqrt", "unary", lambda a: 1 / np.sqrt(a), (POSITIVE,), points=(1.0,)),
    Operation("cbrt", "unary", np.cbrt, (NOT_ZERO,), points=(1.0,)),
    Operation("square", "unary", np.square, points=(0.0, -1.0)),
    Operation("reciprocal", "unary", lambda a: 1 / a, (NOT_ZERO,), points=(1.0, -1.0)),
    Operation("abs", "unary", np.abs, kinks={0.0: (-1.0, 1.0)}),
    Operation("sin", "unary", np.sin, points=(0.0,)),
    Operation("cos", "unary", np.cos, points=(0.0,)),
    Operation("tan", "unary", np.tan, (Domain(-1.2, 1.2),), points=(0.0,)),
    Operation("asin", "unary", np.arcsin, (ONE,), points=(0.0,)),
    Operation("acos", "unary", np.arccos, (ONE,), points=(0.0,)),
    Operation("atan", "unary", np.arctan, points=(0.0,)),
    Operation("sinh", "unary", np.sinh, points=(0.0,)),
    Operation("cosh", "unary", np.cosh, points=(0.0,)),
    Operation("tanh", "unary", np.tanh, points=(0.0,)),
    Operation("asinh", "unary", np.arcsinh, points=(0.0,)),
    Operation("acosh", "unary", np.arccosh, (Domain(1.2, 4.0),)),
    Operation("atanh", "unary", np.arctanh, (ONE,), points=(0.0,)),
    Operation("erf", "unary", _erf, points=(0.0,)),
    Operation("sigmoid", "unary", sigmoid, points=(0.0,)),
    Operation("logsigmoid", "unary", lambda a: -softplus(-a), points=(0.0,)),
    Operation("softplus", "unary", softplus, points=(0.0,)),
    Operation("softsign", "unary", lambda a: a / (1 + np.abs(a)), points=(0.0,)),
    Operation("relu", "unary", lambda a: np.maximum(a, 0), kinks={0.0: (0.0, 1.0)}),
    Operation("relu6", "unary", lambda a: np.clip(a, 0, 6), (Domain(-3.0, 9.0),), kinks={0.0: (0.0, 1.0), 6.0: (0.0, 1.0)}),
    Operation("leaky_relu", "unary", leaky_relu, options=("negative_slope",), kinks={0.0: (0.0, 1.0)}),
    Operation(
        "elu", "unary", lambda a, alpha=1.0: np.where(a > 0, a, alpha * np.expm1(np.minimum(a, 0))), options=("alpha",), points=(0.0,)
    ),
    Operation(
        "selu",
        "unary",
        lambda a: SCALE * np.where(a > 0, a, ALPHA * np.expm1(np.minimum(a, 0))),
        kinks={0.0: (SCALE, SCALE * ALPHA)},
    ),
    Operation("gelu", "unary", lambda a: a * (1 + _erf(a / math.sqrt(2))) / 2, points=(0.0,)),
    Operation("silu", "unary", lambda a: a * sigmoid(a), points=(0.0,)),
    Operation("mish", "unary", lambda a: a * np.tanh(softplus(a)), points=(0.0,)),
    Operation("hardtanh", "unary", lambda a: np.clip(a, -1, 1), kinks={-1.0: (0.0, 1.0), 1.0: (0.0, 1.0)}, points=(0.0,)),
    Operation(
        "hardsigmoid",
        "unary",
        lambda a: np.clip(a / 6 + 0.5, 0, 1),
        (Domain(-5.0, 5.0),),
        kinks={-3.0: (0.0, 1 / 6), 3.0: (0.0, 1 / 6)},
        points=(0.0,),
    ),
    Operation(
        "hardswish",
        "unary",
        lambda a: a * np.clip(a / 6 + 0.5, 0, 1),
        (Domain(-5.0, 5.0),),
        kinks={-3.0: (-0.5, 0.0), 3.0: (1.0, 1.5)},
        points=(0.0,),
    ),
    Operation("clip", "unary", _clip, options=("min", "max"), smooth=_off_the_bounds),
    Operation("detach", "unary", lambda a: a),
)

BINARY = (
    Operation("add", "binary", np.add),
    Operation("sub", "binary", np.subtract),
    Operation("mul", "binary", np.multiply),
    Operation("div", "binary", np.divide, (REAL, NOT_ZERO)),
    Operation("pow", "binary", np.power, (POSITIVE, Domain(-2.0, 3.0))),
    Operation("maximum", "binary", np.maximum, smooth=_apart),
    Operation("minimum", "binary", np.minimum, smooth=_apart),
    Operation("atan2", "binary", np.arctan2, (NOT_ZERO, NOT_ZERO)),
    Operation("logaddexp", "binary", np.logaddexp),
    Operation("hypot", "binary", np.hypot, (NOT_ZERO, NOT_ZERO)),
)

CHOICE = (Operation("where", "choice", np.where),)
