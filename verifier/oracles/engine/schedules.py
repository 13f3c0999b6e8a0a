"""Wrong ways through a graph, simulated: what the leaves' gradients would be if an engine overwrote, counted twice, or shared a buffer.

Each node's own backward pass is PyTorch's; only the way in which contributions are gathered is varied. One backward pass.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from verifier.arrays import FloatArray
from verifier.contracts.engine.graph import Graph, Node
from verifier.oracles.engine.operations import apply

Gradients = Mapping[str, FloatArray]
PASSING_ON = frozenset(
    {"add", "sub", "reshape", "transpose", "flatten", "squeeze", "unsqueeze", "swapaxes"}
)  # may hand on their own cotangent
MOST_STEPS = 2000


class Local:
    """The nodes of a graph, each with its own backward pass."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        values = {name: torch.from_numpy(np.array(graph.arrays[graph.same.get(name, name)])) for name in graph.arrays}
        self.values = {name: value.double() if value.is_floating_point() else value for name, value in values.items()}
        for node in graph.nodes:
            self.values[node.output] = apply(node, self.given(node))

    def given(self, node: Node) -> list[Tensor]:
        """A node's operands, as copies."""
        return [
            self.values[one].detach().clone() if isinstance(one, str) else torch.tensor(one, dtype=torch.float64) for one in node.operands
        ]

    def back(self, node: Node, cotangent: Tensor) -> list[tuple[str, Tensor]]:
        """A node's contributions, operand by operand."""
        given = self.given(node)
        for one in given:
            if one.is_floating_point():
                one.requires_grad_()
        result = apply(node, given)
        wanted = [(name, one) for name, one in zip(node.operands, given, strict=True) if isinstance(name, str) and one.requires_grad]
        if not result.requires_grad or node.output in self.graph.untracked:
            return [(name, torch.zeros_like(one)) for name, one in wanted]
        found = torch.autograd.grad(result, [one for _, one in wanted], cotangent, allow_unused=True)
        return [
            (name, torch.zeros_like(one) if gradient is None else gradient) for (name, one), gradient in zip(wanted, found, strict=True)
        ]

    def start(self, number: int) -> tuple[str, Tensor]:
        """The output that a backward pass starts from, and its cotangent: ones where the graph gives none."""
        one = self.graph.passes[number]
        return one.output, torch.ones_like(self.values[one.output]) if one.cotangent is None else self.values[one.cotangent]

    def nodes(self, number: int) -> tuple[Node, ...]:
        """The nodes that exist when a backward pass begins."""
        return self.graph.nodes[: self.graph.passes[number].nodes]


Schedule = Callable[[Local], dict[str, Tensor]]
Contributions = list[tuple[str, Tensor]]


def _gathered(gather: Callable[[dict[str, Tensor], Node, Contributions], None], *, walked: bool = False) -> Schedule:
    """In one of two right orders (`walked`: that of a depth-first walk), with another way of adding up."""

    def sweep(local: Local) -> dict[str, Tensor]:
        output, seed = local.start(0)
        found = {output: seed}
        for node in reversed(_depth_first(local) if walked else local.nodes(0)):
            if node.output in found:
                gather(found, node, local.back(node, found[node.output]))
        return found

    return sweep


def _add_all(found: dict[str, Tensor], contributions: Iterable[tuple[str, Tensor]]) -> None:
    for name, contribution in contributions:
        found[name] = found[name] + contribution if name in found else contribution


def _keep_first(found: dict[str, Tensor], node: Node, contributions: Contributions) -> None:
    for name, contribution in contributions:
        found.setdefault(name, contribution)


def _alias(found: dict[str, Tensor], node: Node, contributions: Contributions) -> None:
    """The first contribution is kept as it is, the next ones are added to it in place."""
    cotangent = found[node.output]
    for name, contribution in contributions:
        handed_on = node.operation in PASSING_ON and contribution.shape == cotangent.shape and torch.equal(contribution, cotangent)
        if name in found:
            found[name] += contribution
        else:
            found[name] = cotangent if handed_on else contribution.clone()


def _but(operation: str, change: Callable[[dict[str, Tensor], Contributions], None], *, walked: bool) -> Schedule:
    """What one operation contributes is gathered in another way than what the others do."""
    return _gathered(lambda found, node, given: (change if node.operation == operation else _add_all)(found, given), walked=walked)


def _first_twice(found: dict[str, Tensor], node: Node, contributions: Contributions) -> None:
    """Operands are told apart by identity: of one value in two places, the first place's contribution counts for both."""
    firsts: dict[str, Tensor] = {}
    for name, contribution in contributions:
        firsts.setdefault(name, contribution)
    _add_all(found, ((name, firsts[name]) for name, _ in contributions))


def _twice(local: Local) -> dict[str, Tensor]:
    """Each arrival of a contribution sends on all that has been gathered so far."""
    makers = {node.output: node for node in local.nodes(0)}
    output, seed = local.start(0)
    found: dict[str, Tensor] = {}
    waiting = [(output, seed)]
    steps = 0
    while waiting and steps < MOST_STEPS:
        steps += 1
        name, contribution = waiting.pop()
        found[name] = found[name] + contribution if name in found else contribution
        if name in makers:
            waiting += reversed(local.back(makers[name], found[name]))
    return found


def _early(last: bool) -> Schedule:
    """Each node is propagated when it is first met, breadth first or depth first."""

    def sweep(local: Local) -> dict[str, Tensor]:
        makers = {node.output: node for node in local.nodes(0)}
        output, seed = local.start(0)
        found, waiting, seen = {output: seed}, [output], {output}
        while waiting:
            name = waiting.pop(-1 if last else 0)
            if name not in makers:
                continue
            contributions = local.back(makers[name], found[name])
            _add_all(found, contributions)
            for operand, _ in contributions:
                if operand not in seen:
                    seen.add(operand)
                    waiting.append(operand)
        return found

    return sweep


def _preorder(backwards: bool) -> Schedule:
    """Each value is propagated when a depth-first walk first meets it; what arrives later is lost, at a leaf too."""

    def sweep(local: Local) -> dict[str, Tensor]:
        makers = {node.output: node for node in local.nodes(0)}
        output, seed = local.start(0)
        found, gathered, waiting = {}, {output: seed}, [output]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found[name] = gathered.get(name, torch.zeros_like(local.values[name]))
            if name in makers:
                _add_all(gathered, local.back(makers[name], found[name]))
                waiting += makers[name].names[:: -1 if backwards else 1]
        return found

    return sweep


def _waiting(local: Local) -> dict[str, Tensor]:
    """A node is propagated when all of its readers have contributed, those too that the output does not depend on."""
    output, seed = local.start(0)
    reached = local.graph.reached(0)
    found = {output: seed}
    readings, arrived = Counter(name for node in local.graph.nodes for name in node.names), Counter[str]()
    for node in reversed(local.nodes(0)):
        late = node.output != output and arrived[node.output] < readings[node.output]
        if node.output in found and node.output in reached and not late:
            contributions = local.back(node, found[node.output])
            arrived.update(name for name, _ in contributions)
            _add_all(found, contributions)
    return found


def _outermost(local: Local) -> dict[str, Tensor]:
    """From the leaves on, when only the output has a cotangent: its own operands are all that it reaches."""
    output, seed = local.start(0)
    found = {output: seed}
    for node in local.nodes(0):
        if node.output in found:
            _add_all(found, local.back(node, found[node.output]))
    return found


def _by_value(last: bool) -> Schedule:
    """Values are told apart by what they are equal to: the first or the last of several equal ones gets what is meant for all."""

    def sweep(local: Local) -> dict[str, Tensor]:
        output, seed = local.start(0)
        owners: dict[tuple[torch.Size, bytes], str] = {}
        names = reversed(local.values) if last else local.values
        contents = {name: (local.values[name].shape, local.values[name].detach().numpy().tobytes()) for name in names}
        owner = {name: owners.setdefault(content, name) for name, content in contents.items()}
        found = {owner[output]: seed}
        for node in reversed(local.nodes(0)):
            if node.output in found:
                _add_all(found, [(owner[name], contribution) for name, contribution in local.back(node, found[node.output])])
        return found

    return sweep


def _depth_first(local: Local) -> list[Node]:
    """Nodes in another order that is right too: that of a walk from the output which ends each branch before it begins the next."""
    makers = {node.output: node for node in local.nodes(0)}
    order: list[Node] = []
    seen: set[str] = set()
    waiting = [(local.start(0)[0], False)]
    while waiting:
        name, done = waiting.pop()
        if done:
            order.append(makers[name])
        elif name in makers and name not in seen:
            seen.add(name)
            waiting += [(name, True), *((one, False) for one in makers[name].names)]
    return order


def _only(kept: int) -> Callable[[dict[str, Tensor], Contributions], None]:
    return lambda found, contributions: _add_all(found, contributions[kept : kept + 1])


SCHEDULES: Mapping[str, Schedule] = {
    "one-contribution": _gathered(lambda found, node, given: found.update(given)),
    "one-operand": _gathered(lambda found, node, given: _add_all(found, dict(given).items())),
    "first-twice": _gathered(_first_twice),
    "twice": _twice,
    "early": _early(False),
    "aliased": _gathered(_alias),
    "equal-values": _by_value(False),
    "waiting": _waiting,
    "outermost": _outermost,
}
MORE: Sequence[tuple[str, Schedule]] = (
    ("one-contribution", _gathered(_keep_first)),
    ("early", _early(True)),
    ("early", _preorder(False)),
    ("early", _preorder(True)),
    ("equal-values", _by_value(True)),
)


OF_ONE: Mapping[str, Callable[[dict[str, Tensor], Contributions], None]] = {
    "overwrites": lambda found, contributions: found.update(contributions),
    "second-lost": _only(0),
    "first-lost": _only(1),
}


def simulate(graph: Graph, operations: Collection[str] = ()) -> list[tuple[str, Gradients]]:
    """Each wrong way by name, with the gradients that it would give the leaves after the graph's one backward pass.

    Args:
        operations: also the wrong ways that only one of these has, by names like ``softmax:overwrites``.
    """
    ways = [*SCHEDULES.items(), *MORE]
    both = (False, True)
    ways += [(f"{name}:{way}", _but(name, change, walked=one)) for name in operations for way, change in OF_ONE.items() for one in both]
    found: list[tuple[str, Gradients]] = []
    for name, schedule in ways:
        gradients = schedule(Local(graph))
        zero = {leaf: np.zeros(graph.arrays[graph.same.get(leaf, leaf)].shape) for leaf in graph.leaves}
        found.append((name, {leaf: gradients[leaf].detach().numpy() if leaf in gradients else zero[leaf] for leaf in graph.leaves}))
    return found
