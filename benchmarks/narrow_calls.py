"""Planted faults in bfloat16 and float16 that one call of `assert_gradients` with a reference misses, and right code that it accuses.

    python -m benchmarks.narrow_calls [--share 1/3] [--minutes 15]

`benchmarks.narrow` asks what one tensor shows at one point. A call asks some sixteen points, other sizes among them. Here each function of
`benchmarks.narrow_functions`, line by line (eager) or with float32 inside and one store (kernel), is a candidate whose backward pass has
one fault in one gradient, and its plain form is the reference. A third of the candidates take no type but the narrow ones, as compiled
kernels do; a third take float64 too, and are wrong there too; a third are right there. A fault is missed where the call passes. "Declared"
calls say the precision too (precision="kernel" or "eager"; "accumulate" where the right code is told so), and only those faults are asked
again that passed without: a declaration allows less. Writes results/narrow_calls.txt.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.narrow import TYPES, faults
from benchmarks.narrow_functions import FUNCTIONS, Function, computed
from benchmarks.output import Share, publish, table, versions
from verifier import assert_gradients
from verifier.errors import Inconclusive
from verifier.interpreted import as_on_a_gpu
from verifier.oracles.dispatched.narrow import judging
from verifier.oracles.dispatched.narrow.judging import Yardsticks
from verifier.oracles.dispatched.running import Given
from verifier.oracles.references import search
from verifier.oracles.references.asking import Said, prepare
from verifier.oracles.torch_functions import bits_in

WAYS = ("eager", "kernel")
DRAWS = 10  # random combinations in float64; in the narrow type itself a call asks as many points with any number of draws
KINDS = NARROW, BOTH, OWN = "narrow types alone", "wrong in float64 too", "right in float64"
APART = "one element"  # listed apart: what is wrong in one place of many

# Sizes as a user would say them, with what the function asks of them.
SAID: dict[str, dict[str, Any]] = {
    "layer norm": {"shapes": ("N D", "D", "D"), "sizes": {"D": (2, 64)}},
    "RMS norm": {"shapes": ("N D", "D")},
    "group norm": {"shapes": ("N 3*C L", "3*C", "3*C"), "sizes": {"L": (2, 64)}},
    "batch norm": {"shapes": ("N C", "C", "C"), "sizes": {"N": (3, 64)}},
    "SwiGLU": {"shapes": ("N D", "N D")},
    "GEGLU": {"shapes": ("N D", "N D")},
    "SwiGLU layer": {"shapes": ("N D", "D H", "D H")},
    "dynamic tanh": {"shapes": ("N D", "1", "D")},
    "linear": {"shapes": ("N D", "D H", "H")},
    "tanh MLP": {"shapes": ("N D", "D H", "H K")},
    "attention": {"shapes": ("B Q D", "B K D", "B K D")},
    "causal attention": {"shapes": ("B T D", "B T D", "B T D")},
    "KL divergence": {"shapes": ("N D", "N D")},
    "cosine": {"shapes": ("N D", "N D")},
    "convolution": {"shapes": ("B C L", "H C K"), "require": ("K <= L",)},
    "average pool": {"shapes": ("B C L",), "sizes": {"L": (3, 64)}},
    "ReLU layer": {"shapes": ("N D", "D H")},
    "smooth L1": {"shapes": ("N D", "N D")},
    "rotary embedding": {"shapes": ("N 2*D", "N D")},
    "LSTM cell": {"shapes": ("N D", "N H", "D 4*H")},
}


@dataclass(frozen=True)
class Unit:
    """One gradient of one function in one type, computed in one way; `takes`: one of `KINDS`."""

    title: str
    dtype: torch.dtype
    way: str
    place: int
    takes: str

    def __str__(self) -> str:
        return f"{self.title}, {str(self.dtype)[6:]}, {self.way}, x{self.place}, {self.takes}"


def units() -> list[Unit]:
    """Every gradient; of each only one of the kinds of code, in turn."""
    found: list[Unit] = []
    for title, (_, shapes) in FUNCTIONS.items():
        for dtype in TYPES:
            for way in WAYS:
                found += [Unit(title, dtype, way, place, KINDS[(len(found) + place) % 3]) for place in range(len(shapes))]
    return found


def candidate(unit: Unit, fault: str | None) -> Callable[..., Any]:
    """The function as a user's custom one, with this fault in its backward pass."""
    function: Function = FUNCTIONS[unit.title][0]

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            if inputs[0].dtype not in TYPES and unit.takes == NARROW:
                raise TypeError(f"no kernel for {inputs[0].dtype}")
            ctx.save_for_backward(*inputs)
            with torch.enable_grad():
                return computed(function, inputs, None, unit.way)[0]

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Any:
            with torch.enable_grad():
                found = computed(function, ctx.saved_tensors, cotangents[0], unit.way)[1:]
            if fault is not None and (found[0].dtype in TYPES or unit.takes == BOTH):
                wrong = dict(faults(found[unit.place], torch.Generator().manual_seed(0)))
                found[unit.place] = wrong.get(fault, found[unit.place])
            return tuple(found)

    return Planted.apply


def called(unit: Unit, fault: str | None, precision: str | None = None) -> str:
    """What a call says: "passed", "found" or "undecided", or of right code what it is accused of."""
    function, shapes = FUNCTIONS[unit.title]
    generator = torch.Generator().manual_seed(list(FUNCTIONS).index(unit.title))
    examples = [torch.randn(shape, generator=generator).to(unit.dtype) for shape in shapes]
    said: dict[str, Any] = {"seed": 0, "draws": DRAWS, "precision": precision, **SAID.get(unit.title, {"shapes": ("N D",)})}
    planted = candidate(unit, fault)
    if fault is not None and _at_the_examples(planted, examples, function, Said(**said)):
        return "found"
    try:
        assert_gradients(planted, *examples, reference=function, **said)
    except AssertionError as error:
        return "found" if fault is not None else str(error)
    except Inconclusive:
        return "undecided"
    return "passed"


def _at_the_examples(planted: Callable[..., Any], examples: list[Tensor], function: Function, said: Said) -> bool:
    """Whether the first question of the call finds it: then it need not be asked for the plainest case, which takes most of the time."""
    prepared = prepare(planted, examples, function, said)
    base = replace(prepared.space.base, axes={"cotangent": "signed"}, seed=prepared.seed)
    with as_on_a_gpu():
        return prepared.judge.try_case(base, prepared.examples).wrong is not None


def remember_yardsticks() -> dict[Any, Yardsticks]:
    """All faults of a function are asked at the same points, where its reference is measured once; what is returned is to be emptied."""
    known: dict[Any, Yardsticks] = {}

    def yardsticks(given: Given, dtype: torch.dtype, *more: Any, **further: Any) -> Yardsticks:
        arrays = [*given.tensors.values(), *(torch.as_tensor(one) for one in given.cotangents or ())]
        key = (dtype, more, *further.items(), *((one.shape, bits_in(one).tobytes()) for one in arrays))
        if key not in known:
            known[key] = Yardsticks(given, dtype, *more, **further)
        return known[key]

    judging.Yardsticks = yardsticks  # type: ignore[assignment, misc]
    return known


def kinds(unit: Unit) -> list[str]:
    """The faults that this gradient can have."""
    shape = FUNCTIONS[unit.title][1][unit.place]
    return [name for name, _ in faults(torch.rand(shape) + 1, torch.Generator().manual_seed(0))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    Share.add_options(parser)
    share = Share.of(parser.parse_args())
    torch.set_num_threads(1)
    search.MOST_NARROW = search.MOST_SHRINKING = 0  # that a case fails is enough: no plainer one is looked for
    seen = Seen()
    known = remember_yardsticks()
    for unit in share.units(units()):
        known.clear()
        seen.ask(unit)
    publish("narrow_calls", seen.report(share))


class Seen:
    """What calls said: of right code, and by fault and by what the code takes."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.said: dict[tuple[str, str], Counter[str]] = {}
        self.lines: list[str] = []
        self.functions: set[str] = set()

    def ask(self, unit: Unit) -> None:
        """The right code, then each fault."""
        self.functions.add(unit.title)
        answer = called(unit, None)
        self.right[answer if answer in ("passed", "undecided") else "accused"] += 1
        self.lines += [] if answer == "passed" else [f"right, {unit}: {answer}"]
        declared = unit.way if called(unit, None, unit.way) == "passed" else "accumulate"
        self.right["told to accumulate"] += declared != unit.way
        for fault in kinds(unit):
            answer = called(unit, fault)
            counts = self.said.setdefault((fault, unit.takes), Counter())
            counts[answer] += 1
            if answer == "passed":
                again = called(unit, fault, declared)
                counts["passed, declared"] += again == "passed"
                answer = f"passed; declared {declared}: {again}"
            self.lines += [] if answer == "found" else [f"{unit}, {fault}: {answer}"]

    def report(self, share: Share) -> str:
        """The tables, and a line for each call that did not find a fault."""
        rows: list[list[object]] = []
        for kind in KINDS:
            mine = {fault: one for (fault, takes), one in self.said.items() if takes == kind}
            rows += [_row(f"{kind}: {fault}", [one]) for fault, one in mine.items()]
            rows.append(_row(f"{kind}: all but one element", [one for fault, one in mine.items() if fault != APART]))
            rows.append(_row(f"{kind}: all", list(mine.values())))
        rows.append(_row("all", list(self.said.values())))
        right = self.right["passed"] + self.right["undecided"] + self.right["accused"]
        return "\n".join(
            [
                f"{len(self.functions)} functions, bfloat16 and float16, eager and kernel, {DRAWS} draws, seed 0. {share}",
                f"Calls with right code: {right}, {self.right['accused']} accused, {self.right['undecided']} undecided; "
                f"{self.right['told to accumulate']} told that they accumulate.",
                "",
                table(rows, ["faults, by what the code takes", "of", "found", "undecided", "missed", "", "declared", ""]),
                "",
                *self.lines,
                "",
                versions("torch", "numpy"),
            ]
        )


def _row(title: str, counts: Sequence[Counter[str]]) -> list[object]:
    every = ("found", "undecided", "passed", "passed, declared")
    found, undecided, passed, declared = (sum(one[name] for one in counts) for name in every)
    of = found + undecided + passed
    return [title, of, found, undecided, passed, f"{passed / max(1, of):.2%}", declared, f"{declared / max(1, of):.2%}"]


if __name__ == "__main__":
    main()
