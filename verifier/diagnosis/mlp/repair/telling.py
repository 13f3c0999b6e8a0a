"""What a repair says to whoever wrote the line: what stands there, what should, and what the one is beside the other."""

import re

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.repair.quantities import SYMBOLS, WITHOUT_LAYER, Quantity
from verifier.diagnosis.mlp.repair.reading import Known
from verifier.diagnosis.mlp.repair.search import Found

RATIO = 1e-9  # to which two arrays are one a multiple of the other: words, no verdict


def value_there(found: Found) -> tuple[str, Quantity]:
    """The right value's name with its factor (`N δ[1]`), and the quantity itself, times the factor, in the layout of the line."""
    reading, repair = found.reading, found.repair
    fitting = reading.quantities.at(repair.kind, found.setting.value.shape)
    same_place = [index for index in reading.by_slot[repair.slot] if reading.settings[index].value.shape == found.setting.value.shape]
    turn = same_place.index(found.index) + (repair.skipped if len(fitting) > 1 else 0)
    quantity = fitting[min(turn, len(fitting) - 1)]
    scaled = Quantity(quantity.kind, quantity.layer, reading.quantities.factors[repair.factor] * quantity.array)
    return named(quantity, repair.factor), scaled


def named(quantity: Quantity, factor: str = "") -> str:
    """`δ[1]`, `-N δ[1]`, `W[0] - η ∂L/∂W[0]`."""
    symbol = SYMBOLS[quantity.kind]
    if quantity.kind not in WITHOUT_LAYER:
        symbol = re.sub(r"σ'\(z\)|∂L/∂[aWb]|(?<![\w∂/])[zaδWb](?![\w'(])", lambda match: _indexed(match[0], quantity.layer), symbol)
    return f"{factor}{symbol}"


def _indexed(symbol: str, layer: int) -> str:
    return f"σ'(z[{layer}])" if symbol.startswith("σ") else f"{symbol}[{layer}]"


def is_a_gradient_already(found: Found) -> bool:
    """Whether a right gradient stands there, so that another multiple of it only makes up for what the step does with it."""
    kind = found.repair.kind
    known = found.reading.known[found.index]
    return kind in ("weight-gradient", "bias-gradient") and any(one.quantity.kind == kind and one.factor == "" for one in known)


def worst_element(found: Found, right: Quantity) -> tuple[tuple[int, ...], float, float]:
    """Where the line's value is furthest off: the index, what stands there, what should."""
    value, wanted = found.setting.value, right.array
    if value.shape != wanted.shape:
        return (), float(value.reshape(-1)[0]), float(wanted.reshape(-1)[0])
    with np.errstate(all="ignore"):
        error = np.nan_to_num(np.abs(value - wanted), nan=np.inf)
    index = tuple(int(part) for part in np.unravel_index(int(np.argmax(error)), value.shape))
    return index, float(value[index]), float(wanted[index])


def sentence(found: Found, digits: int = 4) -> str:
    """What the line says and what the value there should be, in one or two sentences."""
    name, right = value_there(found)
    slot, setting = found.repair.slot, found.setting
    if found.undone is not None:
        changed = f"{found.undone.path} is changed in line {found.undone.slot.line}, before line {slot.line} uses it"
        return f"{changed}: keep the old weights until δ has gone through them."
    index, claimed, wanted = worst_element(found, right)
    element = f"[{', '.join(map(str, index))}]" if index else ""
    what = setting.path
    if slot.name.startswith("return"):
        what = f"element {element}" if element else "it"
        element = ""
        place = setting.path.removeprefix("return")
        begin = f"What {slot.function} returns here should {f'have {name} at {place}' if place else f'be {name}'}"
    elif slot.name.endswith(")"):
        what = slot.name.partition("(")[2].rstrip(")")
        begin = f"{slot.name.partition('(')[0]} should be given {name} here"
    else:
        begin = f"Here the value of {setting.path} should be {name}"
    shape = setting.value.shape
    if shape != right.array.shape:
        return f"{begin}, of shape {right.array.shape}; it has shape {shape}."
    while digits < 17 and claimed != wanted and f"{claimed:.{digits}g}" == f"{wanted:.{digits}g}":
        digits += 1
    numbers = f"{what}{element} is {claimed:.{digits}g}, it should be {wanted:.{digits}g}"
    beside = _beside(found, right)
    return f"{begin}: {numbers}.{beside}{_given(found)}"


def _beside(found: Found, right: Quantity) -> str:
    """What stands there, where that can be said: another right quantity, or a multiple of what should."""
    known = found.reading.known[found.index]
    best = min(known, key=lambda one: (one.quantity.kind != found.repair.kind, one.factor != ""), default=None)
    if best is not None and not _is_claim_of_itself(best, found):
        missing = f": the factor {named(Quantity('slope', right.layer, right.array))} is missing" if _lacks_slope(best, found) else ""
        return f" It is {named(best.quantity, best.factor)}{missing}."
    if right.kind == "activation" and bool(np.all(np.abs(found.setting.value + right.array - 1) <= RATIO)):
        return " Each is 1 minus what it should be, σ(-z) instead of σ(z): is the exponent's sign lost?"
    ratio = _ratio(found.setting.value, right.array)
    if ratio is None:
        return ""
    if ratio == -1:
        return " It has the wrong sign."
    batch = found.reading.quantities.factors.get("N ", 0.0)
    plain = (2, 0.5, batch or 2, 1 / (batch or 2))
    if right.array.size == 1 and not any(abs(ratio / one - 1) < RATIO for one in plain):
        return ""  # one number is always a multiple of another
    times = (
        "1/N" if batch > 1 and abs(ratio * batch - 1) < RATIO else "N" if batch > 1 and abs(ratio / batch - 1) < RATIO else f"{ratio:.6g}"
    )
    return f" It is {times} times what it should be{f' (N = {batch:.0f} samples)' if 'N' in times else ''}."


def _is_claim_of_itself(known: Known, found: Found) -> bool:
    return known.quantity.kind == found.repair.kind and known.factor == found.repair.factor


def _lacks_slope(known: Known, found: Found) -> bool:
    return known.quantity.kind == "activation-gradient" and found.repair.kind == "delta" and known.factor == found.repair.factor


def _ratio(value: FloatArray, right: FloatArray) -> float | None:
    """The one number by which an array is a multiple of another; None where there is none, or it is zero."""
    norm = float(np.sum(right * right))
    if not norm:
        return None
    ratio = float(np.sum(value * right)) / norm
    if not np.isfinite(ratio) or abs(ratio) < RATIO:
        return None
    near = bool(np.all(np.abs(value - ratio * right) <= RATIO * np.max(np.abs(value))))
    return float(f"{ratio:.9g}") if near else None


def _given(found: Found) -> str:
    """What a function that returns something wrong was given."""
    slot, reading = found.repair.slot, found.reading
    if not slot.name.startswith("return"):
        return ""
    before = zip(reversed(reading.settings[: found.index]), reversed(reading.known[: found.index]), strict=True)
    for setting, known in before:
        if setting.slot.name.startswith(f"{slot.function}(") and known:
            one = min(known, key=lambda each: each.factor != "")
            return f" In line {setting.slot.line} it is given {named(one.quantity, one.factor)}."
    return ""
