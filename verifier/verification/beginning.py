"""What a beginner's file has in the place of what was asked: an entry of another name or in a class, parameters in another order."""

import re
from collections.abc import Mapping, Sequence

from verifier.candidates.discovery import PYTHON, Candidate
from verifier.candidates.script_block import read_source
from verifier.contracts.catalogue import DEFAULT, contract_ids, contract_of
from verifier.contracts.keys import did_you_mean
from verifier.contracts.proposal import classes_in
from verifier.errors import RequestError

KINDS: Mapping[str, re.Pattern[str]] = {
    "weights": re.compile(r"w\w*|theta\w*", re.IGNORECASE),
    "biases": re.compile(r"b|bias\w*|bs", re.IGNORECASE),
    "x": re.compile(r"x\w*|inputs?", re.IGNORECASE),
    "y": re.compile(r"y\w*|targets?|labels?", re.IGNORECASE),
}


def instead_of(wanted: str, functions: Sequence[str], candidate: Candidate) -> str:
    """What to do where the entry is missing: by what the file has of nearly that name, or in a class."""
    source = _source(candidate)
    last = wanted.rpartition(".")[2]
    holder = next((name for name, body in classes_in(source) if re.search(rf"^[ \t]+def[ \t]+{re.escape(last)}\b", body, re.MULTILINE)), "")
    if holder:
        made = re.search(rf"^(\w+)[ \t]*=[ \t]*{holder}\(", source, re.MULTILINE)
        name = made[1] if made else "net"
        first = f"and {name} is one: add " if made else f"add `net = {holder}(…)` at the end of the file and "
        return (
            f"{last} is a method of the class {holder}{', ' if made else ': '}{first}"
            f'`entry = "{name}.{last}"` to the manifest; it is then called as {name}.{last}(weights, biases, x, y).'
        )
    near = _nearest(last, functions)
    if near:
        return f'Rename {near} to {last}, or name it in the manifest: entry = "{near}".'
    seen = next((clause for one in contract_ids() if (clause := contract_of(one).seen_in(source))), "")
    if seen and wanted == contract_of(DEFAULT).entry and candidate.path.endswith(PYTHON):
        return f"{seen[0].upper()}{seen[1:]}: `verifier init {candidate.path}` prints the manifest to judge it by, for you to complete."
    method = 'a method needs an object: net = Network(…) in the file, and entry = "net.backprop"'
    return f'Define {wanted}, or name yours in the manifest: entry = "…" ({method}).'


def about_parameters(signature: Mapping[str, Sequence[str]], arguments: Sequence[str]) -> str:
    """Beside the call that was made: that the parameters stand in another order, or that some are never read; "" else."""
    parameters, unread = list(signature.get("parameters", ())), list(signature.get("unread", ()))
    kinds = [next((kind for kind in arguments if kind in KINDS and KINDS[kind].fullmatch(name)), "") for name in parameters]
    if sorted(kinds) == sorted(arguments) and kinds != list(arguments):
        return f". Its parameters are in another order: {', '.join(parameters)}"
    never = {kind for kind, name in zip(kinds, parameters, strict=True) if name in unread}
    if "weights" in never and "x" not in never:  # one that reads nothing is not written yet
        used = list(signature.get("globals", ()))
        instead = f"; it computes with {', '.join(used)} from outside the function" if used else ""
        return f". It never reads its parameter{'s' if len(unread) > 1 else ''} {' and '.join(unread)}{instead}"
    return ""


def _nearest(wanted: str, names: Sequence[str]) -> str:
    plain = {name: name.replace("_", "").lower() for name in names}
    same = [name for name, word in plain.items() if word.startswith(("backprop", "backwardprop")) and wanted == "backprop"]
    quoted = re.search('"([^"]+)"', did_you_mean(wanted, list(names)))
    return same[0] if same else quoted[1] if quoted else ""


def _source(candidate: Candidate) -> str:
    try:
        return read_source(candidate.file, candidate.path) if candidate.file is not None else ""
    except RequestError:
        return ""
