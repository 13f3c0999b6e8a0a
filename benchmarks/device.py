"""Right and wrong tensors of a GPU's kernels: how many are accused and missed, which precision they fit, beside the rules that people use.

    python -m benchmarks.device [--device cuda] [--seconds 240] [--workers 6] [--seeds 1] [--right] [--keep FOLDER] [--only WORD]

Kernels in Triton, right and with planted mistakes; PyTorch's own; `torch.compile`'s. bfloat16 and float16 by the statistics of copies,
float32 by scatter, and where that is exceeded by TF32's operands. Each case in a `try`, in processes of their own, the lines as they come;
when the seconds are over what is there is summed up. Further seeds draw other numbers, and sizes around the first ones; with `--right`
they plant nothing. With `--keep` tensors that deserve a look are stored. Writes results/device.txt.
"""

import argparse
import functools
import hashlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures import TimeoutError as OutOfTimeError
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.device_functions import COMPILED, OPERATIONS, Shapes
from benchmarks.narrow import RULES, Counts, faults, shown
from benchmarks.output import publish, table, versions
from verifier.oracles.dispatched.measuring import DispatchedReference, measure
from verifier.oracles.dispatched.narrow.judging import NarrowOutcome, Yardsticks, judge_against
from verifier.oracles.dispatched.narrow.statistics import LIMITS
from verifier.oracles.dispatched.running import Given, to_array

TYPES = (torch.bfloat16, torch.float16, torch.float32)
SIZES = (1.0, 1.0, 0.25, 4.0)  # of the inputs, by seed
PATIENCE = 60  # seconds for one case, compilation included
KEPT = 10 * 2**20  # bytes of tensors that are stored


@dataclass(frozen=True)
class Case:
    """One function in one type; `fault` names a mistake planted in a Triton kernel."""

    group: str
    title: str
    dtype: torch.dtype
    fault: str = ""
    seed: int = 0
    faults: bool = True

    def __str__(self) -> str:
        parts = [f"{self.group}: {self.title}", self.fault, str(self.dtype)[6:], f"seed {self.seed}" if self.seed else ""]
        return ", ".join(part for part in parts if part)


@dataclass
class Seen:
    """Of one case: counts, a line, of a planted mistake what we say and the rules that find it, tensors to keep."""

    case: Case
    counts: Counts = field(default_factory=Counts)
    line: str = ""
    found_by: Sequence[str] = ()
    seconds: float = 0.0
    kept: Mapping[str, Tensor] = field(default_factory=dict)


def cases(word: str, seeds: int, plant: bool) -> list[Case]:
    """The most telling first; what a compiler takes its time for with the first seed alone."""
    found: list[Case] = []
    try:
        from benchmarks.triton_kernels import FAULTS, KERNELS

        for dtype in (torch.bfloat16, torch.float32, torch.float16):
            found += [Case("Triton", name, dtype) for name in KERNELS]
            found += [Case("Triton, planted", name, dtype, fault) for name, fault in FAULTS]
    except ImportError as error:
        print(f"without Triton: {error}", flush=True)
    found += [Case("PyTorch", name, dtype) for dtype in (torch.bfloat16, torch.float32) for name in OPERATIONS]
    found += [Case("compiled", name, torch.bfloat16) for name in COMPILED]
    found += [Case("PyTorch", name, torch.float16) for name in OPERATIONS]
    found += [Case("compiled", name, torch.float32) for name in COMPILED]
    found += [Case("PyTorch", name, dtype, seed=seed) for seed in range(1, seeds) for dtype in TYPES for name in OPERATIONS]
    return [replace(case, faults=plant) for case in found if word in str(case)]


def functions_of(case: Case) -> tuple[Callable[..., Any], Callable[..., Any], Shapes]:
    """Candidate, plain reference, shapes."""
    if case.group.startswith("Triton"):
        from benchmarks.triton_kernels import KERNELS

        candidate, plain, shapes, _ = KERNELS[case.title]
        return functools.partial(candidate, fault=case.fault), plain, shapes
    function, shapes = OPERATIONS[case.title]
    return torch.compile(function) if case.group == "compiled" else function, function, shapes


def answers(function: Callable[..., Any], inputs: Mapping[str, Tensor], cotangent: Tensor) -> dict[str, Tensor]:
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    output = function(*leaves.values())
    found = torch.autograd.grad(output, list(leaves.values()), cotangent)
    return {"output": output.detach(), **dict(zip(leaves, found, strict=True))}


class ByScatter:
    """float32 held to the reference's scatter, and where that is exceeded to TF32's operands."""

    def __init__(self, given: Given) -> None:
        cotangents = given.cotangents
        self._given = given
        self._tf32: Yardsticks | None = None
        self.reference: DispatchedReference = measure(
            given.call, given.tensors, cotangents, differentiate=given.differentiate, dtype=torch.float32
        )
        self.right = {**self.reference.outputs, **self.reference.gradients}

    def judge(self, name: str, claimed: Tensor) -> NarrowOutcome:
        reference = self.reference
        allowed = reference.output_tolerance(name) if name in reference.outputs else reference.gradient_tolerance(name)
        error = np.abs(to_array(claimed) - self.right[name])
        with np.errstate(all="ignore"):
            ratio = float(np.where(error == 0, 0.0, error / allowed).max(initial=0.0))
        if ratio <= 1:
            return NarrowOutcome("right", None, ratio, "scatter", "")
        self._tf32 = self._tf32 or Yardsticks(self._given, torch.float32)
        found = judge_against(self._tf32, name, claimed, None)
        says = f"{ratio:.3g} times the tolerance; TF32's operands: {found.statistic} at {found.ratio:.2g} of its limit"
        return replace(found, status="other precision" if found.status == "right" else "wrong", says=says)


class ByCopies:
    """A narrow type held to the statistics of copies; what a right tensor fits is what its faults are held to."""

    def __init__(self, given: Given, dtype: torch.dtype) -> None:
        self._yardsticks = Yardsticks(given, dtype)
        self.right = self._yardsticks.right

    def judge(self, name: str, claimed: Tensor, held: Any = None) -> NarrowOutcome:
        return judge_against(self._yardsticks, name, claimed, held)

    def reach(self, where: str, name: str, claimed: Tensor, outcome: NarrowOutcome) -> dict[str, tuple[float, str]]:
        """Each statistic of a right tensor ÷ the largest that a copy reaches."""
        if outcome.fits is None or outcome.status != "right":
            return {}
        measured = self._yardsticks.of(name, outcome.fits, claimed.dtype)
        found, limits = measured.statistics(to_array(claimed)).named(), measured.limits.named()
        return {one: (LIMITS[one] * found[one] / limits[one], where) for one in found if limits[one]}


def ask(case: Case, device: str) -> Seen:
    """Everything about one case, in a process of its own."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    signal.signal(signal.SIGALRM, _enough)
    signal.alarm(PATIENCE)
    try:
        seen = _asked(case, torch.device(device))
    except Exception as error:
        text = str(error).strip().splitlines()
        seen = Seen(case, line=f"NOT ASKED: {type(error).__name__}: {text[0] if text else ''}")
    finally:
        signal.alarm(0)
    seen.seconds = time.perf_counter() - begun
    return seen


def _enough(*_: object) -> None:
    raise TimeoutError(f"not done in {PATIENCE} s")


def _asked(case: Case, device: torch.device) -> Seen:
    candidate, plain, shapes = functions_of(case)
    inputs, cotangent, generator = _drawn(case, plain, shapes, device)
    claimed = answers(candidate, inputs, cotangent)
    eager = answers(plain, inputs, cotangent) if candidate is not plain else claimed
    given = Given(lambda at: plain(*at.values()), inputs, [cotangent], tuple(inputs))
    judge = ByScatter(given) if case.dtype is torch.float32 else ByCopies(given, case.dtype)
    outcomes = {name: judge.judge(name, tensor) for name, tensor in claimed.items()}
    seen = Seen(case, line="; ".join(f"{name} {_in_short(outcome)}" for name, outcome in outcomes.items()))
    seen.counts.inputs.add(hashlib.sha256(to_array(inputs["x0"]).tobytes()).hexdigest())
    host = {name: (tensor.cpu(), torch.from_numpy(judge.right[name]), eager[name].cpu()) for name, tensor in claimed.items()}
    if case.fault:
        seen.found_by = [_ours(outcomes), *(name for name, rule in RULES.items() if not all(rule(*three) for three in host.values()))]
        return seen
    for name, outcome in outcomes.items():
        seen.counts.see_right(f"{case}, {name}", outcome, *host[name])
        if isinstance(judge, ByCopies):
            seen.counts.see_reach(judge.reach(f"{case}, {name}", name, claimed[name], outcome))
        for fault, wrong in faults(host[name][0], generator) if name != "output" and case.faults and case.seed % 3 != 2 else ():
            held = {} if isinstance(judge, ByScatter) else {"held": outcome.fits}
            seen.counts.see_fault(f"{case}, {name}", fault, judge.judge(name, wrong, **held), wrong, *host[name][1:])
    if any(outcome.status == "wrong" or outcome.fits for outcome in outcomes.values()) and (seen.counts.wrongly or "float32" in str(case)):
        tensors = {**{f"input/{n}": t for n, t in inputs.items()}, "cotangent": cotangent, **{f"answer/{n}": t for n, t in claimed.items()}}
        seen.kept = {f"{case}/{name}": tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return seen


def _drawn(
    case: Case, plain: Callable[..., Any], shapes: Shapes, device: torch.device
) -> tuple[dict[str, Tensor], Tensor, torch.Generator]:
    """Inputs of several sizes, and a cotangent: of normal numbers, or as `sum()` gives it, for which all rows may err alike."""
    seed = int.from_bytes(hashlib.sha256(case.title.encode()).digest()[:4], "big") + case.seed
    generator = torch.Generator().manual_seed(seed)
    size = SIZES[case.seed % len(SIZES)]
    inputs = {f"x{i}": (size * torch.randn(shape, generator=generator)).to(case.dtype).to(device) for i, shape in enumerate(shapes)}
    shape = plain(*inputs.values()).shape
    cotangent = torch.randn(shape, generator=generator).to(case.dtype).to(device)
    if case.seed % 3 == 2:  # of softmax and norms it leaves nothing but rounding, in which nothing can be planted
        cotangent = torch.ones((), dtype=case.dtype, device=device).expand(shape)
    return inputs, cotangent.T.contiguous().T if case.fault == "row stride" else cotangent, generator


def _ours(outcomes: Mapping[str, NarrowOutcome]) -> str:
    """How a planted mistake shows: found, put down to another precision, or missed."""
    statuses = {outcome.status for outcome in outcomes.values()}
    return "found" if "wrong" in statuses else "told" if statuses != {"right"} else "missed"


def _in_short(outcome: NarrowOutcome) -> str:
    if outcome.status == "right":
        return f"{outcome.fits or 'right'} {outcome.ratio:.2f}"
    told = f"{outcome.status}: {outcome.fits or ''}".rstrip(": ")
    return f"{told.upper() if outcome.status == 'wrong' else told} {outcome.ratio:.2f} ({outcome.says or outcome.statistic})"


def everything(asked: Sequence[Case], device: str, workers: int, seconds: float) -> Iterator[Seen]:
    """The cases as they are done, until the seconds are over."""
    begun = time.perf_counter()
    if workers <= 1:
        for case in asked:
            if time.perf_counter() - begun > seconds:
                return
            yield ask(case, device)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: dict[Future[Seen], Case] = {pool.submit(ask, case, device): case for case in asked}
        try:
            for future in as_completed(waiting, timeout=seconds):
                try:
                    yield future.result()
                except Exception as error:  # the process is gone
                    yield Seen(waiting[future], line=f"NOT ASKED: {type(error).__name__}: {error}")
        except OutOfTimeError:
            print(f"the {seconds:g} seconds are over", flush=True)
        pool.shutdown(wait=False, cancel_futures=True)


def in_tables(seen: Sequence[Seen], asked: int, device: str) -> str:
    parts = [f"{device}: {sum('NOT ASKED' not in one.line for one in seen)} of {asked} cases asked."]
    for group in ("Triton", "PyTorch", "compiled"):
        for dtype in TYPES:
            mine = [one for one in seen if one.case.group == group and one.case.dtype is dtype and one.counts.right]
            if mine:
                total = Counts()
                for one in mine:
                    total.add(one.counts.record())
                slowest = max(mine, key=lambda one: one.seconds)
                title = f"{group}, {str(dtype)[6:]}, {len(mine)} functions, slowest {slowest.seconds:.1f} s ({slowest.case.title})"
                reached = [f"{name} {value:.2f} of {LIMITS[name]:g} ({where})" for name, (value, where) in total.reach.items()]
                parts.append(shown(title, total, sum(one.seconds for one in mine)))
                parts += [f"right code ÷ the largest of a copy: {'; '.join(reached)}", ""] if reached else []
    planted = [one for one in seen if one.case.fault and "NOT ASKED" not in one.line]
    if planted:
        names = ["ours", *RULES]
        rows = []
        for one in planted:
            rows.append([str(one.case)[17:], one.found_by[0], *["found" if name in one.found_by else "missed" for name in RULES]])
        parts.append(table(rows, ["mistakes planted in Triton kernels", *names]) + "\n")
    parts += [f"{one.case}: {one.line}" for one in seen if "NOT ASKED" in one.line]
    parts.append(versions("torch", "triton", "numpy"))
    return "\n".join(parts)


def keep(folder: Path, seen: Sequence[Seen]) -> None:
    from safetensors.torch import save_file

    chosen: dict[str, Tensor] = {}
    room = KEPT
    for one in seen:
        size = sum(tensor.numel() * tensor.element_size() for tensor in one.kept.values())
        if size <= room:
            chosen |= one.kept
            room -= size
    folder.mkdir(parents=True, exist_ok=True)
    save_file(chosen, folder / "device.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--right", action="store_true", help="right tensors alone")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    asked, seen, begun = cases(options.only, options.seeds, not options.right), [], time.perf_counter()
    try:
        for one in everything(asked, options.device, options.workers, options.seconds):
            seen.append(one)
            if not one.case.seed or one.counts.wrongly or "NOT ASKED" in one.line:
                print(f"{time.perf_counter() - begun:6.1f} {one.case} [{one.seconds:.1f} s] {one.line}", flush=True)
            for wrongly in one.counts.wrongly:
                print(f"       ACCUSED {wrongly}", flush=True)
    finally:
        name = torch.cuda.get_device_name() if options.device.startswith("cuda") else f"dry run on the {options.device}"
        text = in_tables(seen, len(asked), name)
        if options.device.startswith("cuda"):
            publish("device", text)
        else:
            print(text)
        if options.keep:
            keep(options.keep, seen)


if __name__ == "__main__":
    main()
