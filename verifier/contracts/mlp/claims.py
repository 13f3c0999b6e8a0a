"""What a candidate of the `mlp` contract claims: which mathematics it computes, in which layout, for how large networks.

`claims_from` reads the manifest's keys, fills in the defaults and refuses what cannot be: first each key by itself, then what the
keys say together. A claim that no network could ever test is refused, since it would look verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar

from verifier import plugins
from verifier.contracts.keys import Key, TableError, flag, number, read_table, shown, whole, wholes, word, words
from verifier.contracts.optimizers import read_optimizer
from verifier.problems.optimizers import Rule

HIDDEN_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "identity")
OUTPUT_ACTIVATIONS = (*HIDDEN_ACTIVATIONS, "softmax")
SQUARED_LOSSES = ("squared_error", "half_squared_error")
LOGARITHMIC_LOSSES = ("binary_cross_entropy", "cross_entropy", "softmax_cross_entropy", "binary_cross_entropy_with_logits")
SOFTMAX_LOSSES = ("cross_entropy", "softmax_cross_entropy")
LOSSES = (*SQUARED_LOSSES, *LOGARITHMIC_LOSSES)
NEEDED_OUTPUTS: Mapping[str, tuple[str, ...]] = {"cross_entropy": ("softmax",), "binary_cross_entropy": ("sigmoid", "softmax")}

MOST_LAYERS = 20
MOST_WIDTH = 4096
MOST_WEIGHTS = 10_000_000  # the largest network that a manifest can ask the referee to draw: 80 MB an array in float64

LAYOUT_KEYS = ("weight_layout", "batch", "bias")

ACTIVATION_ALIASES = {"logistic": "sigmoid", "linear": "identity", "none": "identity", "leakyrelu": "leaky_relu", "rectifier": "relu"}
LOSS_ALIASES = {
    "mse": "squared_error",
    "l2": "squared_error",
    "half_mse": "half_squared_error",
    "bce": "binary_cross_entropy",
    "log_loss": "binary_cross_entropy",
    "ce": "cross_entropy",
    "nll": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy_with_logits",
}
HIDDEN_SOFTMAX = {"softmax": "softmax belongs in output_activations only; activations are those of the hidden layers."}


@dataclass(frozen=True)
class Claims:
    """The keys of the manifest that concern mathematics, layout and size, with the contract's defaults; see docs/manifest.md.

    `output_activations` is resolved (as `activations` where the manifest does not say), and so is `layers` where `sizes` fixes it.
    `max_layers` and `max_width` bound what is free: a depth or size that is fixed stands by itself.
    """

    contract: ClassVar[str] = "mlp"

    activations: tuple[str, ...] = ("sigmoid",)
    output_activations: tuple[str, ...] = ("sigmoid",)
    losses: tuple[str, ...] = ("squared_error",)
    reduction: str = "mean"
    loss_scale: float = 1.0
    l2: float = 0.0
    l2_over_batch: bool = False
    targets: str | None = None
    weight_layout: str = "out_in"
    batch: str = "rows"
    bias: str = "vector"
    dtypes: tuple[str, ...] = ("float64",)
    layers: int | None = None
    max_layers: int = 6
    max_width: int = 32
    sizes: tuple[int, ...] | None = None
    learning_rate: float | None = None
    optimizer: Rule | None = None
    leaky_slope: float = 0.01
    log_epsilon: float | tuple[float, float] | None = None
    clip_output: float | tuple[float, float] | None = None
    clip_preactivation: float | None = None
    softplus_threshold: float | None = None
    softmax_epsilon: float | None = None
    delta_scale: str = "loss"
    stable: bool = False

    @property
    def clip_ends(self) -> tuple[float, float] | None:
        """Both ends of the interval that `clip_output` holds probabilities in, or None."""
        if self.clip_output is None or isinstance(self.clip_output, tuple):
            return self.clip_output
        return self.clip_output, 1 - self.clip_output

    def targets_for(self, loss: str) -> str:
        """The kind of targets drawn for this loss: `real`, `probability`, `binary` or `one_hot`.

        Binary targets of a softmax loss are one-hot, since they sum to 1.
        """
        if self.targets is None:
            return "real" if loss in SQUARED_LOSSES else "probability"
        return "one_hot" if self.targets == "binary" and loss in SOFTMAX_LOSSES else self.targets

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs (output activation, loss) that go together, in the manifest's order; never empty for claims that were read."""
        return tuple((output, loss) for output in self.output_activations for loss in self.losses if goes_with(output, loss))

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        """The manifest that says this, with lists for tuples, ready for JSON or TOML.

        Args:
            defaults: also the keys that are as by default (what is free is then None); else only those in which it differs.
        """
        said = {key: list(value) if isinstance(value, tuple) else value for key, value in self._values().items()}
        said["optimizer"] = None if self.optimizer is None else self.optimizer.as_table()
        if defaults:
            return said
        usual = replace(Claims(), output_activations=self.activations, layers=_depth_of(self.sizes))._values()
        return {key: value for key, value in said.items() if self._values()[key] != usual[key]}

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


_CLIP_ALLOWED = "a number above 0 and below 0.5, or two, [low, high] with 0 < low < 0.5 < high ≤ 1"


def _clip(key: str, value: Any) -> float | tuple[float, float]:
    """ε for [ε, 1 - ε], or both ends: published code often clips below alone."""
    if not isinstance(value, list):
        return float(number(_CLIP_ALLOWED, lambda bound: 0 < bound < 0.5).read(key, value))
    ends = [float(number(_CLIP_ALLOWED, lambda bound: 0 < bound <= 1).read(key, end)) for end in value]
    if len(ends) != 2 or not ends[0] < 0.5 < ends[1]:
        raise TableError(key, f"is {shown(value)}; it takes {_CLIP_ALLOWED}.")
    return ends[0], ends[1]


_LOG_ALLOWED = "a number above 0 and below 0.1, or two from 0, in log p and in log(1 - p)"


def _log_epsilon(key: str, value: Any) -> float | tuple[float, float]:
    """ε, or one for each logarithm of a binary cross-entropy: published code often guards log(1 - p) alone, by 1.0000001 - p."""
    if not isinstance(value, list):
        return float(number(_LOG_ALLOWED, lambda epsilon: 0 < epsilon < 0.1).read(key, value))
    both = [float(number(_LOG_ALLOWED, lambda epsilon: 0 <= epsilon < 0.1).read(key, epsilon)) for epsilon in value]
    if len(both) != 2 or not any(both):
        raise TableError(key, f"is {shown(value)}; it takes {_LOG_ALLOWED}.")
    return both[0], both[1]


def _activations(*known: str, elsewhere: Mapping[str, str] | None = None) -> Key:
    """A key that takes a list of activations: ours, and those that are plugged in, which are looked for only where others are named."""
    ours = words(*known, aliases=ACTIVATION_ALIASES, elsewhere=elsewhere)

    def read(key: str, value: Any) -> tuple[str, ...]:
        foreign = isinstance(value, list) and any(isinstance(entry, str) and entry not in known for entry in value)
        plugged = plugins.plugged_in(plugins.OPERATIONS) if foreign else ()
        chosen = words(*known, *plugged, aliases=ACTIVATION_ALIASES, elsewhere=elsewhere) if plugged else ours
        activations: tuple[str, ...] = chosen.read(key, value)
        return activations

    return Key(read, ours.allowed)


KEYS: Mapping[str, Key] = {
    "activations": _activations(*HIDDEN_ACTIVATIONS, elsewhere=HIDDEN_SOFTMAX),
    "output_activations": _activations(*OUTPUT_ACTIVATIONS),
    "losses": words(*LOSSES, aliases=LOSS_ALIASES),
    "reduction": word("mean", "sum", "mean_all"),
    "loss_scale": number("a number of size 0.000001 to 1,000,000", lambda value: 1e-6 <= abs(value) <= 1e6),
    "l2": number("a number from 0 to 1,000", lambda value: 0 <= value <= 1000),
    "l2_over_batch": flag(),
    "targets": word("real", "probability", "binary", "one_hot"),
    "weight_layout": word("out_in", "in_out"),
    "batch": word("rows", "columns", "single"),
    "bias": word("vector", "column", "row", "none"),
    "dtypes": words("float64", "float32", aliases={"double": "float64", "float": "float64", "single": "float32"}),
    "layers": whole(1, MOST_LAYERS),
    "max_layers": whole(1, MOST_LAYERS),
    "max_width": whole(1, MOST_WIDTH),
    "sizes": wholes(0, MOST_WIDTH, at_least=2, at_most=MOST_LAYERS + 1, what="input first (0 is free)"),
    "learning_rate": number("a number from 0.000000001 to 1,000,000", lambda value: 1e-9 <= value <= 1e6),
    "optimizer": Key(read_optimizer, "a table with name and the arguments of torch.optim"),
    "leaky_slope": number("a number of at least 0 and below 1", lambda value: 0 <= value < 1),
    "log_epsilon": Key(_log_epsilon, _LOG_ALLOWED),
    "clip_output": Key(_clip, _CLIP_ALLOWED),
    "clip_preactivation": number("a number of at least 0.1", lambda value: value >= 0.1),
    "softplus_threshold": number("a number above 0", lambda value: value > 0),
    "softmax_epsilon": number("a number above 0 and below 0.1", lambda value: 0 < value < 0.1),
    "delta_scale": word("loss", "sample"),
    "stable": flag(),
}


def goes_with(output_activation: str, loss: str) -> bool:
    """Whether networks with this output activation and this loss are drawn."""
    return loss not in NEEDED_OUTPUTS or output_activation in NEEDED_OUTPUTS[loss]


def claims_from(table: Mapping[str, Any]) -> Claims:
    """The claims that a table of manifest keys makes (without name, module, entry and contract).

    Raises:
        TableError: a key is not known, holds what it may not, or contradicts another; it names the key and what is allowed.
    """
    said = read_table(table, KEYS)
    said.setdefault("output_activations", said.get("activations", Claims.output_activations))
    claims = Claims(**said)
    _check_losses(claims, said_outputs="output_activations" in table)
    _check_targets(claims)
    _check_depth(claims, said)
    _check_widths(claims, said)
    return replace(claims, layers=_depth_of(claims.sizes) or claims.layers)


def _check_losses(claims: Claims, *, said_outputs: bool) -> None:
    outputs = shown(claims.output_activations) + ("" if said_outputs else " as activations are")
    drawn = {loss for _, loss in claims.pairs()}
    for loss in claims.losses:
        if loss not in drawn:
            needed = [shown(activation) for activation in NEEDED_OUTPUTS[loss]]
            raise TableError(
                "losses",
                f'holds "{loss}", which needs {" or ".join(needed)} at the output, but output_activations is {outputs}: '
                f"no such network can be drawn. Say output_activations = [{needed[0]}].",
            )


def _check_targets(claims: Claims) -> None:
    logarithmic = [loss for loss in claims.losses if loss in LOGARITHMIC_LOSSES]
    if claims.targets == "real" and logarithmic:
        raise TableError(
            "targets", f'is "real", but the loss "{logarithmic[0]}" needs targets from 0 to 1: say "probability", "binary" or "one_hot".'
        )


def _check_depth(claims: Claims, said: Mapping[str, Any]) -> None:
    depth = _depth_of(claims.sizes)
    if depth and claims.layers and depth != claims.layers:
        raise TableError(
            "sizes",
            f"is {shown(claims.sizes)}: an input and {depth} layers, but layers is {claims.layers}; "
            f"it takes {claims.layers + 1} entries, input first (0 is free).",
        )
    fixed = depth or claims.layers
    if fixed and fixed > said.get("max_layers", MOST_LAYERS):
        raise TableError("max_layers", f"is {claims.max_layers}, but the manifest fixes {fixed} layers: leave max_layers out.")


def _check_widths(claims: Claims, said: Mapping[str, Any]) -> None:
    beyond = [size for size in claims.sizes or () if size > said.get("max_width", MOST_WIDTH)]
    if beyond:
        raise TableError("sizes", f"holds {beyond[0]}, beyond max_width = {claims.max_width}; max_width bounds the free sizes, raise it.")
    outputs = (claims.sizes[-1] if claims.sizes else 0) or claims.max_width
    if outputs == 1 and claims.output_activations == ("softmax",):
        key = "sizes" if claims.sizes and claims.sizes[-1] == 1 else "max_width"
        raise TableError(key, "leaves one output, and a softmax of one output is always 1: nothing is left to differentiate.")
    weights = _most_weights(claims)
    if weights > MOST_WEIGHTS:
        key = next((key for key in ("sizes", "max_width") if key in said), "max_layers")
        raise TableError(key, f"allows networks of {weights:,} weights; at most {MOST_WEIGHTS:,} are drawn.")


def _most_weights(claims: Claims) -> int:
    sizes = claims.sizes or (0,) * ((claims.layers or claims.max_layers) + 1)
    widest = [size or claims.max_width for size in sizes]
    return sum(before * after for before, after in pairwise(widest))


def _depth_of(sizes: tuple[int, ...] | None) -> int | None:
    return len(sizes) - 1 if sizes else None
