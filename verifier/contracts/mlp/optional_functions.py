"""Is a function called `predict`, `forward`, `deltas` or `update` the contract's, or a helper of the candidate's own?

Such names are common: a network's own `forward(x, weights, biases)` is no answer to `forward(weights, biases, x)`. Its parameters tell.
"""

from collections.abc import Mapping, Sequence

ARGUMENTS = {
    "predict": ("weights", "biases", "x"),
    "forward": ("weights", "biases", "x"),
    "deltas": ("weights", "biases", "x", "y"),
    "update": ("weights", "biases", "x", "y", "learning_rate"),
}
KEYWORDS = {"activations", "loss"}  # passed by name where the manifest claims several
STATE = {"update"}  # may take what it returned last as one more
BEGINNINGS = {
    "gradient": ("grad", "nabla", "delta", "dw", "db", "dl", "dz", "dtheta", "dparam"),
    "weights": ("w", "theta", "param"),
    "biases": ("bias",),
    "x": ("x", "input", "data", "feature", "sample", "image"),
    "y": ("y", "target", "label", "truth", "expected"),
    "learning_rate": ("lr", "eta", "alpha", "learn", "rate", "step"),
}
WHOLE = {"b": "biases", "bs": "biases", "t": "y", "ts": "y"}
VARIADIC = "*"  # begins the name of a parameter that takes all that follow
OPTIONAL = "="  # ends the name of one that has a default


def helpers(parameters: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By name, as text, the call that each function of an optional function's name would take, where it is not the contract's."""
    return {
        name: f"{name}({', '.join(one.removesuffix(OPTIONAL) for one in parameters[name])})"
        for name, arguments in ARGUMENTS.items()
        if name in parameters and not _takes(parameters[name], arguments, name in STATE)
    }


def _takes(parameters: Sequence[str], arguments: Sequence[str], more: bool) -> bool:
    """Whether a function of these parameters takes these arguments by position, and none of its names means another one."""
    variadic = any(one.startswith(VARIADIC) for one in parameters)
    named = [one for one in parameters if not one.startswith(VARIADIC) and one.removesuffix(OPTIONAL) not in KEYWORDS]
    needed = sum(not one.endswith(OPTIONAL) for one in named)
    if needed > len(arguments) + more or (len(named) < len(arguments) and not variadic):
        return False
    return all(_meant(one) in ("", argument) for one, argument in zip(named, arguments, strict=False))


def _meant(parameter: str) -> str:
    """The argument that a parameter's name stands for; "" where it does not tell."""
    name = parameter.removesuffix(OPTIONAL).lower().replace("_", "").rstrip("0123456789")
    return WHOLE.get(name) or next((kind for kind, starts in BEGINNINGS.items() if name.startswith(starts)), "")
