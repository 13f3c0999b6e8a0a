"""Code that was written for Python 2 or for an old NumPy: known by what it raises today, and what to write instead."""

import re

OLD = (
    ("AttributeError", r"'dict' object has no attribute '(?:iter\w+|has_key)'", "write `items()`, `keys()`, `values()` or `in`"),
    ("NameError", r"name 'xrange' is not defined", "write `range`"),
    ("NameError", r"name '(?:unicode|raw_input|reduce|long)' is not defined", "that name is gone"),
    ("TypeError", r"'float' object cannot be interpreted as an integer", "`/` gives a float; for a whole number write `//`"),
    ("TypeError", r"'(?:map|zip|filter|dict_\w+)' object is not subscriptable", "it is no list: write `list(…)` around it"),
)
NUMPY_ALIAS = re.compile(  # the worker gives back these (`worker.stand_ins.GONE`)
    r"module 'numpy' has no attribute '(?:float|int|bool|object|str|complex|long|unicode|float_|complex_|unicode_|string_|bool8|product"
    r"|cumproduct|alltrue|sometrue|row_stack|Inf|Infinity|infty|PINF|NINF|NaN|round_|in1d|asfarray|asscalar|msort|trapz|mat)'"
)


def advice_on_old_code(kind: str, text: str) -> str:
    """What to write instead; "" where what was raised is no sign of old code.

    Args:
        kind: the exception's type.
        text: its words, or a sentence with them.
    """
    said = next((advice for exception, pattern, advice in OLD if exception == kind and re.search(pattern, text)), "")
    if said:
        return f"In Python 3 {said}."
    if kind == "TypeError" and "only 0-dimensional arrays can be converted to Python scalars" in text:
        return "An array of one element is no number any more: write `b.item()`, or say numpy_aliases = true for `float(b)`."
    if kind == "AttributeError" and NUMPY_ALIAS.search(text):
        return "NumPy 2 took that name away: say numpy_aliases = true."
    return ""
