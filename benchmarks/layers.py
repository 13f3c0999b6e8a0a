"""Layers that are right, over seeds, and the mistakes planted in them: how many are accused, found, and named in the first sentence.

    python -m benchmarks.layers [--seeds 20] [--profile quick] [--file NAME] [--layer NAME]
    python -m benchmarks.layers --right --seeds 20 --every 4 --minutes 25

Every layer of reference_impls/layers/correct is judged with each seed in the real worker, alone, in float64 and float32; then each of the
mistakes of `planted_layers` with the first seed. Writes results/layers.txt where nothing is left out. With --right no mistakes, with
--seeds 0 nothing else; with --every 4 each seed judges another quarter of the layers; after --minutes it ends and says how far it came
(results/right_layers.txt).
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import cast

from benchmarks.output import publish, versions
from benchmarks.planted_layers import Plant, plants
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.candidates.limits import Limits
from verifier.contracts.layer.claims import Claims, LayerClaims
from verifier.results.report import Report
from verifier.verification.bench import Bench, Setting
from verifier.verification.grading import Grading
from verifier.verification.profiles import PROFILES
from verifier.verification.record import Request

RIGHT = Path(__file__).parents[1] / "reference_impls" / "layers" / "correct"


class Judging:
    """Judges one layer of a file at a time, in the real worker."""

    def __init__(self, profile: str, folder: Path) -> None:
        self._profile, self._folder = profile, folder
        self._benches: dict[int, Bench] = {}

    def layers_of(self, file: str) -> list[str]:
        """The names of the file's layers; of a preset's, those whose functions it has."""
        path = RIGHT / f"{file}.py"
        claims, source = cast(Claims, self._candidate(path).claims), path.read_text(encoding="utf-8")
        return [layer.name for layer in claims.layers if not claims.partial or _is_there(layer, source)]

    def judge(self, file: str, layer: str, *, plant: Plant | None = None, seed: int = 0, dtype: str = "float64") -> Report:
        """The report on one layer, with the mistake in it where there is one."""
        path = RIGHT / f"{file}.py"
        if plant is not None:
            source = path.read_text(encoding="utf-8")
            if source.count(plant.right) != 1:
                raise ValueError(f"{file}: {plant.right!r} stands there {source.count(plant.right)} times")
            path = self._folder / f"{file}.py"
            path.write_text(source.replace(plant.right, plant.wrong), encoding="utf-8")
        candidate = self._candidate(path)
        claims = cast(Claims, candidate.claims)
        chosen = tuple(one for one in claims.layers if one.name == layer)
        if not chosen:
            raise ValueError(f"{file} has no layer {layer}")
        narrowed = replace(candidate, claims=replace(claims, layers=chosen, dtypes=(dtype,)))
        return self._bench(seed).judge(narrowed, lambda _: None).report

    def _bench(self, seed: int) -> Bench:
        if seed not in self._benches:
            setting = Setting(Request(PROFILES[self._profile], seed), Limits(), "auto", Grading())
            self._benches[seed] = Bench(setting, lambda *_: None)
        return self._benches[seed]

    def close(self) -> None:
        """End its workers."""
        for bench in self._benches.values():
            bench.__exit__(None, None, None)

    def _candidate(self, path: Path) -> Candidate:
        found, errors = find_candidates([str(path)])
        if errors:
            raise errors[0]
        return found[0]


def _is_there(layer: LayerClaims, source: str) -> bool:
    """Whether the text defines every function and class that the layer's statements call."""
    lines = [line for script in (layer.setup, layer.forward, layer.backward, layer.step) for line in script.lines]
    called = {name for line in lines for name in re.findall(r"(?<![.\w])(\w+)\(", line)}
    return all(re.search(rf"^(?:def|class) {re.escape(name)}\b|^{re.escape(name)} =", source, re.MULTILINE) for name in called)


def first_sentence(report: Report) -> str:
    """What the run says first."""
    return report.summary


def names_it(plant: Plant, report: Report) -> bool:
    """Whether the first sentence holds every word of the plant."""
    said = first_sentence(report)
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said) for word in plant.says)


def _chosen(plants: Sequence[Plant], file: str, layer: str) -> list[Plant]:
    return [plant for plant in plants if file in ("", plant.file) and layer in ("", plant.layer)]


def _right(judging: Judging, given: argparse.Namespace) -> Iterator[tuple[str, str, int, str]]:
    """What is judged: file, layer, seed, type."""
    files = [path.stem for path in sorted(RIGHT.glob(f"{given.file or '*'}.py"))]
    runs = [
        (file, name, dtype)
        for file in files
        for name in judging.layers_of(file)
        if given.layer in ("", name)
        for dtype in ("float64", "float32")
    ]
    for seed in range(given.seeds):
        for number, (file, name, dtype) in enumerate(runs):
            if (number + seed) % given.every == 0:
                yield file, name, seed, dtype


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--file", default="")
    parser.add_argument("--layer", default="")
    parser.add_argument("--right", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    began = time.perf_counter()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder, closing(Judging(given.profile, Path(folder))) as judging:
        right = _over_right_ones(judging, given) if given.seeds else ()
        for line in chain(right, () if given.right else _over_plants(judging, given)):
            print(line, flush=True)
            lines.append(line)
    lines.append(f"{time.perf_counter() - began:.0f} s. {versions('numpy', 'torch')}")
    if not given.file and not given.layer:
        publish("right_layers" if given.right else "layers", "\n".join(lines))


def _over_right_ones(judging: Judging, given: argparse.Namespace) -> Iterator[str]:
    runs = draws = accused = 0
    ends, wanted = time.monotonic() + 60 * given.minutes, list(_right(judging, given))
    seeds = set()
    for file, layer, seed, dtype in wanted:
        if time.monotonic() > ends:
            break
        report = judging.judge(file, layer, seed=seed, dtype=dtype)
        runs += 1
        seeds.add(seed)
        draws += max((outcome.problems for outcome in report.checks), default=0)
        if report.verdict != "pass":
            accused += 1
            yield f"NOT PASSED {file} {layer}, seed {seed}, {dtype}: {report.verdict}: {report.summary}"
    yield f"Right layers: {runs} of {len(wanted)} runs, {len(seeds)} seeds, {draws} problems; not passed: {accused}."


def _over_plants(judging: Judging, given: argparse.Namespace) -> Iterator[str]:
    chosen = _chosen(plants(), given.file, given.layer)
    found = named = 0
    for plant in chosen:
        report = judging.judge(plant.file, plant.layer, plant=plant)
        found += report.verdict == "fail"
        if report.verdict != "fail":
            yield f"MISSED {plant.file} {plant.layer}: {plant.wrong!r}: {report.verdict}: {report.summary}"
        elif names_it(plant, report):
            named += 1
        else:
            yield f"unnamed {plant.file} {plant.layer}: {plant.wrong!r} must say {plant.says}: {report.summary}"
    yield f"Planted mistakes: {len(chosen)}, found {found}, named in the first sentence {named}."


if __name__ == "__main__":
    main()
