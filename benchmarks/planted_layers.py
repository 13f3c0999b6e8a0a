"""Mistakes planted in the right layers of `reference_impls/layers`, from planted_layers.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plant:
    """One mistake.

    Attributes:
        file: below reference_impls/layers/correct, without its ending.
        layer: in that file.
        right, wrong: the expression and what replaces it; the right one stands there once.
        says: words that the first sentence must hold: the tensor, and the mistake or the region.
    """

    file: str
    layer: str
    right: str
    wrong: str
    says: tuple[str, ...]


def plants() -> list[Plant]:
    """All of them, in the file's order."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [Plant(**{**row, "says": tuple(row["says"])}) for row in table["plant"]]
