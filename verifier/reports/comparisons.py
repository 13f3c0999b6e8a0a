"""A run's comparisons by network, for the page: each network with its worst, those that failed first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.reports.wording import excess
from verifier.results.outcome import GRAVEST_FIRST, Measurement, Status
from verifier.results.report import Report

NETWORKS_SHOWN = 400
ROWS_SHOWN = 4_000  # over all networks: a page of more opens slowly


@dataclass(frozen=True)
class Network:
    """One network of the corpus with its comparisons, gravest first.

    Attributes:
        classes: the page's filter reads them: ``c3`` has a comparison of check 3, ``b3`` one that did not pass.
    """

    problem: int
    words: str
    status: Status
    worst: Measurement
    comparisons: tuple[Measurement, ...]
    classes: str

    @property
    def anchor(self) -> str:
        return f"n{self.problem}"


@dataclass(frozen=True)
class Comparisons:
    """The networks that are shown, how many are not, and the number of each check in the filter."""

    networks: tuple[Network, ...]
    left_out: int
    checks: Mapping[str, int]

    @property
    def anchors(self) -> dict[int, str]:
        return {network.problem: network.anchor for network in self.networks}


def by_network(report: Report) -> Comparisons:
    """The comparisons of a report, as many as a page can hold."""
    checks = {check: index for index, check in enumerate(dict.fromkeys(m.check for m in report.measurements))}
    together: dict[int, list[Measurement]] = {}
    for measurement in report.measurements:
        together.setdefault(measurement.problem, []).append(measurement)
    # Failed ones first, worst first; the others in the corpus's own order.
    found = sorted((_network(problem, of_it, checks) for problem, of_it in together.items()), key=_order)
    shown: list[Network] = []
    rows = 0
    for network in found:
        if len(shown) == NETWORKS_SHOWN or (rows := rows + len(network.comparisons)) > ROWS_SHOWN:
            break
        shown.append(network)
    return Comparisons(tuple(shown), len(found) - len(shown), checks)


def _network(problem: int, measurements: Sequence[Measurement], checks: Mapping[str, int]) -> Network:
    ordered = sorted(measurements, key=lambda one: (GRAVEST_FIRST.index(one.status), checks[one.check]))
    worst = max(measurements, key=excess)
    classes = {f"c{checks[one.check]}" for one in measurements}
    classes |= {f"b{checks[one.check]}" for one in measurements if one.status != "pass"}
    words = max((one.network for one in measurements), key=len)
    return Network(problem, words, ordered[0].status, worst, tuple(ordered), " ".join(sorted(classes)))


def _order(network: Network) -> tuple[int, float, int]:
    grave = network.status != "pass"
    return (GRAVEST_FIRST.index(network.status), -excess(network.worst)[1] if grave else 0.0, network.problem)
