"""A number with its noun, as a sentence has it."""


def counted(number: int, noun: str) -> str:
    """``1 network``, ``1,000 networks``, ``3 points``: the noun is given in the singular, and takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def wrong_elements(wrong: int, of: int) -> str:
    """``3 of 4 elements are wrong``, ``1 of 4 elements is wrong``; "" where there is only the one that was shown."""
    return "" if of == 1 else f"{wrong:,} of {of:,} elements {'is' if wrong == 1 else 'are'} wrong"
