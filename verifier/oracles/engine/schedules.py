"""Wrong ways through a graph, simulated: what the leaves' gradients would be if an engine overwrote, counted twice, or shared a buffer.

Each node's own backward pass is PyTorch's; only the way in which contributions are gathered is varied. One backward pass.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

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
        self.users: dict[str, list[Node]] = {}
        for node in graph.nodes:
            given = [self.values[one] if isinstance(one, str) else torch.tensor(float(one), dtype=torch.float64) for one in node.operands]
            self.values[node.output] = apply(node, given)
            for operand in dict.fromkeys(node.operands):
                if isinstance(operand, str):
                    self.users.setdefault(operand, []).append(node)

    def back(self, node: Node, cotangent: Tensor) -> list[tuple[str, Tensor]]:
        """A node's contributions, operand by operand."""
        given = [
            self.values[one].detach().clone() if isinstance(one, str) else torch.tensor(float(one), dtype=torch.float64)
            for one in node.operands
        ]
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
        one = self.graph.passes[number]
        return one.output, torch.ones_like(self.values[one.output]) if one.cotangent is None else self.values[one.cotangent]

    def nodes(self, number: int) -> tuple[Node, ...]:
        return self.graph.nodes[: self.graph.passes[number].nodes]


Schedule = Callable[[Local], dict[str, Tensor]]


def _gathered(gather: Callable[[dict[str, Tensor], str, Tensor, Node], None]) -> Schedule:
    """In the right order, with another way of adding up."""

    def sweep(local: Local) -> dict[str, Tensor]:
        output, seed = local.start(0)
        found = {output: seed}
        for node in reversed(local.nodes(0)):
            if node.output in found:
                for name, contribution in local.back(node, found[node.output]):
                    gather(found, name, contribution, node)
        return found

    return sweep


def _overwrite(found: dict[str, Tensor], name: str, contribution: Tensor, node: Node) -> None:
    found[name] = contribution


def _keep_first(found: dict[str, Tensor], name: str, contribution: Tensor, node: Node) -> None:
    found.setdefault(name, contribution)


def _one_operand(local: Local) -> dict[str, Tensor]:
    output, seed = local.start(0)
    found = {output: seed}
    for node in reversed(local.nodes(0)):
        if node.output in found:
            for name, contribution in dict(local.back(node, found[node.output])).items():
                found[name] = found[name] + contribution if name in found else contribution
    return found


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
            for operand, contribution in local.back(makers[name], found[name]):
                found[operand] = found[operand] + contribution if operand in found else contribution
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
                operands = [one for one in makers[name].operands if isinstance(one, str)]
                waiting += operands[::-1] if backwards else operands
        return found

    return sweep


def _aliased(local: Local) -> dict[str, Tensor]:
    """The first contribution is kept as it is, the next ones are added to it in place."""
    output, seed = local.start(0)
    found = {output: seed.clone()}
    for node in reversed(local.nodes(0)):
        if node.output not in found:
            continue
        cotangent = found[node.output]
        for name, contribution in local.back(node, cotangent):
            handed_on = node.operation in PASSING_ON and contribution.shape == cotangent.shape and torch.equal(contribution, cotangent)
            if name in found:
                found[name] += contribution
            else:
                found[name] = cotangent if handed_on else contribution.clone()
    return found


def _waiting(local: Local) -> dict[str, Tensor]:
    """A node is propagated when all of its readers have contributed, those too that the output does not depend on."""
    output, seed = local.start(0)
    reached = local.graph.reached(0)
    found = {output: seed}
    arrived: dict[str, int] = {}
    for node in reversed(local.nodes(0)):
        if node.output not in found or (node.output != output and arrived[node.output] < _readings(local.graph.nodes, node.output)):
            continue
        for name, contribution in local.back(node, found[node.output]) if node.output in reached else ():
            arrived[name] = arrived.get(name, 0) + 1
            found[name] = found[name] + contribution if name in found else contribution
    return found


def _readings(nodes: Sequence[Node], name: str) -> int:
    return sum(node.operands.count(name) for node in nodes)


def _by_value(last: bool) -> Schedule:
    """Values are told apart by what they are equal to: the first or the last of several equal ones gets what is meant for all."""

    def sweep(local: Local) -> dict[str, Tensor]:
        output, seed = local.start(0)
        owners: dict[tuple[torch.Size, bytes], str] = {}
        names = reversed(local.values) if last else local.values
        owner = {name: owners.setdefault(_content(local.values[name]), name) for name in names}
        found = {owner[output]: seed}
        for node in reversed(local.nodes(0)):
            if node.output in found:
                _add_all(found, [(owner[name], contribution) for name, contribution in local.back(node, found[node.output])])
        return found

    return sweep


def _content(value: Tensor) -> tuple[torch.Size, bytes]:
    return value.shape, value.detach().numpy().tobytes()


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
            waiting += [(name, True), *((one, False) for one in makers[name].operands if isinstance(one, str))]
    return order


def _but(operation: str, change: Callable[[dict[str, Tensor], list[tuple[str, Tensor]]], None], *, walked: bool) -> Schedule:
    """In one of two right orders; what one operation contributes is gathered in another way than what the others do."""

    def sweep(local: Local) -> dict[str, Tensor]:
        output, seed = local.start(0)
        found = {output: seed}
        for node in reversed(_depth_first(local) if walked else local.nodes(0)):
            if node.output in found:
                contributions = local.back(node, found[node.output])
                if node.operation == operation:
                    change(found, contributions)
                else:
                    _add_all(found, contributions)
        return found

    return sweep


def _add_all(found: dict[str, Tensor], contributions: list[tuple[str, Tensor]]) -> None:
    for name, contribution in contributions:
        found[name] = found[name] + contribution if name in found else contribution


def _only(kept: int) -> Callable[[dict[str, Tensor], list[tuple[str, Tensor]]], None]:
    return lambda found, contributions: _add_all(found, contributions[kept : kept + 1])


SCHEDULES: Mapping[str, Schedule] = {
    "one-contribution": _gathered(_overwrite),
    "one-operand": _one_operand,
    "twice": _twice,
    "early": _early(False),
    "aliased": _aliased,
    "equal-values": _by_value(False),
    "waiting": _waiting,
}
MORE: Sequence[tuple[str, Schedule]] = (
    ("one-contribution", _gathered(_keep_first)),
    ("early", _early(True)),
    ("early", _preorder(False)),
    ("early", _preorder(True)),
    ("equal-values", _by_value(True)),
)


OF_ONE: Mapping[str, Callable[[dict[str, Tensor], list[tuple[str, Tensor]]], None]] = {
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
