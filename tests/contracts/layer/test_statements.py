"""Statements are read as text: what they read and give is known, and what is more than a quoted call is refused with its column."""

import pytest

from verifier.contracts.keys import TableError
from verifier.contracts.layer.statements import imported_names, read_imports, read_script


def test_the_names_that_statements_read_and_give_are_known_in_order():
    script = read_script("backward", ["(dx, dw), db = layer.back(dout, cache)", "dq = dx * 2"])
    assert script.reads == ("layer", "dout", "cache")
    assert script.gives == ("dx", "dw", "db", "dq")


@pytest.mark.parametrize(
    "line",
    [
        "layer.W, layer.b = w, b",
        "net.params['W1'][..., 1:] = np.zeros((2, 3))",
        "out, (h, [c]) = f(x, {'stride': 1, 'pad': -p}, *rest, mode='train')",
        "layer.initialize(SGD(learning_rate=1.0))",
    ],
)
def test_quoted_calls_are_taken(line):
    assert read_script("setup", line).lines == (line,)


def test_a_statement_of_4000_characters_is_read_and_a_longer_one_refused():
    line = f"out = f(x{' ' * (4000 - len('out = f(x)'))})"
    assert read_script("forward", line).reads == ("f", "x")
    with pytest.raises(TableError, match="a statement of 4,001 characters; at most 4,000"):
        read_script("forward", line + ")")


@pytest.mark.parametrize(
    ("line", "what", "column"),
    [
        ("y = [i for i in x]", "a comprehension", 5),
        ("f = lambda: 0", "a lambda", 5),
        ("import os", "import", 1),
        ("for i in x: y = i", "a loop", 1),
        ("def f(): y = 1", "def", 1),
        ("y = 1; del y", "del", 8),
    ],
)
def test_what_is_more_than_a_call_is_refused_with_its_column(line, what, column):
    with pytest.raises(TableError, match=rf"{what} at column {column} .*statements are assignments and calls"):
        read_script("setup", line)


def test_a_broken_line_says_where():
    with pytest.raises(TableError, match=r"no Python at line 2, column \d+"):
        read_script("forward", ["a = 1", "x = ("])


def test_imports_are_import_statements_alone():
    assert imported_names(read_imports("imports", ["from nn.optimizers import SGD as S", "import a.b"])) == ("S", "a")
    with pytest.raises(TableError, match="import statements alone"):
        read_imports("imports", ["x = 1"])
