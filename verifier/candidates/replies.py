"""Whether a worker's answer has the form of one: its frames may be forged, but whoever reads on finds the types that are promised."""

from collections.abc import Mapping, Sequence
from typing import Any

from verifier.wire import WireError

RAISED_TEXTS = ("type", "text", "traceback")
RAISED_PLACES = ("file", "function")
LONGEST = 20_000  # characters of a text
PHASES = {  # in which an action can raise
    "program": ("imports", "program"),
    "pass": ("setup", "forward", "pass"),
    "backward": ("backward",),
    "points": ("setup", "forward", "points"),
    "walk": ("setup", "step", "walk"),
    "changes": ("setup", "forward", "changes"),
    "changed": ("setup", "forward", "changed"),
}
CHANGES = 8_000  # of the operations of a pass
BY = {  # what stands in the place of a factor, and the types of what says so
    **dict.fromkeys(("ones", "complement", "square", "inverse", "negative"), ()),
    **{"flip": (list,), "shift": (int, int), "swap": (int, int), "array": (str,), "classes": (str,), "made": (list,)},
}


def check_replies(
    request: Mapping[str, Any], message: Mapping[str, Any], arrays: Mapping[str, Any], sent: Mapping[str, Any] | None = None
) -> None:
    """Raises WireError unless there is one well-formed reply for each call and each line, whose names all stand for arrays of the frame.

    A line has as many points as steps were `sent` for it.
    """
    for asked, kind in (("calls", "results"), ("lines", "lines")):
        calls, replies = request.get(asked, ()), message.get(kind)
        if not isinstance(replies, list) or len(replies) != len(calls):
            raise WireError(f"there are no {len(calls)} {kind}")
        for call, reply in zip(calls, replies, strict=True):
            _check_reply("points" if asked == "lines" else call["form"], call, reply, arrays)
    for line, reply in zip(request.get("lines", ()), message.get("lines") or (), strict=True):
        steps = (sent or {}).get(line.get("steps"))
        if steps is not None and "form" in reply and arrays[reply["form"]].shape[:1] != (len(steps),):
            raise WireError(f"a line has not {len(steps)} points")
    _check_actions(request.get("actions", ()), message.get("actions", []), arrays, sent or {})


def plain_hello(isolation: Mapping[str, Any], loaded: Mapping[str, Any]) -> dict[str, Any]:
    """The hello: what confines the worker (sent before any of the candidate's code ran) and what the candidate has, as promised types."""
    functions = loaded.get("functions")
    if not isinstance(functions, dict):
        raise WireError("the functions are missing")
    lines = {name: line if isinstance(line, int) else 0 for name, line in functions.items()}
    hello: dict[str, Any] = {"functions": lines, "isolation": dict(isolation)}
    cells = loaded.get("left_out", [])
    if not isinstance(cells, list) or not all(type(cell) is int and 0 < cell < LONGEST for cell in cells):
        raise WireError("the cells that were left out are no numbers")
    hello["left_out"] = cells[:LONGEST]
    for key in ("signature", "parameters"):
        hello[key] = loaded.get(key, {})
        if not isinstance(hello[key], dict) or not all(isinstance(names, list) for names in hello[key].values()):
            raise WireError("the parameters are no lists")
        for names in hello[key].values():
            for name in names:
                _check_text(name)
    if (raised := loaded.get("load_error")) is not None:
        _check_raised(raised)
        hello["load_error"] = raised
    return hello


def _check_reply(form: Any, call: Mapping[str, Any], reply: Any, arrays: Mapping[str, Any]) -> None:
    if not isinstance(reply, dict):
        raise WireError("a reply is no table")
    if "raised" in reply:
        _check_raised(reply["raised"])
    elif "refused" in reply:
        _check_text(reply["refused"])
    elif "form" not in reply or not _fits(form, reply["form"], arrays):
        raise WireError("a reply has another form than was asked for")
    elif call.get("echo") and not _echoes(call["arguments"], reply.get("echo"), arrays):
        raise WireError("a reply has no echo of its arguments")
    elif call.get("watch"):
        _check_text(reply.get("complex"))
    elif call.get("trace"):
        _check_trace(reply.get("trace"), arrays)
    elif call.get("count"):
        counts = reply.get("counts")
        if not isinstance(counts, list) or not all(type(count) is int and 0 <= count < 2**40 for count in counts):
            raise WireError("a reply has no counts")
        if len(counts) not in (0, 3):
            raise WireError("a reply has no counts")


def _check_actions(actions: Sequence[Mapping[str, Any]], replies: Any, arrays: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """One reply an action: what was raised or refused, and in which of its phases; or a value for each name that was asked for."""
    if not isinstance(replies, list) or len(replies) != len(actions):
        raise WireError(f"there are no {len(actions)} answers to actions")
    for action, reply in zip(actions, replies, strict=True):
        if not isinstance(reply, dict):
            raise WireError("a reply is no table")
        if "raised" in reply or "refused" in reply:
            _check_raised(reply["raised"]) if "raised" in reply else _check_text(reply["refused"])
            if reply.get("phase") not in PHASES[action["do"]]:
                raise WireError("something was raised in a phase that was not asked for")
            if type(reply.get("line", 0)) is not int:
                raise WireError("a line is no number")
            continue
        _check_values(action, reply.get("values"), arrays, sent)
        if action["do"] == "changes":
            _check_changes(reply.get("changes"))
            if type(reply.get("events")) is not int or reply["events"] < 0:
                raise WireError("a reply has no number of events")
        changed = reply.get("changed", [])
        if not isinstance(changed, list) or not all(isinstance(name, str) and len(name) < LONGEST for name in changed):
            raise WireError("a reply does not say what changed")


def _check_values(action: Mapping[str, Any], values: Any, arrays: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Each name that was asked for stands for an array of the frame or null, no other; points and steps have their number of rows."""
    wanted = {"pass": "outputs", "backward": "gradients", "walk": "carried"}.get(action["do"])
    names = {"points"} if action["do"] in ("points", "changed") else set(action[wanted] if wanted else ())
    if not isinstance(values, dict) or values.keys() != names:
        raise WireError("a reply has other values than were asked for")
    if not all(leaf is None or _is_name(leaf, arrays) for leaf in values.values()):
        raise WireError("a reply has no values")
    rows = {
        "points": lambda: len(sent[action["steps"]]),
        "walk": lambda: int(action["steps"]),
        "changed": lambda: len(action["changes"]),
    }.get(action["do"])
    if rows is not None and any(leaf is None or arrays[leaf].shape[:1] != (rows(),) for leaf in values.values()):
        raise WireError("a reply has another number of rows than were asked for")


def _check_changes(changes: Any) -> None:
    """Each is a kind, the site that is changed, and how."""
    if not isinstance(changes, list) or len(changes) > CHANGES or not all(_is_change(one) for one in changes):
        raise WireError("a reply has changes of another form")


def _is_change(change: Any) -> bool:
    if not isinstance(change, list) or len(change) < 2 or not _is_site(change[1]):
        return False
    kind, _, *how = change
    if kind in ("derivative", "call"):
        return len(how) == 1 and how[0] in ("one", "value", "complement")
    if kind == "axes":
        return len(how) == 2 and all(_are(one, int) for one in how)
    if kind == "between":
        return len(how) == 2 and _is_site(how[0]) and how[1] in ("one", "value", "complement")
    if kind in ("factor", "factors"):
        return len(how) == 3 and _are(how[:2], int) and _is_factor(how[2])
    return _are(how, int) and len(how) == {"hold": 1, "unselected": 0, "once": 0}.get(kind if isinstance(kind, str) else "", -1)


def _is_factor(by: Any) -> bool:
    if not isinstance(by, list) or not by or not isinstance(by[0], str) or by[0] not in BY:
        return False
    kinds = BY[by[0]]
    if len(by) - 1 != len(kinds) or not all(type(one) is kind for one, kind in zip(by[1:], kinds, strict=True)):
        return False
    return _is_site(by[1]) if by[0] == "made" else _are(by[1], int) if by[0] == "flip" else True


def _is_site(site: Any) -> bool:
    """Places, each a file and four numbers, and the name of an operation."""
    if not isinstance(site, list) or len(site) != 2 or not isinstance(site[0], list) or not _is_short(site[1]):
        return False
    return all(isinstance(place, list) and len(place) == 5 and _is_short(place[0]) and _are(place[1:], int) for place in site[0])


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(one) is kind for one in values)


def _is_short(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST


def _fits(form: Any, leaves: Any, arrays: Mapping[str, Any]) -> bool:
    if form == "points":
        return _is_name(leaves, arrays)
    if form == "nothing":
        return leaves is None
    if form == "array":
        return leaves is None or _is_name(leaves, arrays)
    if not isinstance(leaves, list):
        return False
    if form == "arrays":
        return all(leaf is None or _is_name(leaf, arrays) for leaf in leaves)
    return len(leaves) == len(form) and all(_fits(part, leaf, arrays) for part, leaf in zip(form, leaves, strict=True))


def _echoes(names: Sequence[str], echo: Any, arrays: Mapping[str, Any]) -> bool:
    if not isinstance(echo, dict) or echo.keys() != set(names):
        return False
    leaves = [leaf for value in echo.values() for leaf in (value if isinstance(value, list) else [value])]
    return all(leaf is None or _is_name(leaf, arrays) for leaf in leaves)


def _check_trace(trace: Any, arrays: Mapping[str, Any]) -> None:
    """Files, and rows of file, line, function, path, slot and array."""
    if not isinstance(trace, dict) or not isinstance(trace.get("files"), list) or not isinstance(trace.get("settings"), list):
        raise WireError("a trace is missing")
    if not isinstance(trace.get("whole"), bool):
        raise WireError("a trace does not say whether it is whole")
    for file in trace["files"]:
        _check_text(file)
    for row in trace["settings"]:
        if not isinstance(row, list) or len(row) != 6 or type(row[0]) is not int or type(row[1]) is not int:
            raise WireError("a trace has a row of another form")
        if not 0 <= row[0] < len(trace["files"]) or not _is_name(row[5], arrays):
            raise WireError("a trace has a row of another form")
        for text in row[2:5]:
            _check_text(text)


def _is_name(leaf: Any, arrays: Mapping[str, Any]) -> bool:
    return isinstance(leaf, str) and leaf in arrays


def _check_raised(raised: Any) -> None:
    if not isinstance(raised, dict):
        raise WireError("an exception is no table")
    for key in RAISED_TEXTS:
        _check_text(raised.get(key))
    for key in RAISED_PLACES:
        if raised.get(key) is not None:
            _check_text(raised[key])
    if not isinstance(raised.get("line"), int | None):
        raise WireError("a line is no number")


def _check_text(text: Any) -> None:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise WireError("a text is missing or too long")
