"""The manifest of a case: whose file the candidate is, and what may be drawn, in the words of `assert_gradients`.

The file with this manifest is the test author's. It defines `reference`, and `arguments` with the examples; it names the candidate's file,
never the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from verifier.contracts.keys import Key, TableError, described, read_table, shown, table_of, text, texts, word
from verifier.problems.sizes import GrammarError, allowed, parse_expression, parse_shape

PRECISIONS = ("eager", "operands", "kernel", "accumulate")
NAME = r"[^\W\d]\w*"


def _shapes(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TableError(key, f'is {described(value)}; it takes a list with the shape of each argument, such as ["N D", "D"].')
    for one in value:
        try:
            parse_shape(one)
        except GrammarError as error:
            raise TableError(key, f"holds {shown(one)}: {error}") from None
    return tuple(value)


def _sizes(key: str, value: Any) -> dict[str, Any]:
    table = table_of("sizes, such as {D = 8, F = [2, 9]}").read(key, value)
    for name, given in table.items():
        try:
            allowed(given)
        except GrammarError as error:
            raise TableError(key, f"holds {name}: {error}") from None
    return dict(table)


def _options(key: str, value: Any) -> dict[str, tuple[Any, ...]]:
    table = table_of('lists of values, such as {reduction = ["mean", "none"]}').read(key, value)
    for name, values in table.items():
        plain = isinstance(values, list) and bool(values) and all(isinstance(one, str | int | float) for one in values)
        if not name.isidentifier() or not plain:
            raise TableError(key, f"holds {name} = {shown(values)}; an option takes a list of words, numbers, true and false.")
    return {name: tuple(values) for name, values in table.items()}


def _integers(key: str, value: Any) -> dict[str, str]:
    table = table_of('rules, such as {target = "index C, may be -100"}').read(key, value)
    if not all(isinstance(rule, str) for rule in table.values()):
        raise TableError(key, f'is {described(value)}; each of its values is a rule such as "index C, may be -100".')
    return dict(table)


def _conditions(key: str, value: Any) -> tuple[str, ...]:
    conditions: tuple[str, ...] = texts(r".+", "conditions over sizes and options").read(key, value)
    for one in conditions:
        try:
            parse_expression(one)
        except GrammarError as error:
            raise TableError(key, f"holds {shown(one)}: {error}") from None
    return conditions


KEYS: Mapping[str, Key] = {
    "candidate": text(rf"[^:\\\x00-\x1f]+\.py:{NAME}", 'a file beside this one and its function, such as "kernels/swiglu.py:swiglu"'),
    "backward": text(NAME, "the name of a function"),
    "shapes": Key(_shapes, "a list of shapes"),
    "sizes": Key(_sizes, "a table of sizes"),
    "options": Key(_options, "a table of lists of values"),
    "integers": Key(_integers, "a table of rules"),
    "masks": texts(NAME, "names of arguments"),
    "require": Key(_conditions, "a list of conditions"),
    "precision": word(*PRECISIONS),
}


@dataclass(frozen=True)
class Claims:
    """A case.

    Attributes:
        file, function: of the candidate; the file relative to the case's.
        backward: the function of arrays that returns its gradients; "" where autograd goes through it.
        said: the manifest's keys as they were read, for `oracles.references.asking.Said`.
    """

    contract: ClassVar[str] = "reference"

    file: str
    function: str
    backward: str = ""
    said: Mapping[str, Any] = field(default_factory=dict, hash=False)

    # What `Exchanging` loads a candidate with; a case has none of these.
    path: ClassVar[tuple[str, ...]] = ()
    stand_ins: ClassVar[tuple[str, ...]] = ()
    numpy_aliases: ClassVar[bool] = False

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        """The manifest that says this."""
        more = {"backward": self.backward} if self.backward else {}
        return {"candidate": f"{self.file}:{self.function}", **more, **self.said}


def claims_from(table: Mapping[str, Any]) -> Claims:
    """The claims of a manifest's table. Raises TableError for anything else, and where it names no candidate."""
    read = read_table(table, KEYS)
    if "candidate" not in read:
        raise TableError("candidate", 'is missing; it names the file and its function: candidate = "kernels/swiglu.py:swiglu".')
    file, _, function = read.pop("candidate").rpartition(":")
    return Claims(file, function, read.pop("backward", ""), read)
