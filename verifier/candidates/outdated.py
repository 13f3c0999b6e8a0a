"""Code that was written for Python 2 or for an old NumPy: known by what it raises today, and what to write instead."""

import re

OLD = (
    ("AttributeError", r"'dict' object has no attribute '(?:iter\w+|has_key)'", "write `items()`, `keys()`, `values()` or `in`"),
    ("NameError", r"name 'xrange' is not defined", "write `range`"),
    ("NameError", r"name '(?:unicode|raw_input|reduce|long)' is not defined", "that name is gone"),
    ("TypeError", r"'float' object cannot be interpreted as an integer", "`/` gives a float; for a whole number write `//`"),
    ("TypeError", r"'(?:map|zip|filter|dict_\w+)' object is not subscriptable", "it is no list: write `list(…)` around it"),
)
NUMPY_ALIAS = re.compile(
    r"module 'numpy' has no attribute '(?:float|int|bool|object|complex|str|float_|product|cumproduct|alltrue|sometrue|Inf|NaN)'"
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
    if kind == "AttributeError" and NUMPY_ALIAS.search(text):
        return "NumPy 2 took that name away: say numpy_aliases = true."
    return ""
