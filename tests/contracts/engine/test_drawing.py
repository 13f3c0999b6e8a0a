"""What a drawn graph is made of: operations that are right alone on such arrays, and no more of them than the engine takes."""

import pytest

from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.drawing import draw_graph

ARRAYS, NUMBERS = {"plain"}, {"zero-dim"}


def drawn(features, stratum, seeds=8, **engine):
    graphs = [draw_graph(features, Engine({}, **engine), "sum", seed=seed, index=0, stratum=stratum) for seed in range(seeds)]
    return [graph for graph in graphs if graph is not None]


@pytest.mark.parametrize("stratum", ["chain", "mixed", "one shape", "fan-out"])
@pytest.mark.parametrize(("ranks", "right"), [({1, 2}, "tanh"), ({0}, "sin")])
def test_only_what_is_right_alone_on_arrays_of_such_a_rank_is_used(stratum, ranks, right):
    graphs = drawn({"tanh": ARRAYS, "sin": NUMBERS}, stratum, ranks=frozenset(ranks))
    assert graphs
    for graph in graphs:
        assert set(graph.operations) - {"sum"} == {right}


@pytest.mark.parametrize("chain", [3, 25])
def test_no_chain_is_longer_than_the_engine_takes_and_some_are_long(chain):
    lengths = [graph.passes[0].nodes for graph in drawn({"tanh": ARRAYS, "add": ARRAYS}, "chain", chain=chain)]
    ending = 1
    assert max(lengths) <= chain + ending
    assert max(lengths) >= chain / 2
