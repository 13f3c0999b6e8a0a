"""The manifest of an engine: little, since its variables stand in the file itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from verifier.contracts.keys import Key, flag, read_table, texts

KEYS: Mapping[str, Key] = {
    "path": texts(r"(?!/)(?!.*\.\.)[^\\]+", "names of folders below the candidate's"),
    "stand_ins": texts(r"[^\W\d]\w*(\.[^\W\d]\w*)*", "names of modules"),
    "numpy_aliases": flag(),
}


@dataclass(frozen=True)
class Claims:
    """Where an engine's own modules are found, as in contract `layer`."""

    contract: ClassVar[str] = "engine"

    path: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    numpy_aliases: bool = False

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        """The keys that were said, or all."""
        said = {"path": list(self.path), "stand_ins": list(self.stand_ins), "numpy_aliases": self.numpy_aliases}
        return {key: value for key, value in said.items() if defaults or value}


def claims_from(table: Mapping[str, Any]) -> Claims:
    """The claims of a manifest's table. Raises TableError for anything else."""
    read = read_table(table, KEYS)
    return Claims(tuple(read.get("path", ())), tuple(read.get("stand_ins", ())), read.get("numpy_aliases", False))
