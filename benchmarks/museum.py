"""A museum of wrong gradients: is each wrong implementation found, with no input made for it, and its right version never accused?

    python -m benchmarks.museum FOLDER [--draws 100] [--seed 0] [--only NAME] [--keep FILE] [--minutes 15]

A folder holds one folder a case: `reference.py`, `wrong.py`, `right.py` and `case.json` with the arguments in named sizes, the sizes of a
typical test, options and limits. What a revealing input would be is not read. Without a folder the wrong gradients of `benchmarks.plants`
are judged. With `--keep` it goes on where it was stopped, and begins no further case after so many minutes. The whole table is kept in
benchmarks/results/museum.txt, that of a folder in museum_published.txt.
"""

import argparse
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.exhibits import Exhibit
from benchmarks.output import publish, versions
from verifier import assert_gradients
from verifier.errors import Inconclusive


def read(folder: Path) -> Exhibit:
    """A case as it stands in its folder."""
    case = json.loads((folder / "case.json").read_text())
    sizes, letters = dict(case["sizes"]), {name: text.split() for name, text in case["arguments"].items()}
    said: dict[str, Any] = {
        "shapes": tuple(" ".join(words[1:]) for words in letters.values()),
        "options": case.get("options", {}),
        "sizes": {name: tuple(limit) for name, limit in case.get("limits", {}).items()}
        | ({"*": tuple(case["rank"])} if "rank" in case else {}),
        "integers": {name: rule for name, words in letters.items() if (rule := _rule(words[0]))},
        "masks": tuple(name for name, words in letters.items() if "mask" in words[0]),
        "require": tuple(case.get("require", ())),
    }
    versions = {name: _module(folder / f"{name}.py") for name in ("reference", "wrong", "right")}
    numpy_form = case["form"] == "numpy"

    def arguments() -> tuple[Any, ...]:
        drawn = tuple(_example(words, sizes, case.get("dtype", "float64")) for words in letters.values())
        return tuple(one.numpy() for one in drawn) if numpy_form else drawn

    def functions(module: Any) -> tuple[Callable[..., Any], ...]:
        return (module.forward, module.backward) if numpy_form else (module.candidate,)

    return Exhibit(
        folder.name, arguments, said, versions["reference"].reference, functions(versions["wrong"]), functions(versions["right"])
    )


def _rule(kind: str) -> str:
    """ "index:V:signed" -> "index V, may be -V, may be -1"; "" where the argument is no index."""
    parts = kind.split(":")
    if parts[0] != "index":
        return ""
    more = {"signed": f", may be -{parts[1]}, may be -1", "ignored": ", may be -100", "ignore": ", may be -100"}
    return f"index {parts[1]}" + "".join(more.get(word, f", may be {word}") for word in parts[2:])


def _example(words: list[str], sizes: Mapping[str, int], dtype: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(words))
    shape: list[int] = []
    for word in words[1:]:
        shape += [3] if word == "*" else [int(eval(word, {"__builtins__": {}}, dict(sizes)))]
    kind = words[0].split(":")
    if kind[0] == "index":
        return torch.randint(0, sizes.get(kind[1], 2), shape, generator=generator)
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    if "mask" in words[0]:
        return (drawn > -0.5).to(getattr(torch, dtype))
    if kind[0] in ("positive",):
        drawn = drawn.abs() + 0.1
    if kind[0] in ("prob", "probability"):
        drawn = drawn.softmax(-1)
    if kind[0] in ("unit", "uniform"):
        drawn = drawn.sigmoid()
    if kind[0] == "bool":
        return drawn > -0.5
    return drawn.to(getattr(torch, dtype))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}".replace("-", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def planted() -> list[Exhibit]:
    """Every wrong gradient that was planted by us."""
    from benchmarks import (
        planted_algebra,
        planted_functions,
        planted_indexing,
        planted_losses,
        planted_training,
        planted_usage,
        plants,
    )

    modules = (planted_functions, planted_losses, planted_indexing, planted_usage, planted_algebra, planted_training)
    return [*plants.EXHIBITS, *(one for module in modules for one in module.GALLERY.exhibits)]


def verdict(exhibit: Exhibit, functions: tuple[Callable[..., Any], ...], *, draws: int, seed: int) -> tuple[str, str, int]:
    """ "pass", "fail" or "open", the message, and how many points were asked."""
    try:
        truth: dict[str, Any] = {"reference": exhibit.reference, **exhibit.said}
        found = assert_gradients(*functions, *exhibit.arguments(), draws=draws, seed=seed, **truth)
    except AssertionError as error:
        return "fail", str(error), 0
    except Inconclusive as error:
        return "open", str(error), 0
    return "pass", "; ".join(found.notes), found.draws


def main() -> None:
    """Print a line a case, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    if given.folder is None:
        exhibits = planted()
    else:
        exhibits = [read(path) for path in sorted(given.folder.iterdir()) if (path / "case.json").exists()]
    wanted = [one for one in exhibits if given.only in one.name]
    found = read_kept(given.keep)
    begun = time.monotonic()
    for exhibit in wanted:
        if exhibit.name not in found and time.monotonic() - begun < 60 * given.minutes:
            found[exhibit.name] = both(exhibit, draws=given.draws, seed=given.seed)
            print(line_of(exhibit.name, found[exhibit.name]), flush=True)
            if given.keep is not None:
                with given.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({exhibit.name: found[exhibit.name]}) + "\n")
    asked = [one for one in wanted if one.name in found]
    answers = [found[one.name] for one in asked]
    counts = (
        f"{sum(one['wrong'] == 'fail' for one in answers)} of {len(asked)} wrong found; "
        f"{sum(one['right'] == 'fail' for one in answers)} right accused in {sum(one['draws'] for one in answers)} draws; "
        f"seed {given.seed}, {given.draws} combinations, {sum(one['seconds'] for one in answers):.0f} s of processor time."
    )
    text = "\n".join([*(line_of(one.name, found[one.name]) for one in asked), "", counts, versions("numpy", "torch")])
    if given.only or len(asked) < len(wanted):
        print(f"{counts} {len(asked)} of {len(wanted)} cases asked.")
    else:
        publish("museum" if given.folder is None else "museum_published", text)


def both(exhibit: Exhibit, *, draws: int, seed: int) -> dict[str, Any]:
    """What both versions of a case are told."""
    begun = time.process_time()
    wrong, says, _ = verdict(exhibit, exhibit.wrong, draws=draws, seed=seed)
    right, complaint, asked = verdict(exhibit, exhibit.right, draws=draws, seed=seed)
    seconds = time.process_time() - begun
    return {"wrong": wrong, "says": says, "right": right, "complaint": complaint, "draws": asked, "seconds": seconds}


def line_of(name: str, found: Mapping[str, Any]) -> str:
    """A case in a line, and what was said in another."""
    head = f"{name:32} wrong: {found['wrong']:4} right: {found['right']:4} in {found['draws']:4} draws, {found['seconds']:5.1f} s"
    more = "" if found["right"] == "pass" else f"\n    RIGHT: {found['complaint']}"
    return f"{head}\n    {found['says'].replace(chr(10), ' ')[:300]}{more.replace(chr(10), ' ')[:400]}"


def read_kept(kept: Path | None) -> dict[str, dict[str, Any]]:
    """What an earlier run found, by case."""
    lines = kept.read_text(encoding="utf-8").splitlines() if kept is not None and kept.exists() else []
    return {name: one for line in lines for name, one in json.loads(line).items()}


if __name__ == "__main__":
    main()
