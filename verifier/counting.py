"""A number with its noun, as a sentence has it."""


def counted(number: int, noun: str) -> str:
    """``1 network``, ``1,000 networks``, ``3 points``: the noun is given in the singular, and takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
