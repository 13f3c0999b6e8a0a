"""A worker in a candidate's hands may answer anything of the promised form; none of it is the reference's fault."""

import pytest
import torch

from verifier.oracles.references import remote
from verifier.oracles.references.remote import RaisedError, Remote

X = {"x": torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)}


def forging(name):
    """A worker that gives null for this value."""

    def exchange(message, arrays):
        replies = []
        for action in message["actions"]:
            asked = action.get("outputs") or action.get("gradients") or ()
            replies.append({"values": {one: None if one == name else "a" for one in asked}})
        return {"actions": replies}, {"a": X["x"].numpy()}

    return Remote(None, None, ("x",), X, ("x",), exchange=exchange, function="f")


@pytest.mark.parametrize("name", ["out_0", "in_0_after", "c_0_after"])
def test_a_value_that_is_forged_as_missing_is_the_candidates_own_end(name):
    with pytest.raises(RaisedError, match=name):
        forging(name).answer(X, {}, lambda outputs: outputs)


@pytest.mark.parametrize("name", ["out_0", "in_0_after", "c_0_after"])
def test_where_every_value_is_believed_to_be_there_it_breaks_whoever_asked(name, monkeypatch):
    monkeypatch.setattr(remote, "_value", lambda name, reply, arrays: arrays[reply["values"][name]])
    with pytest.raises(KeyError):
        forging(name).answer(X, {}, lambda outputs: outputs)


def test_an_answer_with_every_value_is_taken():
    assert len(forging("none of them").answer(X, {}, lambda outputs: outputs).outputs) == 1
