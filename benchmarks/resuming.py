"""A measurement in blocks, each a line that is appended to a state file: what was stopped goes on where it was."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.output import progress

Record = dict[str, Any]


def records(path: Path, seed: int) -> Iterator[Record]:
    """The blocks of this seed, each once; a line that was cut off is left out."""
    seen = set()
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["seed"] == seed and record["block"] not in seen:
            seen.add(record["block"])
            yield record


def measure(path: Path, seed: int, blocks: int, minutes: float, block_of: Callable[[int], Record]) -> None:
    """Measure the blocks that are missing, until all are there or the time is over."""
    done = {record["block"] for record in records(path, seed)}
    tell, started = progress("blocks", blocks), time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    for block in range(blocks):
        if block not in done:
            if time.monotonic() - started > 60 * minutes:
                break
            record = {"seed": seed, "block": block, **block_of(block)}
            with path.open("a") as state:
                state.write(json.dumps(record) + "\n")
        tell(block + 1)
