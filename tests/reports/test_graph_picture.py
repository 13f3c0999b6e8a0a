"""The drawing of a failing graph: every value once, what is wrong marked, nothing of the candidate's unescaped."""

from xml.etree import ElementTree

from verifier.reports.graph_picture import MOST, graph_picture
from verifier.results.report import Counterexample, GraphNode, Step

STEPS = (
    Step("value", "v0", "v0 = mul(a, a)", 4.0, 4.0),
    Step("cotangent", "dv0", "dv0", 1.0, 3.0, True),
    Step("gradient", "da", "da", 4.0, None),
)


def example(*nodes, arrays=None):
    return Counterexample(None, "", "graphs", arrays or {"a": [2.0, 1.0]}, walkthrough=STEPS, nodes=nodes)


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]


def test_values_stand_with_what_is_known_of_them():
    picture = graph_picture(example(GraphNode("v0", ("a", "a"), "mul(a, a)"), GraphNode("v1", ("v0",), "sum(v0)")))
    assert texts(picture) == ["a", "(2,)", "v0 = mul(a, a)", "value ✓ gradient ✗", "v1 = sum(v0)", None]
    assert "wrong: v0" in picture
    assert picture.count("<path") == 3


def test_a_value_stands_to_the_right_of_all_that_it_reads():
    nodes = (GraphNode("v0", ("a",), "neg(a)"), GraphNode("v1", ("v0", "a"), "mul(v0, a)"))
    boxes = [element for element in ElementTree.fromstring(graph_picture(example(*nodes))).iter() if element.tag.endswith("rect")]
    left = [float(box.get("x")) for box in boxes]
    assert left == sorted(left)
    assert len(set(left)) == 3


def test_names_are_escaped_and_a_large_graph_is_not_drawn():
    assert "<script" not in graph_picture(example(GraphNode("v0", ("a",), "<script>(a)")))
    chain = [GraphNode(f"v{number}", (f"v{number - 1}" if number else "a",), "neg") for number in range(MOST)]
    assert graph_picture(example(*chain)) == ""
    assert graph_picture(example()) == ""
