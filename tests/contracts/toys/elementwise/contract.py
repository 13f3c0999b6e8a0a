"""A contract: `value(x)`, an elementwise function, and `slope(x)`, its derivative."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elementwise import calling, family
from verifier.contracts.contract import Contract
from verifier.contracts.keys import read_table, word

KEYS = {"function": word("sigmoid", "tanh", "softplus")}


@dataclass(frozen=True)
class Claims:
    contract: ClassVar[str] = "elementwise"

    function: str = "tanh"

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        return {"function": self.function}


def claims_from(table: Mapping[str, Any]) -> Claims:
    return Claims(**read_table(table, KEYS))


CONTRACT = Contract(
    id="elementwise",
    summary="an elementwise function and its derivative",
    keys=KEYS,
    claims_from=claims_from,
    family=family,
    calling=calling,
    entry="slope",
)
