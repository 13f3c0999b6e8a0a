"""A point of a line looks to a candidate like any other call: the same functions and lines on its stack, no name that says where it is."""

import numpy as np

STACK = """
    import sys
    def stack():
        frame, number = sys._getframe(1), 0
        while frame:
            number = number * 31 + hash((frame.f_code.co_name, frame.f_lineno, frame.f_code.co_filename))
            frame = frame.f_back
        return float(number % 2**40)
    def backprop(x):
        return x * 0 + stack()
"""
SENT = {"x": np.ones(3), "v": np.ones(3), "t": np.array([-1.0, 0.5])}


def test_a_call_and_a_point_of_a_line_have_the_same_frames(start):
    call = {"function": "backprop", "arguments": ["x"], "form": "array"}
    line = {**call, "directions": {"x": "v"}, "steps": "t"}
    answer = start(STACK).session.ask({"put": {"x": "x"}, "calls": [call, call], "lines": [line]}, SENT)
    replies = [*answer.message["results"], *answer.message["lines"]]
    seen = np.concatenate([answer.arrays[reply["form"]].ravel() for reply in replies])
    assert seen[0] > 0
    assert set(seen) == {seen[0]}


def test_a_pass_of_a_layer_and_a_point_of_a_line_have_the_same_frames(start):
    program = {"do": "program", "forward": ["out = backprop(x)"]}
    passing = {"do": "pass", "arrays": {"x": "x"}, "outputs": ["out"]}
    points = {"do": "points", "steps": "t", "directions": {"x": "v"}, "outputs": ["out"]}
    answer = start(STACK).session.ask({"actions": [program, passing, points]}, SENT)
    values = [name for reply in answer.message["actions"] for name in reply["values"].values()]
    seen = np.concatenate([answer.arrays[name].ravel() for name in values])
    assert seen[0] > 0
    assert set(seen) == {seen[0]}


def test_the_names_around_it_say_nothing_of_a_verifier(start):
    source = """
        import os, sys
        def backprop():
            loaded = [name for name, module in sys.modules.items() if module is not None]
            named = [*loaded, sys.argv[0].rpartition("/")[2], os.environ["USER"], os.environ["HOME"], os.getcwd()]
            return sum("verif" in one.lower() for one in named)
    """
    assert start(source).value() == 0
