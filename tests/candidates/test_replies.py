"""Whatever a worker sends, a reply that is taken has the form that was asked for; everything else is a WireError."""

import socket

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from verifier.candidates.descriptors import Channel, TooLarge
from verifier.candidates.replies import check_replies, plain_hello
from verifier.wire import PREFIX, PROTOCOL, WireError, decode_blob, encode

ARRAYS = {"a0": np.zeros(1), "a1": np.zeros(2)}
CALL = {"function": "backprop", "arguments": ["weights", "x"], "form": ["array", "arrays"], "echo": True}
LINE = {"function": "backprop", "arguments": [], "form": "array", "part": None}
REQUEST = {"calls": [CALL], "lines": [LINE]}
WATCHED = {"calls": [{**CALL, "watch": True}]}
RAISED = {"type": "E", "text": "t", "traceback": "", "file": None, "line": 3, "function": "f"}

words = st.sampled_from(
    ["a0", "a1", "a7", "form", "raised", "refused", "echo", "weights", "x", "type", "text", "traceback", "file", "line", ""]
)
leaves = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | words
nonsense = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=12)
replies = st.fixed_dictionaries(
    {}, optional={"form": nonsense, "echo": nonsense, "raised": nonsense | st.just(RAISED), "refused": nonsense}
)


@given(st.lists(replies | nonsense, max_size=2), st.lists(replies | nonsense, max_size=2))
@example([{"refused": "so"}], [{}])
@example([{"refused": "so"}], [{"form": None}])
def test_a_reply_that_is_taken_holds_what_was_asked_for(results, lines):
    try:
        check_replies(REQUEST, {"results": results, "lines": lines}, ARRAYS)
    except WireError:
        return
    (result,), (line,) = results, lines
    if "raised" in result:
        assert all(isinstance(result["raised"][key], str) for key in ("type", "text", "traceback"))
    elif "refused" in result:
        assert isinstance(result["refused"], str)
    else:
        loss, gradients = result["form"]
        assert loss is None or loss in ARRAYS
        assert all(name is None or name in ARRAYS for name in gradients)
        assert result["echo"].keys() == {"weights", "x"}
    assert "raised" in line or "refused" in line or line["form"] in ARRAYS


def test_good_replies_are_taken():
    echo = {"weights": ["a0", None], "x": "a1"}
    for result in ({"form": ["a0", ["a1", None]], "echo": echo}, {"raised": RAISED}, {"refused": "no"}):
        check_replies(REQUEST, {"results": [result], "lines": [{"form": "a0"}]}, ARRAYS)


@given(nonsense)
@example("")
@example("x" * 100_000)
@example(["a0"])
def test_where_complex_numbers_were_seen_is_a_short_text(told):
    taken = {"form": ["a0", []], "echo": {"weights": [], "x": "a1"}}
    with pytest.raises(WireError):
        check_replies(WATCHED, {"results": [taken], "lines": []}, ARRAYS)
    try:
        check_replies(WATCHED, {"results": [{**taken, "complex": told}], "lines": []}, ARRAYS)
    except WireError:
        return
    assert isinstance(told, str) and len(told) <= 20_000


@given(nonsense, nonsense)
def test_a_hello_that_is_taken_has_lines_by_function_and_a_readable_error(functions, error):
    try:
        hello = plain_hello({"files": True}, {"functions": functions, "load_error": error})
    except WireError:
        return
    assert all(isinstance(line, int) for line in hello["functions"].values())
    assert hello["isolation"] == {"files": True}
    assert "load_error" not in hello or isinstance(hello["load_error"]["text"], str)


frames = st.builds(
    lambda length, version, data: PREFIX.pack(length, version) + data,
    st.integers(0, 1 << 64 - 1),
    st.integers(0, 3),
    st.binary(max_size=40),
)
good = st.just(encode({"a": 1}, {"x": np.ones(2)}))


@given(st.lists(st.binary(max_size=40) | frames | good, max_size=4).map(b"".join), st.lists(st.integers(1, 50), max_size=6))
def test_a_channel_reads_frames_in_any_pieces_and_takes_no_memory_that_did_not_arrive(data, cuts):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours, 1 << 12)
        pieces = []
        for cut in cuts:
            pieces, data = [*pieces, data[:cut]], data[cut:]
        try:
            for piece in [*pieces, data]:
                theirs.sendall(piece)
                while (blob := channel.receive()) is not None:
                    decode_blob(blob)
                assert len(channel._blob) <= 1 << 12
        except (WireError, TooLarge):
            return
        theirs.close()
        assert channel.receive() is None
        assert channel.closed


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1])
def test_an_absurd_length_is_refused_at_once(length):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(PREFIX.pack(length, PROTOCOL))
        with pytest.raises(TooLarge):
            Channel(ours, 1 << 20).receive()


ROWS = [
    ({"do": "points", "steps": "steps"}, "points"),
    ({"do": "walk", "carried": ["w"], "steps": 3}, "w"),
    ({"do": "changed", "changes": [[], [], []]}, "points"),
]


@pytest.mark.parametrize(("action", "name"), ROWS, ids=[action["do"] for action, _ in ROWS])
def test_what_is_asked_at_three_points_has_three_rows(action, name):
    arrays = {"a3": np.zeros((3, 2)), "a2": np.zeros((2, 2)), "a0": np.zeros(())}

    def take(leaf):
        message = {"results": [], "lines": [], "actions": [{"values": {name: leaf}}]}
        check_replies({"actions": [action]}, message, arrays, {"steps": np.zeros(3)})

    take("a3")
    for leaf in ("a2", "a0", None):
        with pytest.raises(WireError):
            take(leaf)


@pytest.mark.parametrize("cells", [[0], [-1], [True], ["1"], [1.0], [20_000], 3, None, "x", [[1]]])
def test_the_cells_of_a_notebook_that_were_left_out_are_numbers_from_1_on(cells):
    assert plain_hello({}, {"functions": {}, "left_out": [1, 7]})["left_out"] == [1, 7]
    with pytest.raises(WireError):
        plain_hello({}, {"functions": {}, "left_out": cells})


PLACE = ["file.py", 3, 3, 4, 9]
SITE = [[PLACE], "matmul"]
CHANGES = {"actions": [{"do": "changes"}]}


def of_changes(*changes):
    return {"results": [], "lines": [], "actions": [{"values": {}, "changes": list(changes), "events": 1}]}


def test_changes_of_every_kind_are_taken():
    by = [["ones"], ["flip", [0, 1]], ["shift", 0, -1], ["swap", 0, 1], ["array", "x"], ["classes", "y"], ["made", SITE]]
    plain = [["hold", SITE, -1], ["unselected", SITE], ["call", [[PLACE], ""], "one"], ["axes", [[], ""], [0], [0, 1]]]
    check_replies(CHANGES, of_changes(*plain, ["between", SITE, SITE, "value"], *(["factor", SITE, 0, 1, one] for one in by)), {})


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        ["hold"],
        ["hold", SITE],
        ["hold", SITE, True],
        ["hold", SITE, "0"],
        ["hold", [[PLACE[:4]], "matmul"], 0],
        ["hold", [[["file.py", 3, 3, 4, 9.0]], "matmul"], 0],
        ["hold", [[PLACE], "x" * 100_000], 0],
        ["other", SITE, 0],
        [["hold"], SITE, 0],
        ["derivative", SITE, "two"],
        ["derivative", SITE, ["one"]],
        ["axes", [[], ""], [0], ["1"]],
        ["factor", SITE, 0, 1, ["flip", 0]],
        ["factor", SITE, 0, 1, ["made", "there"]],
        ["factor", SITE, 0, 1, [["ones"]]],
        ["factor", SITE, 0, 1, ["eval", "1"]],
        ["between", SITE, None, "one"],
    ],
)
def test_a_change_of_another_form_is_refused(change):
    with pytest.raises(WireError):
        check_replies(CHANGES, of_changes(change), {})


@given(nonsense)
def test_no_nonsense_in_the_place_of_changes_ends_in_anything_but_a_refusal(changes):
    for one in ({"changes": changes}, {"changes": [changes]}, {"changes": [["factor", SITE, 0, 1, changes]]}):
        try:
            check_replies(CHANGES, {"results": [], "lines": [], "actions": [{"values": {}, "events": 1, **one}]}, {})
        except WireError:
            continue
        assert isinstance(one["changes"], list)


@pytest.mark.parametrize("events", [None, -1, True, 1.0, "1"])
def test_changes_without_the_number_of_events_are_refused(events):
    with pytest.raises(WireError):
        check_replies(CHANGES, {"results": [], "lines": [], "actions": [{"values": {}, "changes": [], "events": events}]}, {})
