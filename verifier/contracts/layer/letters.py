"""Which array of a manifest plays which part of its operation, and which of its letters stands for which of the operation's.

The manifest's letters are its author's: x = "N H V C" has V for the usual W. Letters that the operation does not know stand, in their
order, for those that are left.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from verifier.contracts.layer.operations.operation import Operation
from verifier.problems.sizes import ANY, Expression, Shape, parse_expression, parse_shape

BATCH = "N"
KNOWN_AS: Mapping[str, tuple[str, ...]] = {  # what manifests call a parameter
    "pad": ("padding", "p", "P", "pad_size"),
    "stride": ("strides", "s", "S", "step"),
    "window": ("K", "k", "f", "size", "pool_size", "kernel_size", "pool", "ksize", "window_size", "kernel"),
    "pool_height": ("pool_h", "ph", "kernel_h", "kh"),
    "pool_width": ("pool_w", "pw", "kernel_w", "kw"),
    "eps": ("epsilon",),
    "p": ("drop_prob", "dropout_rate", "dropout_ratio", "dropout", "drop_rate", "rate", "ratio", "prob", "keep_prob", "keep"),
    "reg": ("lam", "lambd", "reg_strength", "l2"),
}
WINDOW = ("pool_height", "pool_width")  # a square one has one name for both


def known_as(option: str) -> tuple[str, ...]:
    """What manifests call an option of the operation, its own name first."""
    square = (*(other for side in WINDOW for other in KNOWN_AS[side]), "window", *KNOWN_AS["window"]) if option in WINDOW else ()
    return (option, *KNOWN_AS.get(option, ()), *square)


def parts_by_role(entry: Operation, names: Iterable[str]) -> Mapping[str, str]:
    """By the operation's name of an array, which of these names it has; W_ is W beside a size of that letter."""
    there = {name.rstrip("_"): name for name in names}
    found = {role: next((there[one] for one in (role, *entry.names.get(role, ())) if one in there), "") for role in entry.arrays}
    return {role: name for role, name in found.items() if name}


def axes_in_letters(shape: Shape) -> list[str]:
    """The dimensions as they are written."""
    return [one.text if isinstance(one, Expression) else one for one in shape.dimensions]


def usual_places(own: Sequence[str], usual: Sequence[str], meaning: dict[str, str]) -> tuple[int, ...] | None:
    """Where the usual axes are among an array's own; keeps in `meaning` what each of its letters stands for."""
    if len(own) != len(usual):
        return None
    places: dict[int, int] = {}  # usual axis -> own
    for axis, text in enumerate(own):
        as_usual = meaning.get(text, text)
        if own.count(text) == 1 and usual.count(as_usual) == 1:
            places.setdefault(usual.index(as_usual), axis)
    left = [axis for axis in range(len(usual)) if axis not in places]
    for axis in [axis for axis in range(len(own)) if axis not in places.values()]:
        places[left.pop(0)] = axis
    for place, axis in places.items():
        if own.count(own[axis]) == 1 and meaning.setdefault(own[axis], usual[place]) != usual[place]:
            return None
    return tuple(places[axis] for axis in range(len(usual)))


def smallest_first(roles: Mapping[str, str], shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Parts and names, those with fewest axes first: a bias tells which of a filter's letters counts the filters."""
    return sorted(roles.items(), key=lambda one: len(axes_in_letters(shapes[one[1]])))


def own_letters(entry: Operation, shapes: Mapping[str, Shape], known: Iterable[str], words: Collection[str] = ()) -> Mapping[str, str]:
    """By the operation's letter or option, what the manifest has for it, where anything tells; `known` are its sizes and options.

    Of `words` somebody's padding may be one ("same"): what fits without padding fits with it.
    """
    meaning: dict[str, str] = {}
    found: dict[str, str] = {}
    for role, name in smallest_first(parts_by_role(entry, shapes), shapes):
        own = [text for text in axes_in_letters(shapes[name]) if text != "1"]
        usual = [text for text in axes_in_letters(parse_shape(entry.arrays[role])) if text != "1"]
        usual = usual[1:] if len(own) == len(usual) - 1 and usual[0] == BATCH and BATCH not in own else usual
        places = None if ANY in own else usual_places(own, usual, meaning)
        for letter, place in zip(usual, places or (), strict=False):
            found.setdefault(letter, own[place])
    there = set(known)
    for option in entry.options:
        said = next((one for one in known_as(option) if one in there), None)
        if said is not None:
            found[option] = "0" if option == "pad" and said in words else said
    return found


def in_own_letters(conditions: Sequence[str], letters: Mapping[str, str], known: Iterable[str]) -> tuple[Expression, ...]:
    """Those of an operation's conditions whose names all have a meaning in a manifest, in its letters."""
    there = set(known)
    found = []
    for condition in conditions:
        said = parse_expression(re.sub(r"[^\W\d]\w*", lambda word: _bracketed(letters.get(word[0], word[0])), condition))
        if set(said.names) <= there:
            found.append(said)
    return tuple(found)


def _bracketed(text: str) -> str:
    return text if text.isidentifier() else f"({text})"
