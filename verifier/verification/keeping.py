"""Reports that are still true: of a submission that has not changed, judged by the same assignment, seed, profile and version.

Beside a report of a course stands its seal: what was asked, the digest of the submission's files, and those of the report's own, with a
signature. A report is kept only where all of that is so, and the late submission is judged under the seed of the others. Whoever writes
a `reports/` folder of his own has no key, and is judged.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from verifier.candidates.discovery import Candidate
from verifier.results.report import Report, from_json
from verifier.verification.record import Judged, environment
from verifier.verification.signing import sign, verifies

SEAL = "seal.json"
FORMAT = 1


class KeptReports:
    """The sealed reports in a folder that answer the same question.

    Args:
        directory: of the report folders.
        folder_of: the report folder of a candidate's name.
        asked: all that decides a report but the seed and the submission.
        fresh: whether none of them is taken; the cohort's seed is.
    """

    def __init__(self, directory: Path, folder_of: Callable[[str], Path], asked: Mapping[str, Any], *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._folder_of = folder_of
        question = json.dumps({"format": FORMAT, "environment": environment(), **asked}, sort_keys=True)
        self._asked = hashlib.sha256(question.encode()).hexdigest()
        self._digests: dict[str, str] = {}
        self._waiting: list[tuple[str, str, int, Path]] = []
        self._confined = False
        self._seals = {path.parent.name: seal for path in sorted(directory.glob(f"*/{SEAL}")) if (seal := self._read(path)) is not None}

    @property
    def seed(self) -> int | None:
        """The seed of the reports that are there; None where there is none."""
        return next((seal["seed"] for seal in self._seals.values()), None)

    def finished(self, candidate: Candidate, digest: str, seed: int) -> Judged | None:
        """The report of this candidate, where it is still true."""
        self._digests[candidate.name] = digest
        folder = self._folder_of(candidate.name)
        seal = self._seals.get(folder.name)
        if self._fresh or seal is None or (seal["digest"], seal["seed"], seal["path"]) != (digest, seed, candidate.path):
            return None
        try:
            if _digests_of(folder) != seal["files"]:
                return None
            report = from_json((folder / "report.json").read_bytes())
            example = report.counterexample
            stored = (folder / Path(example.file).name).read_bytes() if example is not None and example.file else None
        except (OSError, msgspec.MsgspecError):
            return None
        return Judged(report, stored, kept=True)

    def seal(self, report: Report, folder: Path) -> None:
        """Sign a report that was just written, where nothing but this run can have written it."""
        self._confined = self._confined or report.isolation.files
        if report.candidate.name in self._digests and (report.isolation.files or not report.isolation.known):
            self._waiting.append((report.candidate.name, report.candidate.path, report.seed, folder))
        # One that was ended before it said how it was confined was confined like the others.
        while self._confined and self._waiting:
            self._write(*self._waiting.pop())

    def _write(self, name: str, path: str, seed: int, folder: Path) -> None:
        seal = {
            "asked": self._asked,
            "seed": seed,
            "path": path,
            "digest": self._digests[name],
            "files": _digests_of(folder),
        }
        text = json.dumps(seal, sort_keys=True)
        (folder / SEAL).write_text(json.dumps({"seal": text, "signature": sign(text.encode())}), encoding="utf-8")

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            signed = json.loads(path.read_text(encoding="utf-8"))
            text = signed["seal"]
            if not verifies(text.encode(), signed["signature"]):
                return None
            seal: dict[str, Any] = json.loads(text)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return seal if seal["asked"] == self._asked else None


def _digests_of(folder: Path) -> dict[str, str]:
    """Of the files that a report consists of."""
    files = [folder / "report.json", *sorted(folder.glob("*.safetensors"))]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
