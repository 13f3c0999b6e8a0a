"""The names that tie statements together: ``dx`` is the gradient of ``x``, ``dout`` the cotangent of ``out``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier.contracts.keys import TableError, did_you_mean, shown
from verifier.contracts.layer.statements import Script

PREFIXES = ("d", "d_", "grad_")


@dataclass(frozen=True)
class Ties:
    """Which name is what.

    Attributes:
        gradients: by array, the name that holds its gradient after backward (after forward, where there is no backward).
        cotangents: by output, the name by which backward reads its cotangent; empty where it reads none.
        outputs: the names whose values are differentiated; empty where only a run can say which of forward's names is the scalar.
        candidates: the names that forward gives, in order, for that case.
    """

    gradients: Mapping[str, str] = field(default_factory=dict)
    cotangents: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


def tie(forward: Script, backward: Script, arrays: Sequence[str], outputs: Sequence[str], *, mapped: bool) -> Ties:
    """The ties between these statements.

    Args:
        arrays: those whose gradients are claimed.
        outputs: as the manifest names them, or empty.
        mapped: whether a mapping holds the gradients.
    Raises:
        TableError: a gradient is given by no statement, or an output that is named is not given by forward.
    """
    for output in outputs:
        if output not in forward.gives:
            raise TableError("outputs", f"holds {shown(output)}, which forward does not give; it gives {', '.join(forward.gives)}.")
    cotangents = {output: name for output in forward.gives if (name := _first(output, backward.reads))}
    if outputs:
        cotangents = {output: name for output, name in cotangents.items() if output in outputs}
    where = backward if backward else forward
    gradients = {} if mapped else {array: _gradient(array, where, "backward" if backward else "forward") for array in arrays}
    held = {*gradients.values()}
    candidates = tuple(name for name in forward.gives if name not in held)
    named = tuple(outputs) or tuple(cotangents) or _scalar(candidates)
    return Ties(gradients, cotangents, named, candidates)


def _gradient(array: str, script: Script, key: str) -> str:
    found = _first(array, script.gives)
    if found is None:
        hint = did_you_mean(f"d{array}", script.gives)
        raise TableError(
            key,
            f"gives no gradient of {array}: it gives {', '.join(script.gives) or 'nothing'}, and must give d{array} "
            f'(or say gradients = "…", or arrays = {{{array} = "real …"}} where it claims none).{hint}',
        )
    return found


def _first(name: str, among: Sequence[str]) -> str | None:
    return next((prefix + name for prefix in PREFIXES if prefix + name in among), None)


def _scalar(candidates: Sequence[str]) -> tuple[str, ...]:
    """The scalar without a cotangent, where the names alone say which: the only one, or the one called loss."""
    if len(candidates) == 1:
        return tuple(candidates)
    return next(((name,) for name in candidates if name in ("loss", "cost", "J", "L")), ())
