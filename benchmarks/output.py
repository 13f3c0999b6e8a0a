"""How a benchmark writes down what it found: a text beside a picture, under benchmarks/results/."""

import argparse
import platform
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

RESULTS = Path(__file__).resolve().parent / "results"
Unit = TypeVar("Unit")


@dataclass
class Share:
    """A seeded part of a long run, each unit as it is in the whole run; with `minutes`, no further unit is begun once they are over."""

    part: Fraction = Fraction(1)
    minutes: float = float("inf")
    asked: int = 0
    whole: int = 0

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """`--share` and `--minutes`."""
        parser.add_argument("--share", type=Fraction, default=Fraction(1), help="a seeded part of the run, as 1/4")
        parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many minutes")

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Share":
        """The share that the options ask for."""
        return cls(arguments.share, arguments.minutes)

    def units(self, whole: Sequence[Unit]) -> Iterator[Unit]:
        """The units of the share; where time may end it, in a random order, so that what was asked is a fair part."""
        places = random.Random(0).sample(range(len(whole)), round(len(whole) * self.part))
        self.whole += len(whole)
        for place in sorted(places) if self.minutes == float("inf") else places:
            if self.over:
                return
            self.asked += 1
            yield whole[place]

    @property
    def over(self) -> bool:
        """Whether the minutes are over."""
        return time.monotonic() - self._began > 60 * self.minutes

    def name(self, whole: str) -> str:
        """Where the result is kept: a share's beside that of the whole run, which stays until it is run again."""
        return whole if self.asked == self.whole else f"{whole}_share"

    def __str__(self) -> str:
        what = "All" if self.asked == self.whole else f"A seeded share: {self.asked} of"
        return f"{what} {self.whole} units, {time.monotonic() - self._began:.0f} s."


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """Columns as wide as they need, the first one to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
    return "\n".join("  ".join([line[0].ljust(first), *map(str.rjust, line[1:], others)]) for line in lines)


def versions(*packages: str) -> str:
    """One line: Python, the platform and the installed versions of these packages."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join([f"Python {platform.python_version()}", platform.machine(), *found])


def publish(name: str, text: str) -> None:
    """Print a result and keep it as `name`.txt."""
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text.rstrip() + "\n", encoding="utf-8")


def draw(name: str, paint: Callable[[Any], None], *, size: tuple[float, float] = (7.5, 4.5), panels: int = 1, share: bool = False) -> None:
    """Keep a picture as `name`.svg; the same numbers give the same bytes. `paint` gets the axes, a list where there are several panels."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9.0})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, panels, figsize=size, layout="constrained", sharey=share)
    paint(axes)
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def progress(what: str, total: int) -> Callable[[int], None]:
    """A progress bar on a terminal, a line now and then elsewhere; call it with how much is done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True))
        task = bar.add_task(what, total=total)
        bar.start()

        def tell(done: int) -> None:
            bar.update(task, completed=done)
            if done >= total:
                bar.stop()

        return tell
    step = max(1, total // 20)

    def say(done: int) -> None:
        if done % step == 0 or done == total:
            print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

    return say
