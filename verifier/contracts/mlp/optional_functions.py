"""Is a function called `predict`, `forward`, `deltas` or `update` the contract's, or a helper of the candidate's own?

Such names are common: a network's own `forward(x, weights, biases)` is no answer to `forward(weights, biases, x)`. Its parameters tell.
Where they do not, as those of `forward(a, v, n)` or of one layer's `forward(w, b, x)`, its first answers do. What the manifest claims is
the contract's.
"""

from collections.abc import Mapping, Sequence

from verifier.contracts.mlp.claims import Claims

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


def helpers(parameters: Mapping[str, Sequence[str]], claims: Claims) -> dict[str, str]:
    """By name, as text, the call that each function of an optional function's name would take, where it is not the contract's."""
    return {name: _call(name, parameters[name]) for name in _unclaimed(parameters, claims) if not _takes(name, parameters[name])}


def doubtful(parameters: Mapping[str, Sequence[str]], claims: Claims) -> dict[str, str]:
    """The same of the functions that would take the contract's arguments, but whose parameters do not say that they are meant to.

    A network's weights come as a list, so the contract's function calls them by a plural, and what follows by what it is.
    """
    taking = [name for name in _unclaimed(parameters, claims) if _takes(name, parameters[name])]
    return {name: _call(name, parameters[name]) for name in taking if not _says(name, parameters[name])}


def _unclaimed(parameters: Mapping[str, Sequence[str]], claims: Claims) -> list[str]:
    """The functions that no key of the manifest speaks of."""
    claimed = {"update": claims.optimizer is not None or claims.learning_rate is not None, "deltas": claims.delta_scale != "loss"}
    return [name for name in ARGUMENTS if name in parameters and not claimed.get(name)]


def _call(name: str, parameters: Sequence[str]) -> str:
    return f"{name}({', '.join(one.removesuffix(OPTIONAL) for one in parameters)})"


def _takes(name: str, parameters: Sequence[str]) -> bool:
    """Whether a function of these parameters takes the contract's arguments by position, and none of its names means another one."""
    arguments, more = ARGUMENTS[name], name in STATE
    variadic = any(one.startswith(VARIADIC) for one in parameters)
    named = _named(parameters)
    needed = sum(not one.endswith(OPTIONAL) for one in named)
    if needed > len(arguments) + more or (len(named) < len(arguments) and not variadic):
        return False
    return all(_meant(one) in ("", argument) for one, argument in zip(named, arguments, strict=False))


def _says(name: str, parameters: Sequence[str]) -> bool:
    """Whether the names of the parameters are those of the contract's arguments, the first a plural."""
    named = _named(parameters)
    listed = bool(named) and _plain(named[0]).endswith("s")
    return listed and len(named) >= len(ARGUMENTS[name]) and all(map(_meant, named[: len(ARGUMENTS[name])]))


def _named(parameters: Sequence[str]) -> list[str]:
    return [one for one in parameters if not one.startswith(VARIADIC) and one.removesuffix(OPTIONAL) not in KEYWORDS]


def _meant(parameter: str) -> str:
    """The argument that a parameter's name stands for; "" where it does not tell."""
    name = _plain(parameter)
    return WHOLE.get(name) or next((kind for kind, starts in BEGINNINGS.items() if name.startswith(starts)), "")


def _plain(parameter: str) -> str:
    return parameter.removesuffix(OPTIONAL).lower().replace("_", "").rstrip("0123456789")
