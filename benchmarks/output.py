"""How a benchmark writes down what it found: a text beside a picture, under benchmarks/results/."""

import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


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
