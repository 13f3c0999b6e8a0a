"""Right and wrong gradients in bfloat16 and float16: how many are accused, how many missed, beside the rules that people use.

    python -m benchmarks.narrow [--seeds 19] [--further 168] [--minutes 15] [--state reports/narrow.jsonl]
    python -m benchmarks.narrow --device ANSWERS.safetensors REFERENCES.py

Thirty functions, three ways of computing them (PyTorch line by line; float32 inside, one store; the same with narrow operands of products).
A right tensor that is called wrong is accused. A planted fault is missed where its tensor is called right under the precision that it was
computed in; "told" counts those that are put down to another precision. A call of `assert_gradients` asks some fourteen points of one
function and fails at the first that is wrong: "at every input" counts faults of a function that no seed shows. Of further seeds only right
tensors are asked. Every seed is one line of the state file: a run that is stopped goes on where it was. The rules beside it are re-stated
from their documentation. Writes results/narrow.txt. With `--device` answers of GPU kernels that were kept in a file are judged against
plain references in a Python file; writes results/narrow_device.txt.
"""

import argparse
import hashlib
import importlib.util
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.narrow_functions import FUNCTIONS, computed
from benchmarks.output import publish, table, versions
from benchmarks.resuming import Record, measure, records
from verifier.oracles.dispatched.narrow.judging import NarrowOutcome, Yardsticks, judge_against
from verifier.oracles.dispatched.narrow.stores import Precision
from verifier.oracles.dispatched.running import Call, Given

TYPES = (torch.bfloat16, torch.float16)
WAYS = ("eager", "kernel", "operands")
UNIFORM = 600  # tokens that are all alike: a sum in bfloat16 stands still at 256 of them

# claimed, right in float64, the same function run line by line in the narrow type -> is it called right?
Rule = Callable[[Tensor, Tensor, Tensor], bool]


def _close(claimed: Tensor, right: Tensor, rtol: float, atol: float) -> bool:
    return torch.allclose(claimed.double(), right.to(claimed.dtype).double(), rtol=rtol, atol=atol)


def assert_close(claimed: Tensor, right: Tensor, eager: Tensor) -> bool:
    """torch.testing.assert_close: rtol 1.6e-2 in bfloat16, 1e-3 in float16, 1.3e-6 in float32, atol 1e-5."""
    return _close(claimed, right, {torch.bfloat16: 1.6e-2, torch.float16: 1e-3}.get(claimed.dtype, 1.3e-6), 1e-5)


def three_times_eager(claimed: Tensor, right: Tensor, eager: Tensor) -> bool:
    """flash-attention's tests: the largest error is at most three times that of the plain function in the narrow type."""
    return float((claimed.double() - right).abs().max()) <= 3 * float((eager.double() - right).abs().max()) + 1e-5


def rms_ratio(claimed: Tensor, right: Tensor, eager: Tensor) -> bool:
    """flash-linear-attention's tests: RMS of the error ÷ RMS of the right values below 0.005."""
    return float((claimed.double() - right).square().mean().sqrt()) < 5e-3 * float(right.square().mean().sqrt() + 1e-8)


def liger(claimed: Tensor, right: Tensor, eager: Tensor) -> bool:
    """Liger's tests of a norm: atol 0.2, rtol 0.02 in bfloat16; 1e-4, 1e-6 in float32."""
    return _close(claimed, right, 1e-6, 1e-4) if claimed.dtype == torch.float32 else _close(claimed, right, 2e-2, 2e-1)


def kernel_bench(claimed: Tensor, right: Tensor, eager: Tensor) -> bool:
    """KernelBench: atol and rtol 1e-2."""
    return _close(claimed, right, 1e-2, 1e-2)


RULES: Mapping[str, Rule] = {
    "assert_close": assert_close,
    "3 x eager's error": three_times_eager,
    "rms ratio 0.005": rms_ratio,
    "Liger 0.2, 0.02": liger,
    "KernelBench 0.01": kernel_bench,
}


def faults(right: Tensor, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """What is wrong with a gradient, in its own type; those that change nothing are left out."""
    wide = right.to(torch.promote_types(right.dtype, torch.float32)).contiguous()
    changed = {name: wide * factor for name, factor in (("zero", 0.0), ("sign", -1.0), ("½", 0.5), ("0.98", 0.98), ("0.995", 0.995))}
    changed["1.005"] = wide * 1.005
    element = wide.clone()
    element.view(-1)[int(torch.randint(right.numel(), (1,), generator=generator))] *= 2
    changed["one element"] = element
    if right.dim() > 1:
        for name, place, factor in (("last row", -1, 0.0), ("a row × 0.9", 0, 0.9)):
            changed[name] = wide.clone()
            changed[name][place] *= factor
        changed["rows shifted"] = wide.roll(1, 0)
        changed["last tile"] = wide.clone()
        changed["last tile"][..., -(right.shape[-1] % 16 or 16) :] = 0
    for name, value in changed.items():
        if not torch.equal(value.to(right.dtype), right):
            yield name, value.to(right.dtype)


class Counts:
    """What was seen, by rule; `planted_in` and `missed_in` by function, type, way, tensor and fault."""

    TALLIES = ("right", "accused", "planted", "missed", "told", "fits", "planted_in", "missed_in")

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.accused: Counter[str] = Counter()
        self.planted: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.fits: Counter[str] = Counter()
        self.planted_in: Counter[str] = Counter()
        self.missed_in: Counter[str] = Counter()
        self.worst: tuple[float, str] = (-1.0, "nothing asked")
        self.reach: dict[str, tuple[float, str]] = {}
        self.inputs: set[str] = set()
        self.wrongly: list[str] = []

    def add(self, record: Record) -> None:
        """What another run of other seeds saw."""
        for name in self.TALLIES:
            getattr(self, name).update(record[name])
        self.worst = max(self.worst, (record["worst"][0], record["worst"][1]))
        self.see_reach({statistic: (value, where) for statistic, (value, where) in record["reach"].items()})
        self.inputs |= set(record["inputs"])
        self.wrongly += record["wrongly"]

    def record(self) -> Record:
        """As JSON has it."""
        rest = {"worst": self.worst, "reach": self.reach, "inputs": sorted(self.inputs), "wrongly": self.wrongly}
        return {**{name: dict(getattr(self, name)) for name in self.TALLIES}, **rest}

    def see_right(self, where: str, outcome: NarrowOutcome, claimed: Tensor, right: Tensor, eager: Tensor) -> None:
        self.right["tensors"] += 1
        self.accused["ours"] += outcome.status == "wrong"
        if outcome.status == "wrong":
            self.wrongly.append(f"{where}: {outcome.says}")
        self.fits[f"{outcome.fits or outcome.status}{'' if outcome.status in ('right', 'wrong') else ' (told)'}"] += 1
        self.worst = max(self.worst, (float(outcome.ratio), where))
        for name, rule in RULES.items():
            self.accused[name] += not rule(claimed, right, eager)

    def see_reach(self, reach: Mapping[str, tuple[float, str]]) -> None:
        """The largest value of each statistic so far, and where."""
        for statistic, reached in reach.items():
            self.reach[statistic] = max(reached, self.reach.get(statistic, (0.0, "")))

    def see_fault(self, where: str, fault: str, outcome: NarrowOutcome, claimed: Tensor, right: Tensor, eager: Tensor) -> None:
        is_missed = outcome.status == "right"
        self.planted[fault] += 1
        self.missed[f"ours, {fault}"] += is_missed
        self.planted_in[f"{where}, {fault}"] += 1
        self.missed_in[f"{where}, {fault}"] += is_missed
        self.told[fault] += outcome.status == "other precision"
        for name, rule in RULES.items():
            self.missed[f"{name}, {fault}"] += rule(claimed, right, eager)

    @property
    def unseen(self) -> Counter[str]:
        """Faults of a function that were missed at every input, by fault."""
        return Counter(key.rpartition(", ")[2] for key, planted in self.planted_in.items() if self.missed_in[key] == planted)


def judge_point(
    yardsticks: Yardsticks, names: Sequence[str], answers: Mapping[str, list[Tensor]], where: str, seed: int, counts: Counts
) -> None:
    """The tensors of one point, computed in several ways."""
    eager = dict(zip(names, answers["eager"], strict=True))
    for way, values in answers.items():
        for name, value in zip(names, values, strict=True):
            right = torch.from_numpy(yardsticks.right[name])
            outcome = judge_against(yardsticks, name, value, Precision(way))
            counts.see_right(f"{where}, seed {seed}, {way}, {name}", outcome, value, right, eager[name])


def plant(yardsticks: Yardsticks, names: Sequence[str], answers: Mapping[str, list[Tensor]], where: str, seed: int, counts: Counts) -> None:
    """Faults in the gradients of one point."""
    eager, generator = dict(zip(names, answers["eager"], strict=True)), torch.Generator().manual_seed(seed)
    for way, values in answers.items():
        for name, value in zip(names, values, strict=True):
            if name.startswith("output"):
                continue
            right, declared = torch.from_numpy(yardsticks.right[name]), Precision(way)
            outcome = judge_against(yardsticks, name, value, declared)
            # What right code of this way is told is the precision that its faults are held to.
            held = declared if outcome.fits is None or outcome.status == "right" else outcome.fits
            for fault, wrong in faults(value, generator):
                judged = judge_against(yardsticks, name, wrong, held)
                counts.see_fault(f"{where}, {way}, {name}", fault, judged, wrong, right, eager[name])


def own_functions(planted: int, seed: int) -> Record:
    """What all functions give with this seed; faults are planted where it is below `planted`."""
    counts, begun = Counts(), time.process_time()
    for index, (title, (function, shapes)) in enumerate(FUNCTIONS.items()):
        for dtype in TYPES:
            generator = torch.Generator().manual_seed(1_000 * seed + index)
            inputs = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
            cotangent = torch.randn(function(*inputs).shape, generator=generator).to(dtype)
            counts.inputs.add(hashlib.sha256(b"".join(x.view(torch.int16).numpy().tobytes() for x in inputs)).hexdigest()[:16])
            answers = {way: computed(function, inputs, cotangent, way) for way in WAYS}
            tensors = {f"x{i}": x for i, x in enumerate(inputs)}
            yardsticks = Yardsticks(Given(_of_values(function), tensors, [cotangent], tuple(tensors)), dtype, seed=seed)
            where, names = f"{title}, {str(dtype)[6:]}", ["output", *tensors]
            judge_point(yardsticks, names, answers, where, seed, counts)
            if seed < planted:
                plant(yardsticks, names, answers, where, seed, counts)
    return {**counts.record(), "seconds": time.process_time() - begun}


def _of_values(function: Callable[..., Any]) -> Call:
    return lambda at: function(*at.values())


def uniform_tokens() -> list[list[str]]:
    """The gradient of a bias over tokens that are all alike, its sum kept in the narrow type."""
    rows = []
    for dtype in TYPES:
        x, bias = torch.zeros(UNIFORM, 5, dtype=dtype), torch.zeros(5, dtype=dtype)
        cotangent = torch.full((UNIFORM, 5), 0.37, dtype=dtype)
        total = torch.zeros(5, dtype=dtype)
        for row in cotangent:
            total = total + row
        yardsticks = Yardsticks(Given(lambda at: at["x"] + at["b"], {"x": x, "b": bias}, [cotangent], ("b",)), dtype)
        right = torch.from_numpy(yardsticks.right["b"])
        eager = cotangent.sum(0)
        ours = [judge_against(yardsticks, "b", total, precision).status for precision in (Precision.KERNEL, Precision.EAGER)]
        said = ["right" if rule(total, right, eager) else "wrong" for rule in RULES.values()]
        rows.append([str(dtype)[6:], f"{float(total[0] / right[0]):.3f}", *ours, *said])
    return rows


def device_answers(path: str, references: str, counts: Counts) -> None:
    from safetensors.torch import load_file

    spec = importlib.util.spec_from_file_location("references", references)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = load_file(path)
    generator = torch.Generator().manual_seed(0)
    for key in sorted(key for key in kept if key.endswith("answer0")):
        case, who, kind, _ = key.split("/")
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16}.get(kind)
        if dtype is None:
            continue
        inputs = [kept[name] for name in sorted(kept) if name.startswith(f"{case}/{kind}/input")]
        counts.inputs.add(f"{case}/{kind}")
        tensors = {f"x{i}": x for i, x in enumerate(inputs)}
        given = Given(_of_values(module.REFERENCES[case]), tensors, [kept[f"{case}/{kind}/cotangent"]], ("x0",))
        yardsticks = Yardsticks(given, dtype)
        for name, value in (("output", kept[key]), ("x0", kept[f"{case}/{who}/{kind}/answer1"])):
            right = torch.from_numpy(yardsticks.right[name])
            # There is no other run to compare with: eager's error is that of eager's answer, where the file has one.
            eager = kept.get(f"{case}/eager/{kind}/answer{int(name == 'x0')}", right.to(dtype))
            outcome = judge_against(yardsticks, name, value, None)
            counts.see_right(f"{case}, {who}, {kind}, {name}", outcome, value, right, eager)
            if name == "x0":
                for fault, wrong in faults(value, generator):
                    counts.see_fault(f"{case}, {who}", fault, judge_against(yardsticks, name, wrong, outcome.fits), wrong, right, eager)


def shown(title: str, counts: Counts, seconds: float) -> str:
    names = ["ours", *RULES]
    worst, where = counts.worst
    total = counts.right["tensors"]
    planted = sum(counts.planted.values())
    lines = [
        f"{title}: {total} right tensors of {len(counts.inputs)} distinct inputs, {planted} planted faults, {seconds:.0f} s",
        f"largest ratio of right code to its limit {worst:.2f} ({where})",
        "right tensors fit: " + ", ".join(f"{name} {count}" for name, count in counts.fits.most_common()),
        table([["right, accused", total, *[counts.accused[name] for name in names]]], ["", "of", *names]),
    ]
    rows = [[f, counts.planted[f], *[counts.missed[f"{n}, {f}"] for n in names], counts.told[f]] for f in counts.planted]
    whole = [sum(counts.missed[f"{n}, {f}"] for f in counts.planted) for n in names]
    rows.append(["all", sum(counts.planted.values()), *whole, sum(counts.told.values())])
    lines.append(table(rows, ["faults, missed", "of", *names, "(ours told)"]))
    return "\n".join([*lines, *counts.wrongly[:20], ""])


def at_every_input(counts: Counts) -> str:
    """Which faults no seed shows, in a line each."""
    unseen, planted = counts.unseen, len(counts.planted_in)
    missed = sum(unseen.values())
    faults = ", ".join(f"{fault} {count}" for fault, count in unseen.most_common())
    where = sorted({key.rpartition(", ")[0] for key, number in counts.planted_in.items() if counts.missed_in[key] == number})
    head = f"Missed at every input: {missed} of {planted} faults of a function ({missed / max(planted, 1):.2%}): {faults}"
    return "\n".join([head, *(f"    {one}" for one in where), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=19)
    parser.add_argument("--further", type=int, default=0, help="seeds after these of which only right tensors are asked")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--state", type=Path, default=Path("reports/narrow.jsonl"))
    parser.add_argument("--device", nargs=2, metavar=("ANSWERS", "REFERENCES"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, counts = time.perf_counter(), Counts()
    if options.device:
        device_answers(options.device[0], options.device[1], counts)
        publish("narrow_device", shown("Answers of GPU kernels", counts, time.perf_counter() - start) + "\n" + versions("torch", "numpy"))
        return
    measure(options.state, 0, options.seeds + options.further, options.minutes, partial(own_functions, options.seeds))
    found = list(records(options.state, 0))
    for record in found:
        counts.add(record)
    header = [f"{UNIFORM} equal tokens, summed narrow", "÷ right", "ours: kernel", "ours: eager", *RULES]
    with_faults = sum(bool(record["planted"]) for record in found)
    if with_faults < options.seeds:
        print(f"{with_faults} of {options.seeds} seeds are in {options.state}: run it again to go on.")
        return
    parts = [
        f"{len(found)} seeds, faults with {with_faults} of them; bfloat16 and float16, {len(FUNCTIONS)} functions, three ways.",
        shown("Own functions", counts, sum(record["seconds"] for record in found)),
        at_every_input(counts),
        table(uniform_tokens(), header) + "\n",
        versions("torch", "numpy"),
    ]
    publish("narrow", "\n".join(parts))


if __name__ == "__main__":
    main()
