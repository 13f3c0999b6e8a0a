"""`verifier init`: a file to start from, which fails with a helpful report until it is filled in."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.errors import RequestError

if TYPE_CHECKING:
    from verifier.contracts.proposal import Proposal

OPEN = '"?"'  # in a proposal, what its author must say
DEFAULT_FILE = "my_network.py"

OPTIONS = {
    "activations": "--activation",
    "output_activations": "--output-activation",
    "losses": "--loss",
    "reduction": "--reduction",
    "batch": "--batch",
    "weight_layout": "--weight-layout",
    "bias": "--bias",
    "targets": "--loss",
    "layers": "--layers",
}


@click.command()
@click.argument("file", metavar="[FILE]", default=DEFAULT_FILE)
@click.option(
    "--activation", "activations", multiple=True, metavar="NAME", help="For the hidden layers: sigmoid, tanh, relu, … (may be repeated)."
)
@click.option("--output-activation", "outputs", multiple=True, metavar="NAME", help="For the last layer (may be repeated).")
@click.option("--loss", "losses", multiple=True, metavar="NAME", help="squared_error, cross_entropy, … (may be repeated).")
@click.option("--reduction", metavar="NAME", help="Reduction of the loss over the batch: mean, sum or mean_all.")
@click.option("--batch", metavar="NAME", help="How samples are passed: rows, columns or single.")
@click.option("--weight-layout", metavar="NAME", help="out_in (z = W a) or in_out (z = a W).")
@click.option("--bias", metavar="NAME", help="vector, column, row or none.")
@click.option("--layers", type=click.IntRange(1, 12), help="For code with a fixed number of layers.")
@click.option("--assignment", metavar="FILE", help="Begin with the claims of this assignment.")
@click.option("--contract", default="", metavar="NAME", help="What to write instead of a network: layer.")
@click.option("--operation", metavar="NAME", help="With --contract layer: affine, conv2d, batchnorm, lstm_step, …")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(
    file: str,
    activations: tuple[str, ...],
    outputs: tuple[str, ...],
    losses: tuple[str, ...],
    reduction: str | None,
    batch: str | None,
    weight_layout: str | None,
    bias: str | None,
    layers: int | None,
    assignment: str | None,
    contract: str,
    operation: str | None,
    force: bool,
) -> int:
    """Write a file to start from: backprop with its manifest, or a layer's functions, to be filled in.

    FILE is my_network.py by default. Without options: sigmoid layers, squared error, samples in rows.
    """
    said: dict[str, Any] = {
        "activations": list(activations),
        "output_activations": list(outputs),
        "losses": list(losses),
        "reduction": reduction,
        "batch": batch,
        "weight_layout": weight_layout,
        "bias": bias,
        "layers": layers,
        "operation": operation,
    }
    path = Path(file)
    said = {key: value for key, value in said.items() if value}
    proposal = None if force or said or contract or assignment else _proposal(path)
    if proposal is not None:
        _print(path, proposal)
        return 0
    _write(path, _starting(contract, said) if assignment is None else _starting_for(assignment, said), force=force)
    click.echo(
        f"Wrote {path}. Fill it in, and see what is wrong with it:\n\n    verifier check {path}\n\nOr on every save: verifier watch {path}"
    )
    return 0


def _proposal(path: Path) -> Proposal | None:
    """What an existing file without a manifest could begin with: by the first contract that knows something in it."""
    import ast

    from verifier.candidates.folders import defines_entry
    from verifier.candidates.manifest import manifest_of_file
    from verifier.candidates.script_block import read_source
    from verifier.contracts.catalogue import contract_ids, contract_of

    if path.suffix != ".py" or not path.is_file() or manifest_of_file(path, str(path)) is not None:
        return None
    source = read_source(path, str(path))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = (contract_of(contract).proposed(tree) for contract in contract_ids())
    return None if defines_entry(source) else next((one for one in found if one is not None), None)


def _print(path: Path, proposal: Proposal) -> None:
    click.echo(
        f"{path} exists, and is left as it is. To have it judged, let it begin with these lines, which quote its calls:\n\n{proposal.first}"
    )
    if proposal.last:
        click.echo(f"\nand end with these:\n\n{proposal.last}")
    guessed = f"Complete each {OPEN}, and change what was guessed wrong: an array's letters are its dimensions (docs/layers.md). "
    click.echo(f"\n{guessed if OPEN in proposal.first else ''}Then: verifier check {path}")


def _starting_for(path: str, said: dict[str, Any]) -> str:
    """The file that an assignment begins with; options may say what it leaves open."""
    from verifier.candidates.assignment import read_assignment
    from verifier.contracts.catalogue import DEFAULT

    assignment = read_assignment(path)
    if assignment.contract != DEFAULT:
        raise RequestError(f"{assignment.shown}: the contract {assignment.contract!r} has no file to start from")
    fixed = next((key for key in said if key in assignment.claims and assignment.claims[key] != said[key]), None)
    if fixed is not None:
        raise RequestError(f"{OPTIONS.get(fixed, fixed)}: {assignment.shown} fixes {fixed}")
    text = _starting(assignment.contract, {**said, **assignment.claims})
    entry = assignment.entry or "backprop"
    return text if "." in entry else text.replace("def backprop(", f"def {entry}(")


def _starting(contract: str, said: dict[str, Any]) -> str:
    from verifier.contracts.catalogue import DEFAULT, contract_ids, contract_of
    from verifier.contracts.keys import TableError

    named = contract or ("layer" if "operation" in said else DEFAULT)
    if named not in contract_ids():
        raise RequestError(f"--contract {named!r} is not known; known are {', '.join(contract_ids())}")
    starting = contract_of(named).starting
    if starting is None:
        raise RequestError(f"for the contract {named} there is no file to start from")
    try:
        return starting(said)
    except TableError as error:
        raise RequestError(f"{OPTIONS.get(error.key, f'--{error.key}')} {error.says}") from None


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.is_dir():
        raise RequestError(
            f"{path} is a folder; name a file of it to see what it could begin with, or a new file to start from. "
            "A library is judged by an adapter: docs/adapting.md, docs/engines.md"
        )
    if path.suffix != ".py" or keyword.iskeyword(path.stem):
        raise RequestError(f"{path}: a candidate is a Python file, such as {DEFAULT_FILE}")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        # Whoever names a file of their own wants it judged; that it can be overwritten comes last.
        raise RequestError(
            f"{path} exists already, and is left as it is. To have it judged: verifier check {path}; where that finds nothing to call, "
            "write an adapter in another file (docs/adapting.md, docs/engines.md). "
            "To start anew, take another name, or overwrite it with --force"
        ) from None
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from None
