"""A contract: `forward(x, w)` gives two outputs and a cache of any type, `backward(dout, dgate, cache)` the gradients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gated import calling, family
from verifier.contracts.contract import Contract
from verifier.contracts.keys import read_table


@dataclass(frozen=True)
class Claims:
    contract: ClassVar[str] = "gated"

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        return {}


def claims_from(table: Mapping[str, Any]) -> Claims:
    return Claims(**read_table(table, {}))


CONTRACT = Contract(
    id="gated",
    summary="tanh and sigmoid of one product, by a cache",
    keys={},
    claims_from=claims_from,
    family=family,
    calling=calling,
    entry="backward",
)
