"""Calls and lines answer with what the candidate returned, and say clearly where it cannot be taken."""

import numpy as np
import pytest

W, B, X, Y = [np.eye(2), np.ones((1, 2))], [np.zeros(2), np.ones(1)], np.arange(6.0).reshape(3, 2), np.zeros((3, 1))
PUT = {"weights": ["w0", "w1"], "biases": ["b0", "b1"], "x": "x", "y": "y"}
SENT = {"w0": W[0], "w1": W[1], "b0": B[0], "b1": B[1], "x": X, "y": Y}
ALL = ["weights", "biases", "x", "y"]
THREE = ["array", "arrays", "arrays"]


def test_an_ordinary_answer_comes_back_bit_for_bit(start):
    source = """
        import numpy as np
        def backprop(weights, biases, x, y):
            return 0.1 + 0.2, [w / 3 for w in weights], tuple(b.astype(np.float32) / 3 for b in biases)
    """
    answer = start(source).ask({"arguments": ALL, "form": THREE}, put=PUT, arrays=SENT)
    loss, weights, biases = answer.message["results"][0]["form"]
    assert answer.arrays[loss] == 0.1 + 0.2
    assert answer.arrays[loss].shape == ()
    for name, sent in zip(weights, W, strict=True):
        assert answer.arrays[name].tobytes() == (sent / 3).tobytes()
    for name, sent in zip(biases, B, strict=True):
        assert answer.arrays[name].dtype == np.float32
        assert answer.arrays[name].tobytes() == (sent.astype(np.float32) / 3).tobytes()


def test_keywords_and_numbers_reach_the_function(start):
    source = """
        def update(x, rate, *, loss, activations):
            assert (loss, activations) == ("a", ["b", "c"])
            return x * rate
    """
    worker = start(source)
    call = {"function": "update", "arguments": ["x"], "numbers": [0.5], "keywords": {"loss": "a", "activations": ["b", "c"]}}
    np.testing.assert_array_equal(worker.value(call, put=PUT, arrays=SENT), X * 0.5)


def test_every_call_gets_fresh_writable_contiguous_arrays_and_lists(start):
    source = """
        def backprop(weights, x):
            found = [*weights, x]
            assert all(a.flags.writeable and a.flags.c_contiguous and a.flags.owndata for a in found)
            total = sum(a.sum() for a in found)
            for a in found:
                a[...] = 7
            weights.clear()
            return total
    """
    sent = {"w0": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "x": X.T}
    worker = start(source)
    call = {"arguments": ["weights", "x"]}
    put = {"weights": ["w0"], "x": "x"}
    assert worker.value(call, call, put=put, arrays=sent) == 30
    assert worker.value(call) == 30


def test_an_echo_shows_what_a_call_did_to_its_arguments(start):
    source = """
        def backprop(weights, x, y):
            weights[0] = weights[0] + 1
            x += 1
            return 0
    """
    call = {"arguments": ["weights", "x", "y"], "echo": True}
    answer = start(source).ask(call, put=PUT, arrays=SENT)
    echo = answer.message["results"][0]["echo"]
    np.testing.assert_array_equal(answer.arrays[echo["weights"][0]], W[0] + 1)
    assert answer.arrays[echo["weights"][1]].tobytes() == W[1].tobytes()
    np.testing.assert_array_equal(answer.arrays[echo["x"]], X + 1)
    assert answer.arrays[echo["y"]].tobytes() == Y.tobytes()


def test_a_returned_buffer_that_the_next_call_overwrites_is_kept(start):
    source = """
        import numpy as np
        buffer = np.zeros(2)
        def backprop():
            buffer[...] += 1
            return buffer
    """
    answer = start(source).ask({}, {})
    first, second = (answer.arrays[reply["form"]].tolist() for reply in answer.message["results"])
    assert (first, second) == ([1, 1], [2, 2])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_points_along_a_line_are_those_of_the_formula(start, dtype):
    source = """
        def backprop(weights, biases, x):
            return sum(w.sum() for w in weights) + biases[0][0], [weights[0]]
    """
    rng = np.random.default_rng(0)
    theta = [rng.normal(size=(2, 3)).astype(dtype), rng.normal(size=(1, 2)).astype(dtype)]
    directions = [rng.normal(size=a.shape) for a in theta]
    steps = np.array([-0.5, 0.0, 1e-9, 0.25])
    line = {"function": "backprop", "arguments": ["weights", "biases", "x"], "form": ["array", "arrays"], "part": 0, "steps": "t"}
    worker = start(source)
    request = {"put": {"weights": ["w0", "w1"], "biases": ["b0"], "x": "x"}, "lines": [line | {"directions": {"weights": ["v0", "v1"]}}]}
    sent = {"w0": theta[0], "w1": theta[1], "b0": B[0].astype(dtype), "x": X, "v0": directions[0], "v1": directions[1], "t": steps}
    answer = worker.session.ask(request, sent)
    losses = answer.arrays[answer.message["lines"][0]["form"]]
    moved = [[(a.astype(np.float64) + t * v).astype(dtype) for a, v in zip(theta, directions, strict=True)] for t in steps]
    assert losses.dtype == np.float64
    assert losses.tolist() == [float(sum(w.sum() for w in weights) + B[0].astype(dtype)[0]) for weights in moved]


def test_a_line_of_whole_results_is_stacked_and_values_stay_in_the_worker(start):
    worker = start("def predict(x):\n    return 2 * x\ndef backprop():\n    pass\n")
    worker.ask(put={"x": "x"}, arrays={"x": X})
    line = {"function": "predict", "arguments": ["x"], "form": "array", "part": None, "directions": {"x": "v"}, "steps": "t"}
    answer = worker.session.ask({"lines": [line]}, {"v": np.ones_like(X), "t": np.array([0.0, 1.0])})
    np.testing.assert_array_equal(answer.arrays[answer.message["lines"][0]["form"]], [2 * X, 2 * (X + 1)])


def test_an_exception_along_a_line_is_told(start):
    worker = start("def backprop(x):\n    if x[0] > 0:\n        raise ValueError('beyond')\n    return 0.0\n")
    line = {"function": "backprop", "arguments": ["x"], "form": "array", "part": None, "directions": {"x": "v"}, "steps": "t"}
    sent = {"x": np.zeros(1), "v": np.ones(1), "t": np.array([-1.0, 1.0])}
    reply = worker.session.ask({"put": {"x": "x"}, "lines": [line]}, sent).message["lines"][0]
    assert (reply["raised"]["text"], reply["raised"]["line"]) == ("beyond", 3)


TAKEN = {
    "1": 1.0,
    "np.float16(0.5)": np.float16(0.5),
    "np.longdouble(1) / 3": np.float64(np.longdouble(1) / 3),
    "[[1, 2], [3, 4]]": np.array([[1.0, 2], [3, 4]]),
    "np.array([1, 2], dtype=np.uint64)": np.array([1.0, 2.0]),
    "np.array([1, 2], dtype='>f4')": np.array([1, 2], dtype=np.float32),
    "np.array([1, 2.5], dtype=object)": np.array([1, 2.5]),
    "2 ** 70": 2.0**70,
    "np.matrix([[1, 2]])": np.array([[1.0, 2.0]]),
    "[float('nan'), float('inf')]": np.array([np.nan, np.inf]),
    "np.arange(6.).reshape(2, 3).T": np.arange(6.0).reshape(2, 3).T,
}


@pytest.mark.parametrize("expression", TAKEN)
def test_every_real_number_is_taken(start, expression):
    value = start(f"import numpy as np\ndef backprop():\n    return {expression}\n").value()
    np.testing.assert_array_equal(value, TAKEN[expression], strict=True)


REFUSED = {
    "{}": "returned a dict, expected an array or a number",
    "1j": "returned a complex: complex, expected real numbers",
    "True": "returned a bool: boolean, expected real numbers",
    "'1'": "returned a str, expected an array or a number",
    "[[1, 2], [3]]": "returned a list that does not convert to an array (its rows have different lengths)",
    "object()": "returned an object of objects (an object among them), expected real numbers",
    "['a', 'b']": "returned a list: text, expected real numbers",
    "lambda: 0": "returned a function of objects (a function among them), expected real numbers",
    "10 ** 400": "returned an int with an integer beyond the range of float64",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_everything_else_is_refused_with_its_type(start, expression):
    assert start(f"def backprop():\n    return {expression}\n").reply() == {"refused": REFUSED[expression]}


PARTS = ["loss", "weight_gradients", "bias_gradients"]
REFUSED_PARTS = {
    "{'loss': 1}": "returned a dict, expected (loss, weight_gradients, bias_gradients): "
    "end it with `return loss, weight_gradients, bias_gradients`",
    "None": "returned None, expected (loss, weight_gradients, bias_gradients): "
    "end it with `return loss, weight_gradients, bias_gradients`, also where it stores them or changes them in place",
    "(part for part in (1, [], []))": "returned a generator, expected (loss, weight_gradients, bias_gradients): "
    "end it with `return loss, weight_gradients, bias_gradients`, without yield",
    "(1, (one for one in [2.0]), [])": "returned as weight_gradients a generator, expected a list of arrays: make it one by list(…)",
    "(1, [], map(float, [2]))": "returned as bias_gradients a map, expected a list of arrays: make it one by list(…)",
    "(1, [iter([2.0])], [])": "returned as weight_gradients[0] a list_iterator, expected an array or a number",
    "([1.0], [1.0], 1.0)": "returned a list first and a number last, expected (loss, weight_gradients, bias_gradients): "
    "end it with `return loss, weight_gradients, bias_gradients`",
    "(1, [])": "returned 2 parts, expected (loss, weight_gradients, bias_gradients): "
    "end it with `return loss, weight_gradients, bias_gradients`, where the loss may be None",
    "(1, 2.0, [])": "returned as weight_gradients a float, expected a list of arrays",
    "(1, [1, 2j], [])": "returned as weight_gradients[1] a complex: complex, expected real numbers",
    "(1, {}, [])": "returned as weight_gradients a dict, expected a list of arrays",
}


@pytest.mark.parametrize("expression", REFUSED_PARTS)
def test_a_part_that_cannot_be_taken_is_named(start, expression):
    reply = start(f"def backprop():\n    return {expression}\n").reply({"form": THREE, "parts": PARTS})
    assert reply == {"refused": REFUSED_PARTS[expression]}


def test_a_step_in_place_is_told_what_to_return(start):
    source = "def update(weights):\n    weights[0] -= 1\n"
    call = {"function": "update", "arguments": ["weights"], "form": ["arrays", "arrays"], "parts": ["weights", "biases"]}
    told = start(source).reply(call, put={"weights": ["w"]}, arrays={"w": np.ones(2)})
    assert told["refused"].startswith("returned None, expected (weights, biases): end it with `return weights, biases`, also where it ")


COMPLEX = """
    import numpy as np

    def loss_of(theta):
        return np.sum(theta**2)

    def backprop(theta):
        gradient = []
        for place in range(len(theta)):
            moved = theta.astype(complex)
            moved[place] += 1e-30j
            gradient.append(loss_of(moved).imag / 1e-30)
        return np.array(gradient)

    def lists(theta):
        moved = [complex(number) for number in theta]
        return [number.imag for number in moved]

    def right(theta):
        return 2 * theta

    def passed_on(theta):
        return abs(np.fft.ifft(np.fft.fft(theta)))

    def deep(theta, depth=0):
        return deep(theta, depth + 1) if depth < 500 else 2 * theta

    def late(theta):
        for _ in range(100_000):
            right(theta)
        return backprop(theta)
"""


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        ("backprop", "theta in loss_of, line 4"),
        ("lists", "moved in lists, line 15"),
        ("right", ""),
        ("passed_on", ""),
        ("deep", ""),
        ("late", ""),
    ],
)
def test_complex_numbers_in_its_own_variables_are_seen_where_that_is_asked(start, function, seen):
    worker = start(COMPLEX)
    call, sent = {"function": function, "arguments": ["theta"]}, {"put": {"theta": "t"}, "arrays": {"t": np.ones(3)}}
    assert "complex" not in worker.reply(call, **sent)
    assert worker.reply({**call, "watch": True}, **sent)["complex"] == seen
    assert "complex" not in worker.reply(call, **sent)


def test_a_profiler_of_the_candidate_is_given_back(start):
    source = """
        import sys
        heard = []

        def backprop():
            sys.setprofile(lambda *told: heard.append(told[1]))
            return 0

        def count():
            found = sys.getprofile() is not None
            sys.setprofile(None)
            return found + 0
    """
    worker = start(source)
    worker.reply()
    assert worker.value({"function": "backprop", "watch": True}) == 0
    assert worker.value({"function": "count"}) == 1


def test_none_is_absent(start):
    worker = start("def backprop():\n    return [None, None, [None, 1]]\n")
    form = worker.reply({"form": THREE})["form"]
    assert form[:2] == [None, []]
    assert form[2][0] is None


def test_an_exception_is_told_with_its_place_and_the_candidate_s_own_frames(start):
    source = """
        import numpy as np

        def helper(x):
            return np.linalg.inv(x)

        def backprop():
            return helper(np.zeros((2, 2)))
    """
    raised = start(source).reply()["raised"]
    assert (raised["type"], raised["text"]) == ("LinAlgError", "Singular matrix")
    assert (raised["line"], raised["function"]) == (5, "helper")
    assert raised["file"].endswith("candidate0.py")
    assert "return helper(np.zeros((2, 2)))" in raised["traceback"]
    assert "linalg" not in raised["traceback"].replace("np.linalg.inv", "")
    assert raised["traceback"].endswith("LinAlgError: Singular matrix\n")


@pytest.mark.parametrize(
    "error", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('x')", "Nasty()", "RecursionError()"]
)
def test_whatever_is_raised_is_told_and_the_worker_lives(start, error):
    source = f"""
        class Nasty(Exception):
            def __str__(self):
                raise SystemExit
        def backprop():
            raise {error}
        def other():
            return 1
    """
    worker = start(source)
    assert worker.reply()["raised"]["type"] == error.partition("(")[0]
    assert worker.value({"function": "other"}) == 1


def test_endless_recursion_is_told_briefly(start):
    raised = start("def backprop():\n    return backprop()\n").reply()["raised"]
    assert (raised["type"], raised["line"]) == ("RecursionError", 2)
    assert len(raised["traceback"]) < 5000


def test_a_long_text_with_signs_that_cannot_be_encoded_is_cut(start):
    raised = start("def backprop():\n    raise ValueError('\\ud800' + 'x' * 10 ** 6)\n").reply()["raised"]
    assert raised["text"].startswith("\\ud800xxx")
    assert len(raised["text"]) < 2100


def test_a_function_that_is_not_there_is_refused(start):
    assert start("def backprop():\n    pass\n").reply({"function": "predict"}) == {"refused": "has no function predict"}
