"""Several questions in one message: what ends or breaks one of them is told of that one, once, and nothing is gained by it."""

import time

import numpy as np
import pytest

from verifier.candidates import session
from verifier.contracts.mlp.calling import predict_call
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem

BACKPROP = """
import os, time
import numpy as np

kept = {}
started = time.monotonic()


def stages_of(weights, biases, x):
    pre_activations, activations = [], [x]
    for w, b in zip(weights, biases):
        pre_activations.append(activations[-1] @ w.T + b)
        activations.append(1 / (1 + np.exp(-pre_activations[-1])))
    return pre_activations, activations


def backprop(weights, biases, x, y):
    pre_activations, activations = kept["backprop"] = stages_of(weights, biases, x)
    out = activations[-1]
    found = [2 * (out - y) / len(y) * out * (1 - out)]
    for w, a in zip(weights[:0:-1], activations[-2:0:-1]):
        found.insert(0, found[0] @ w * a * (1 - a))
    kept["deltas"] = found
    loss = np.sum((out - y) ** 2) / len(y)
    return loss, [d.T @ a for d, a in zip(found, activations)], [d.sum(axis=0) for d in found]
"""
PREDICT = """
def predict(weights, biases, x):
    kept["predict"] = stages_of(weights, biases, x)
    return kept["predict"][1][-1]
"""
FORWARD = """
def forward(weights, biases, x):
    pre_activations, activations = stages_of(weights, biases, x)
    return pre_activations, activations[1:]
"""
DELTAS = """
def deltas(weights, biases, x, y):
    backprop(weights, biases, x, y)
    return kept["deltas"]
"""


def statuses(report) -> dict[str, str]:
    return {outcome.id: outcome.status for outcome in report.checks}


def test_honest_code_passes_with_all_of_it(report):
    found = report(BACKPROP + PREDICT + FORWARD + DELTAS)
    assert {status for check, status in statuses(found).items() if check != "update"} == {"pass"}


def test_a_predict_that_kills_the_process_is_an_error_of_forward_alone(report, outcome):
    found = report(BACKPROP + "def predict(weights, biases, x):\n    os._exit(3)\n" + FORWARD + DELTAS)
    others = {check: status for check, status in statuses(found).items() if check not in ("forward", "update")}
    assert set(others.values()) == {"pass"}, others
    assert outcome(found, "contract").message.startswith(f"Answered all {outcome(found, 'contract').problems} networks in the claimed form")
    forward = outcome(found, "forward")
    assert forward.status == "error"
    assert "left without an answer, with exit status 3" in forward.message


def test_a_hanging_deltas_costs_the_time_of_one_answer_more(report, outcome):
    hanging = BACKPROP + PREDICT + FORWARD + "def deltas(weights, biases, x, y):\n    time.sleep(1e6)\n"
    quickly = report(BACKPROP + PREDICT + FORWARD).timings
    began = time.monotonic()
    found = report(hanging, limits=["wall_seconds=1"])
    took = time.monotonic() - began
    assert outcome(found, "stages").status == "error"
    assert "did not answer within 1 s (wall limit)" in outcome(found, "stages").message
    assert {status for check, status in statuses(found).items() if check not in ("stages", "update")} == {"pass"}
    assert 2 <= took < 2 * 1 + 2 * sum(quickly.values()) + 3  # one end with the others, one alone; not one a network


def test_an_exception_of_forward_is_an_error_of_stages_alone(report, outcome):
    found = report(BACKPROP + PREDICT + "def forward(weights, biases, x):\n    raise ValueError('not yet')\n" + DELTAS)
    assert "in forward: ValueError: not yet" in outcome(found, "stages").message
    assert {check for check, status in statuses(found).items() if status == "error"} == {"stages"}
    assert outcome(found, "forward").status == "pass"


def dying(function: str, arguments: str) -> str:
    return f"def {function}({arguments}):\n    print('dies', flush=True)\n    os._exit(3)\n"


def test_deaths_with_others_and_alone_come_to_four_workers(report, outcome):
    source = BACKPROP + dying("predict", "weights, biases, x") + dying("forward", "weights, biases, x")
    found = report(source)
    assert statuses(found)["forward"] == statuses(found)["stages"] == "error"
    assert found.printed.count("dies") == 3  # together, predict alone, forward alone: that was the second death
    assert statuses(found)["autograd"] == "pass"
    late = BACKPROP.replace("biases, x, y):\n", "biases, x, y):\n    if kept:\n        print('dies', flush=True)\n        os._exit(3)\n", 1)
    found = report(late + PREDICT)
    assert "given up after 3 such ends" in outcome(found, "forward").message
    assert found.printed.count("dies") == 4


@pytest.mark.parametrize(
    ("limit", "spend", "told"),
    [
        ("all_wall_seconds=0.5", "time.sleep(1e6)", "took more than 0.5 s for all its answers (wall limit)"),
        ("all_cpu_seconds=1", "while True: pass", "used more than 1 s of CPU time in all (CPU limit)"),
    ],
)
def test_what_a_message_of_several_uses_up_gives_the_candidate_up_at_once(limit, spend, told, report, outcome):
    loads = "print('loaded', flush=True)\n"
    found = report(loads + BACKPROP + f"def predict(weights, biases, x):\n    {spend}\n", limits=[limit])
    contract = outcome(found, "contract")
    assert contract.status == "error"
    assert told in contract.message and "networks were never asked" in contract.message
    assert found.printed.count("loaded") == 1  # no other worker is started on time that is used up


STALE = {
    "forward as backprop left it": "def forward(weights, biases, x):\n    return kept['backprop'][0], kept['backprop'][1][1:]\n",
    "deltas as backprop left them": "def deltas(weights, biases, x, y):\n    return kept['deltas']\n",
    "outputs as backprop left them": "def predict(weights, biases, x):\n    return kept['backprop'][1][-1]\n",
    "forward as predict left it": PREDICT + "def forward(weights, biases, x):\n    return kept['predict'][0], kept['predict'][1][1:]\n",
}


@pytest.mark.parametrize("stale", STALE)
def test_what_another_call_left_behind_is_no_answer(stale, report):
    found = report(BACKPROP + STALE[stale])
    assert {"error", "fail"} & {statuses(found)["stages"], statuses(found)["forward"]}
    assert statuses(found)["autograd"] == "pass"


def test_answers_kept_for_one_problem_are_not_given_to_another(tmp_path):
    from verifier.candidates.discovery import find_candidates
    from verifier.candidates.limits import Limits
    from verifier.candidates.zygote import Zygote
    from verifier.contracts.mlp.calling import read_outputs
    from verifier.verification.asking import Interview

    file = tmp_path / "student.py"
    file.write_text(BACKPROP + PREDICT)
    (candidate,), _ = find_candidates([str(file)])
    claims, network = Claims(), Architecture((2, 3, 1), ("sigmoid", "sigmoid"), "squared_error", 2)

    def outputs(interview, problem):
        call = predict_call(problem, claims)
        return interview.call(problem, call, lambda tree, arrays: read_outputs(tree, arrays, problem, claims), where="").tolist()

    with Zygote() as zygote, Interview(zygote, candidate, Limits()) as interview, Interview(zygote, candidate, Limits()) as alone:
        interview.gradients(draw_problem(network, Recipe(), claims, seed=1, index=0), where="")
        seen = set()
        for index in range(1, 200):
            # Nobody else holds the problem: were its id all that is kept, that of the next could be the same.
            problem = draw_problem(network, Recipe(), claims, seed=1, index=index)
            seen.add(id(problem))
            interview.ask_together(problem, ["predict"])
            if index % 50 == 0:
                assert outputs(interview, problem) == outputs(alone, problem)
                assert outputs(interview, problem) == outputs(alone, problem)  # kept once, asked again
            del problem
        assert len(seen) == 199


def test_what_a_forged_exception_says_of_complex_numbers_is_not_told(report, outcome):
    # It replaces what the worker makes of an exception; such a reply may hold anything beside it.
    source = forging_what_was_seen('{"raised": {"type": "E", "text": "t", "traceback": ""}, "complex": ["forged"] * 9}')
    found = report(source, only=["purity"])
    assert outcome(found, "purity").status == "pass"
    assert not [note for note in found.notes if "forged" in note.message]


def test_where_replies_are_believed_what_is_forged_of_complex_numbers_is_told(report, monkeypatch):
    source = forging_what_was_seen('kept(self, ask, call, *rest) | {"complex": ["forged"] * 9}')
    assert not [note for note in report(source, only=["purity"]).notes if "forged" in note.message]
    monkeypatch.setattr(session, "check_replies", lambda *_: None)
    assert [note for note in report(source, only=["purity"]).notes if "forged" in note.message]


def forging_what_was_seen(forged: str) -> str:
    """Right code that puts its own word for what was seen of complex numbers."""
    patch = f"""
import gc, sys

def backprop_watched(weights, biases, x, y):
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "_guarded"):
        frame = frame.f_back
    kind = type(frame.f_locals["self"])
    kept = kind._guarded
    kind._guarded = lambda self, ask, call, *rest: {forged} if call.get("watch") else kept(self, ask, call, *rest)
    return honest(weights, biases, x, y)
"""
    return BACKPROP + "\nhonest = backprop\n" + patch + "\nbackprop = backprop_watched\n"


def test_the_first_error_leads_with_the_call_and_the_remedy(tmp_path):
    from verifier import check

    file = tmp_path / "two_layers.py"
    file.write_text("def backprop(weights, biases, x, y):\n    w1, w2 = weights\n    return 0.0, weights, biases\n")
    report = check(file, profile="quick", only=["contract"])
    assert "two_layers.py, line 2, in backprop: ValueError: not enough values to unpack" in report.summary
    assert "`layers = 2`" in report.summary
    assert "It was called as backprop(weights, biases, x, y) with weights (" in report.summary
    assert report.place.endswith("two_layers.py, line 2, in backprop")


def test_lists_in_reverse_order_are_named(tmp_path):
    from verifier import check

    file = tmp_path / "appended.py"
    file.write_text("def backprop(weights, biases, x, y):\n    return 0.0, weights[::-1], biases[::-1]\n")
    assert "in reverse order, last layer first" in check(file, profile="quick", only=["contract"]).summary


def test_an_order_that_is_the_reverse_one_of_two_layers_alone_is_not_called_that(tmp_path):
    """Of two layers every wrong order is the reverse one: what three show is told."""
    from verifier import check

    file = tmp_path / "first_as_last.py"
    file.write_text("def backprop(weights, biases, x, y):\n    return 0.0, weights[1:] + weights[:1], biases[1:] + biases[:1]\n")
    report = check(file, profile="quick", only=["contract"])
    assert "came back in another order than the layers" in report.summary
    assert "A set has no order of its own" in report.summary
    assert [diagnosis.fault for diagnosis in report.diagnosis] == ["layers-in-another-order"]


def test_a_line_of_many_points_is_given_the_time_of_many_answers(tmp_path):
    from verifier.candidates.discovery import find_candidates
    from verifier.candidates.limits import Limits
    from verifier.candidates.zygote import Zygote
    from verifier.verification.asking import Interview
    from verifier.verification.workers import DEATHS

    file = tmp_path / "student.py"
    file.write_text(BACKPROP + "\nquick = backprop\n" + SLOWLY)
    (candidate,), _ = find_candidates([str(file)])
    problem = draw_problem(Architecture((2, 3, 1), ("sigmoid", "sigmoid"), "squared_error", 2), Recipe(), Claims(), seed=1, index=0)
    direction = {"weights[0]": np.ones((3, 2))}
    steps = np.linspace(-0.1, 0.1, 9)
    with Zygote() as zygote, Interview(zygote, candidate, Limits(wall_seconds=2.0)) as interview:
        slow = interview.losses(problem, direction, steps, where="")
        assert interview.deaths_left == DEATHS
        again = interview.losses(problem, direction, steps[:3], where="")
    assert slow.tolist()[:3] == again.tolist()
    assert len(set(slow.tolist())) == len(steps)


SLOWLY = """
def backprop(weights, biases, x, y):
    time.sleep(0.4)
    return quick(weights, biases, x, y)
"""
