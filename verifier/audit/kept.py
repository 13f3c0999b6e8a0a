"""Outcomes that are kept between audits, each under a digest of all that decides it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
from platformdirs import user_cache_path

from verifier.audit.planning import Planned
from verifier.audit.results import Mutant


class Kept:
    """The outcomes of one project, in one file of the user's cache.

    Args:
        project: its folder.
        common: what decides every outcome: versions, arguments, the modules' code outside of functions.
        depends: by test, a digest of the code that it runs.
    """

    def __init__(self, project: str, common: str, depends: dict[str, str]) -> None:
        name = hashlib.blake2b(project.encode(), digest_size=8).hexdigest()
        base = os.environ.get("VERIFIER_CACHE")
        self._file = (Path(base) if base else user_cache_path("verifier")) / "audit" / f"{name}.json"
        self._common, self._depends = common, depends
        self._held: dict[str, Any] = {}
        try:
            self._held = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._held = {}
        self._used: dict[str, Any] = {}

    def key(self, *words: str, tests: tuple[str, ...]) -> str:
        """A digest that changes with the words, with the code that all tests share, and with what each of these tests depends on."""
        parts = [self._common, *words, *(f"{test} {self._depends.get(test, '')}" for test in tests)]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def mutant(self, planned: Planned) -> Mutant | None:
        """The outcome of an earlier audit, where nothing that decides it has changed."""
        held = self.value(self._key_of(planned))
        try:
            return None if held is None else msgspec.convert(held, Mutant)
        except msgspec.ValidationError:
            return None

    def keep_mutant(self, planned: Planned, mutant: Mutant) -> None:
        """Keep the answer about one planned mutant for the next audit."""
        self.keep(self._key_of(planned), msgspec.to_builtins(mutant))

    def _key_of(self, planned: Planned) -> str:
        mutation = planned.mutation
        return self.key("mutant", planned.passage, planned.output, mutation.id, mutation.usual or "", tests=planned.tests)

    def value(self, key: str) -> Any:
        """What was kept under a key, now also used by this audit; None where nothing was."""
        if key in self._held:
            self._used[key] = self._held[key]
        return self._held.get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a value, and count it as used: what no audit uses is dropped when the file is written."""
        self._held[key] = self._used[key] = value

    def save(self) -> None:
        """What this audit used and found; a cache that cannot be written is no trouble."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(self._used), encoding="utf-8")
            beside.replace(self._file)
        except OSError:
            return
