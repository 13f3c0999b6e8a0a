"""What a line sets, and what becomes of the answer where another value is put there."""

import numpy as np
import pytest

from verifier.candidates.replies import check_replies
from verifier.wire import WireError
from verifier.worker.conversion import Basket
from verifier.worker.tracing import Tracing

SOURCE = """\
def helper(v):
    return v + 1.0

def called(x):
    box = []
    y = x * 2.0
    box.append(y * 3.0)
    kept = {"a1": helper(y)}
    y *= 5.0
    for _ in range(2):
        z = box[0] + y
    return z + kept["a1"]
"""


@pytest.fixture
def called():
    names: dict = {}
    exec(compile(SOURCE, "student.py", "exec"), names)
    return names["called"]


def traced(function, put=(), arrays=None):
    tracing = Tracing(lambda file: file == "student.py", {"record": True, "put": list(put)}, arrays or {})
    answer = tracing.watching(function)(np.ones(2))
    basket = Basket(1 << 20)
    message = tracing.as_message(basket)
    return answer, [(line, path, basket.arrays[name].tolist()) for _, line, _, path, _, name in message["settings"]], message["whole"]


def test_every_value_is_recorded_at_the_line_that_sets_it(called):
    answer, settings, whole = traced(called)
    assert whole
    assert answer.tolist() == [19, 19]
    assert settings == [
        (6, "y", [2, 2]),
        (7, "box[0]", [6, 6]),
        (8, "helper(v)", [2, 2]),
        (2, "return", [3, 3]),
        (8, "kept['a1']", [3, 3]),
        (9, "y", [10, 10]),
        (11, "z", [16, 16]),
        (11, "z", [16, 16]),
        (12, "return", [19, 19]),
    ]


def test_arrays_in_a_returned_list_or_dictionary_are_set_by_the_line_that_returns_them():
    source = "def called(x):\n    kept = 2 * x\n    return 1.0, [kept, 3 * x], {'db1': 4 * x}\n"
    names: dict = {}
    exec(compile(source, "student.py", "exec"), names)
    _, settings, _ = traced(names["called"])
    assert settings == [(2, "kept", [2, 2]), (3, "return[1][1]", [3, 3]), (3, "return[2]['db1']", [4, 4])]
    put = [{"file": "student.py", "line": 3, "slot": "return[2]['db#']", "choices": [[[2], ["right"]]]}]
    answer, *_ = traced(names["called"], put, {"right": np.zeros(2)})
    assert [one.tolist() for one in (*answer[1], answer[2]["db1"])] == [[2, 2], [3, 3], [0, 0]]


@pytest.mark.parametrize(
    ("line", "slot", "answer"),
    [(6, "y", 106), (7, "box[#]", 20), (8, "helper(v)", 24), (2, "return", 23), (8, "kept['a#']", 23), (9, "y", 16), (11, "z", 10)],
)
def test_what_is_put_there_goes_into_the_answer_and_into_nothing_else(called, line, slot, answer):
    seven = np.full(2, 7.0)
    put = {"file": "student.py", "line": line, "slot": slot, "choices": [[[2], ["seven"]], [[3], ["other"]]]}
    expected = {6: 7 * 3 + 7 * 5 + 8}.get(line, answer)
    assert traced(called, [put], {"seven": seven, "other": np.ones(3)})[0].tolist() == [expected, expected]
    assert seven.tolist() == [7, 7]


def test_several_of_one_shape_go_there_one_after_another(called):
    put = {"file": "student.py", "line": 11, "slot": "z", "choices": [[[2], ["first", "second"]]]}
    _, settings, _ = traced(called, [put], {"first": np.zeros(2), "second": np.full(2, 4.0)})
    assert settings[-1] == (12, "return", [7, 7])


def test_a_call_that_sets_too_much_says_so():
    names: dict = {}
    exec(compile("def called(x):\n    for n in range(9000):\n        z = x + n\n    return z\n", "student.py", "exec"), names)
    assert not traced(names["called"])[2]


@pytest.mark.parametrize(
    "trace",
    [
        None,
        {"files": []},
        {"files": ["f"], "settings": [[3, 1, "", "", "", "a0"]], "whole": True},
        {"files": ["f"], "settings": [], "whole": 1},
    ],
)
def test_a_trace_of_another_form_is_no_answer(trace):
    request = {"calls": [{"form": "array", "trace": {"record": True, "put": []}, "arguments": []}]}
    with pytest.raises(WireError):
        check_replies(request, {"results": [{"form": "a0", "trace": trace}], "lines": []}, {"a0": np.ones(1)})
