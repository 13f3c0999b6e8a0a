"""What a reference of a layer's operation is: PyTorch, over arrays under the operation's usual names and in its usual layout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Tensors = Mapping[str, Tensor]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """A reference.

    Attributes:
        call: the output, or all outputs in the operation's order.
        needs: parameters that must be known, from the manifest or as one of the operation's variants.
        settled: whether nothing is left to choose once these are known: other outputs are then wrong.
        as_they_lie: whether it takes arrays as the candidate has them, those of channels spread over the axes of x, and the axes to
            reduce as the value "axes"; the others take the usual layout.
    """

    call: Callable[[Tensors, Values], Tensor | tuple[Tensor, ...]]
    needs: tuple[str, ...] = ()
    settled: bool = False
    as_they_lie: bool = False
