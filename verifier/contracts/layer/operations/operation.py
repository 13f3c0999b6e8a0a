"""What is known of an operation, as data: usual arrays, sizes and options, the course's calls, and the stress that its mistakes need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kinks = Literal["none", "zero", "ties", "hinge"]
Stress = Literal["ties", "zeros", "undivided", "tiny", "long"]


@dataclass(frozen=True)
class Operation:
    """An entry of the catalogue; its PyTorch reference stands under the same name in `oracles.layer_operations`,
    where it has one.

    Attributes:
        name: PyTorch's functional name where there is one.
        arrays: by usual name, in letters (see `problems.sizes`).
        outputs: by usual name, in letters; "" is one number.
        forward, backward: the calls as the CS231n course writes them.
        options: values that are tried for names which are no sizes.
        given: names that the calls may read, and the expression over sizes, options and arrays that they stand for (``conv_param``).
        require: what sizes and options must meet.
        usually: what they meet in ordinary problems; the stress "undivided" is that they do not.
        sizes: what letters may be, where 1 to 6 is not it.
        aliases: what else it is called.
        names: by usual array name, what else an array of this part is called.
        kinks: where the derivative jumps: nowhere, where an input is zero, where inputs are equal, or at a margin.
        constant: arrays that are not differentiated, whatever they hold.
        tied: the arrays that ties and zeros are drawn for.
        stresses: what is drawn beside ordinary numbers.
        of_numbers: whether each number of its arrays is for itself: a probability is then no part of a row, and one axis is enough.
        variants: by parameter that a manifest need not say, the values that right code uses; the one that fits its outputs is taken.
    """

    name: str
    arrays: Mapping[str, str]
    outputs: Mapping[str, str]
    forward: str = ""
    backward: str = ""
    options: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    require: tuple[str, ...] = ()
    usually: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinks: Kinks = "none"
    constant: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    stresses: tuple[Stress, ...] = ()
    of_numbers: bool = False
    variants: Mapping[str, Sequence[Any]] = field(default_factory=dict)


INPUT = ("X", "inputs", "input", "a", "A", "A_prev", "z", "Z", "x_in", "data", "images")
WEIGHT = ("W", "weight", "weights", "kernel", "filters", "Wc", "f", "filt")
BIAS = ("B", "bias", "biases", "b1")
EPSILONS = (1e-5, 0.0, 1e-8, 1e-12, 1e-10, 1e-7, 1e-6, 1e-4, 1e-3, 1e-9, 1e-15, 1e-16)
