"""What PyTorch said of a file's operations, kept in the user's cache: the next run of the same manifest needs no PyTorch.

Only where the candidate's files are confined: elsewhere it could read the key that signs them.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from verifier.oracles.layer_operations.kept import Answers, Kept
from verifier.verification.cache import corpora_folder
from verifier.verification.corpus import versions
from verifier.verification.kept_files import read_kept, write_kept
from verifier.verification.record import Request

FORMAT = 1


def kept_answers(said: Mapping[str, Any], request: Request, *, confined: bool) -> Answers:
    """The answers of an earlier run of what this manifest says, with this seed and profile; none where there are none to be believed."""
    found = read_kept(_file(said, request)) if confined and request.profile.kept else None
    if found is None:
        return Answers()
    message, arrays = found
    sizes: Mapping[str, int | None] = message["sizes"]
    known: dict[str, Kept] = {
        key: None if size is None else [arrays[f"{key}/{place}"] for place in range(size)] for key, size in sizes.items()
    }
    return Answers(known)


def keep_answers(answers: Answers, said: Mapping[str, Any], request: Request, *, confined: bool) -> None:
    """Write them down, where something new is among them."""
    if not (answers.fresh and confined and request.profile.kept):
        return
    sizes = {key: None if found is None else len(found) for key, found in answers.known.items()}
    arrays = {f"{key}/{at}": np.array(one, order="C") for key, found in answers.known.items() for at, one in enumerate(found or ())}
    write_kept(_file(said, request), {"sizes": sizes}, arrays)


def _file(said: Mapping[str, Any], request: Request) -> Path:
    key = {
        "format": FORMAT,
        "claims": dict(said),
        "profile": request.profile.name,
        "seed": request.seed,
        "versions": versions(),
        "code": _code_digest(),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    return corpora_folder() / f"{digest[:32]}.safetensors"


@cache
def _code_digest() -> str:
    """Of the modules that decide an answer, and what is asked."""
    package = Path(__file__).resolve().parent.parent
    folders = [package / "oracles", package / "problems", package / "contracts" / "layer", package / "checks" / "layer"]
    digest = hashlib.sha256()
    for source in sorted([package / "tolerance.py", *(one for folder in folders for one in folder.rglob("*.py"))]):
        digest.update(source.read_bytes())
    return digest.hexdigest()
