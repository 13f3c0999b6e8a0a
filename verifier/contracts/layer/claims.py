"""What a candidate of the `layer` contract claims: the statements that call its layers, their arrays in letters, sizes and options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from verifier.contracts.layer.names import Ties
from verifier.contracts.layer.operations.catalogue import find
from verifier.contracts.layer.operations.operation import Operation
from verifier.contracts.layer.optimizers import Path
from verifier.contracts.layer.statements import Script
from verifier.problems.optimizers import Rule
from verifier.problems.sizes import Allowed, Expression, Shape

NO_SCRIPT, NO_TIES, NO_PATH = Script(), Ties(), Path()


@dataclass(frozen=True)
class LayerClaims:
    """One layer, or one step of an optimiser.

    Attributes:
        name: how reports call it.
        operation: the catalogue's entry that it claims to be, or None.
        setup, forward, backward: its statements; `setup` runs before each forward pass.
        shapes: of every array that the statements read, by name.
        sizes: what letters may be, where anything says it.
        options: values to be tried, by name.
        require: conditions on sizes and options; `usually` those of ordinary problems.
        fits: whether these hold all that the operation requires; it cannot be said in letters that nothing connects with the operation's.
        cases: sizes and options that belong together; where there are some, nothing else is drawn for these names.
        differentiate: the arrays whose gradients are claimed.
        named: those of them that `differentiate` names.
        ties: which name is whose gradient, and which the cotangent of which output.
        gradients: an expression for a mapping that holds the gradients, or "".
        mean: by array, the size by which its gradient is divided.
        zero_at: by array, rows whose gradient is 0 by convention, whatever forward makes of them; negative from the end.
        inside: the type that it computes in, whatever goes in.
        imports: import statements for the names of the statements.
        epsilon: inside a logarithm or a root, where it is declared.
        reference: of an assignment, the file beside it and the function in it that a layer is held against, as "file.py:function"; or "".
        step, optimizer, path: of an optimiser: its statements, what it claims to be, which names it carries; `setup` runs once.
    """

    name: str
    operation: str | None = None
    setup: Script = NO_SCRIPT
    forward: Script = NO_SCRIPT
    backward: Script = NO_SCRIPT
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    sizes: Mapping[str, Allowed] = field(default_factory=dict)
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    require: tuple[Expression, ...] = ()
    usually: tuple[Expression, ...] = ()
    fits: bool = True
    cases: tuple[Mapping[str, Any], ...] = ()
    differentiate: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    ties: Ties = NO_TIES
    gradients: str = ""
    mean: Mapping[str, Expression] = field(default_factory=dict)
    zero_at: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inside: str = "float64"
    imports: tuple[str, ...] = ()
    epsilon: float | None = None
    reference: str = ""
    step: Script = NO_SCRIPT
    optimizer: Rule | None = None
    path: Path = NO_PATH

    @property
    def entry(self) -> Operation | None:
        """The catalogue's entry."""
        return None if self.operation is None else find(self.operation)


@dataclass(frozen=True)
class Claims:
    """A file's layers, and how it is loaded.

    Attributes:
        layers: in the manifest's order.
        path: folders to import from, inside the candidate's.
        stand_ins: modules that may be absent.
        numpy_aliases: whether it needs the names that NumPy 2 took away.
        dtypes: of the arrays that go in.
        partial: whether layers whose functions are not there are left out.
        said: the manifest's keys as they stand there.
    """

    contract: ClassVar[str] = "layer"

    layers: tuple[LayerClaims, ...]
    path: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    numpy_aliases: bool = False
    dtypes: tuple[str, ...] = ("float64",)
    partial: bool = False
    said: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        """The manifest that says this."""
        return dict(self.said)


def references(claims: Claims) -> tuple[str, ...]:
    """The files of functions that layers are held against, each once."""
    return tuple(dict.fromkeys(layer.reference.rpartition(":")[0] for layer in claims.layers if layer.reference))


def names_read(claims: Claims) -> set[str]:
    """The names that the statements of a file's layers read: its functions and classes, beside arrays and options."""
    return {
        name
        for layer in claims.layers
        for script in (layer.setup, layer.forward, layer.backward, layer.step)
        for name in script.reads
        if name not in layer.shapes and name not in layer.options
    }
