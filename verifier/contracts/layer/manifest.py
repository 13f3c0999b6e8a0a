"""A manifest of layers -> their claims: the keys of the file, and those of each layer, beside them or in ``[[layer]]`` tables.

What an operation of the catalogue says is the default of each. Names tie the statements together (see `names`): a manifest that leaves a
name open is refused, with the key, what stands there and what is right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from verifier.contracts.keys import Key, TableError, described, did_you_mean, flag, number, shown, table_of, text, texts, word, words
from verifier.contracts.layer.claims import NO_SCRIPT, Claims, LayerClaims
from verifier.contracts.layer.letters import in_own_letters, own_letters
from verifier.contracts.layer.names import tie
from verifier.contracts.layer.operations.catalogue import find, near, operations
from verifier.contracts.layer.operations.operation import Operation
from verifier.contracts.layer.optimizers import path_of, with_velocity
from verifier.contracts.layer.presets import catalogue as presets
from verifier.contracts.layer.statements import Script, imported_names, read_expression, read_imports, read_script
from verifier.contracts.optimizers import read_optimizer
from verifier.problems.optimizers import VELOCITIES, Rule
from verifier.problems.sizes import Allowed, Expression, GrammarError, Shape, allowed, parse_expression, parse_shape

MOST_LAYERS = 200
NAME = r"[^\W\d]\w*"


def _list_of_tables(key: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        raise TableError(key, f"is {described(value)}; it takes a list of tables.")
    return tuple(value)


def _operation(key: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise TableError(key, f"is {described(value)}; it takes the name of an operation, or a list of them.")
    for name in names:
        if find(name) is None:
            hint = f' Did you mean "{near(name)}"?' if near(name) else ""
            raise TableError(key, f"holds {shown(name)}, which is not known.{hint} Known are {', '.join(operations())}.")
    return tuple(names)


FILE_KEYS: Mapping[str, Key] = {
    "path": texts(r"(?!/)(?!.*\.\.)[^\\]+", "names of folders below the candidate's"),
    "stand_ins": texts(r"[^\W\d]\w*(\.[^\W\d]\w*)*", "names of modules"),
    "numpy_aliases": flag(),
    "partial": flag(),
    "dtypes": words("float64", "float32", aliases={"double": "float64", "single": "float32"}),
}
LAYER_KEYS: Mapping[str, Key] = {
    "name": text(r"[^\x00-\x1f]{1,80}", "up to 80 characters"),
    "operation": Key(_operation, "the name of an operation"),
    "setup": Key(read_script, "lines of Python"),
    "forward": Key(read_script, "lines of Python"),
    "backward": Key(read_script, "lines of Python"),
    "step": Key(read_script, "lines of Python"),
    "imports": Key(read_imports, "import statements"),
    "arrays": table_of('arrays in letters, such as {x = "N D"}'),
    "sizes": table_of("sizes, such as {D = 8, F = [2, 9]}"),
    "options": table_of("lists of values"),
    "require": texts(r".+", "conditions over sizes and options"),
    "cases": Key(_list_of_tables, "a list of tables"),
    "outputs": texts(NAME, "names that forward gives"),
    "differentiate": texts(NAME, "names of arrays"),
    "gradients": Key(read_expression, "the name of a mapping"),
    "mean": table_of('sizes by array, such as {w = "N"}'),
    "zero_at": table_of("lists of rows by array, such as {W = [0]}"),
    "inside": word("float64", "float32", aliases={"single": "float32", "double": "float64"}),
    "epsilon": number("a number of at least 0 and below 0.1", lambda value: 0 <= value < 0.1),
    "optimizer": Key(read_optimizer, "a table with name and the arguments of torch.optim"),
    "velocity": word(*VELOCITIES),
    "reference": text(
        rf"(?!/)(?!.*\.\.)[^:\\\x00-\x1f]+\.py:{NAME}", 'a file beside the assignment and its function, such as "reference.py:swish"'
    ),
}
KEYS: Mapping[str, Key] = {**FILE_KEYS, **LAYER_KEYS, "preset": word(*presets.names()), "layer": Key(_list_of_tables, "a list of tables")}


def claims_from(table: Mapping[str, Any]) -> Claims:
    """The claims that a table of manifest keys makes (without name, module, entry and contract).

    Raises:
        TableError: a key is not known, holds what it may not, or leaves a name open; it names the key and what is allowed.
    """
    if "preset" in table:
        preset = KEYS["preset"].read("preset", table["preset"])
        table = {**presets.keys_of(preset), **table}
    for key in table:
        if key not in KEYS:
            raise TableError(key, f"is not known.{did_you_mean(key, KEYS) or ' Known are ' + ', '.join(KEYS) + '.'}")
    of_file = {key: FILE_KEYS[key].read(key, value) for key, value in table.items() if key in FILE_KEYS}
    shared = {key: value for key, value in table.items() if key in LAYER_KEYS}
    tables = KEYS["layer"].read("layer", table["layer"]) if "layer" in table else ({},)
    if len(tables) > MOST_LAYERS:
        raise TableError("layer", f"stands {len(tables)} times; at most {MOST_LAYERS} layers are judged in one file.")
    layers: list[LayerClaims] = []
    for own in tables:
        for key in own:
            if key not in LAYER_KEYS:
                raise TableError(
                    f"layer.{key}", f"is not known.{did_you_mean(key, LAYER_KEYS) or ' Known are ' + ', '.join(LAYER_KEYS) + '.'}"
                )
        layers.extend(_layers_of({**shared, **own}))
    return Claims(_named(layers), said=dict(table), **of_file)


def _layers_of(table: Mapping[str, Any]) -> list[LayerClaims]:
    """The layers of one table: one for each operation that it names."""
    named = LAYER_KEYS["operation"].read("operation", table["operation"]) if "operation" in table else (None,)
    if len(named) > 1 and ("forward" in table or "backward" in table):
        raise TableError("operation", "names several operations, but forward or backward are those of one: write a [[layer]] for each.")
    return [_layer(table, name) for name in named]


def _layer(table: Mapping[str, Any], named: str | None) -> LayerClaims:
    said = {key: LAYER_KEYS[key].read(key, value) for key, value in table.items() if key != "operation"}
    entry = None if named is None else find(named)
    if "step" in said:
        return _step(said)
    forward, backward = _calls(said, entry)
    setup = said.get("setup", Script())
    options = _options(said.get("options", {}))
    shapes = {name: _shape("arrays", name, value) for name, value in said.get("arrays", {}).items()}
    cases = tuple(_case(case) for case in said.get("cases", ()))
    imports = said.get("imports", ())
    usual = _Usual.of(entry, [setup, forward, backward], said, shapes, options, cases, imports)
    setup = Script((*usual.lines, *setup.lines), (*usual.reads, *setup.reads), (*usual.gives, *setup.gives))
    shapes, options = {**usual.shapes, **shapes}, {**usual.options, **options}
    _refuse_unread(said.get("arrays", {}), (setup, forward, backward), said)
    require = tuple(_expression("require", condition) for condition in said.get("require", ()))
    differentiate = _differentiate(said.get("differentiate", ()), shapes, entry)
    ties = tie(forward, backward, tuple(differentiate), said.get("outputs", ()), mapped="gradients" in said)
    known = {name for shape in shapes.values() for name in shape.names} | {*options, *(key for case in cases for key in case)}
    known |= {inner for values in options.values() for value in values if isinstance(value, Mapping) for inner in value}
    letters = own_letters(entry, shapes, known, _words_among(options, cases)) if entry else {}
    required = in_own_letters(entry.require, letters, known) if entry else ()
    return LayerClaims(
        name=said.get("name") or named or _name_of(forward),
        operation=None if entry is None else entry.name,
        setup=setup,
        forward=forward,
        backward=backward,
        shapes=shapes,
        sizes=_sizes(said.get("sizes", {}), entry, letters),
        options=options,
        require=(*require, *required),
        usually=in_own_letters(entry.usually, letters, known) if entry else (),
        fits=entry is None or len(required) == len(entry.require),
        cases=cases,
        differentiate=tuple(differentiate),
        named=said.get("differentiate", ()),
        ties=ties,
        gradients=said.get("gradients", ""),
        mean={name: _mean(name, value, shapes) for name, value in said.get("mean", {}).items()},
        zero_at={name: _rows(name, value, shapes, differentiate) for name, value in said.get("zero_at", {}).items()},
        inside=said.get("inside", "float64"),
        imports=imports,
        epsilon=said.get("epsilon"),
        reference=said.get("reference", ""),
    )


@dataclass(frozen=True)
class _Usual:
    """What the operation says of names that the statements read and the manifest does not say."""

    shapes: Mapping[str, Shape]
    options: Mapping[str, tuple[Any, ...]]
    lines: tuple[str, ...]
    reads: tuple[str, ...]
    gives: tuple[str, ...]

    @staticmethod
    def of(
        entry: Operation | None,
        scripts: Sequence[Script],
        said: Mapping[str, Any],
        shapes: Mapping[str, Shape],
        options: Mapping[str, Any],
        cases: Sequence[Mapping[str, Any]],
        imports: Sequence[str],
    ) -> "_Usual":
        if entry is None:
            return _Usual({}, {}, (), (), ())
        bound = {*shapes, *options, *(key for case in cases for key in case), *imported_names(imports)}
        given = {name for script in scripts for name in script.gives}
        reads = {name for script in scripts for name in script.reads} - given - bound
        lines = [f"{name} = {value}" for name, value in entry.given.items() if name in reads]
        made = [read_script("setup", line) for line in lines]
        reads |= {name for script in made for name in script.reads} - bound
        usual = {name: parse_shape(value) for name, value in entry.arrays.items() if name in reads}
        names = {name for shape in (*usual.values(), *shapes.values()) for name in shape.names}
        tried = {name: tuple(values) for name, values in entry.options.items() if name in reads - set(usual) or name in names - bound}
        return _Usual(
            usual, tried, tuple(lines), tuple(name for script in made for name in script.reads), tuple(entry.given) if lines else ()
        )


def _calls(said: Mapping[str, Any], entry: Operation | None) -> tuple[Script, Script]:
    """Forward and backward: as the manifest says, or as the course writes the operation."""
    forward: Script | None = said.get("forward")
    backward: Script | None = said.get("backward")
    usual = (read_script("forward", entry.forward), read_script("backward", entry.backward or [])) if entry and entry.forward else None
    if forward is None:
        if usual is None:
            name = f"the operation {shown(entry.name)} has no usual call" if entry else "no operation is named that has one"
            raise TableError("forward", f'is missing, and {name}: say it, such as forward = "out, cache = affine_forward(x, w, b)".')
        forward = usual[0]
        backward = usual[1] if backward is None else backward
    if backward is None:
        backward = Script()
    return forward, backward


def _step(said: Mapping[str, Any]) -> LayerClaims:
    optimizer: Rule | None = said.get("optimizer")
    if optimizer is None:
        raise TableError("step", 'needs to know what it is: optimizer = {name = "adam", lr = 1e-2}.')
    step: Script = said["step"]
    shapes = {name: _shape("arrays", name, value) for name, value in said.get("arrays", {}).items()}
    return LayerClaims(
        name=said.get("name") or _name_of(step),
        setup=said.get("setup", Script()),
        imports=said.get("imports", ()),
        step=step,
        optimizer=with_velocity(optimizer, said.get("velocity")),
        path=path_of(step, said.get("setup", NO_SCRIPT)),
        shapes=shapes,
        options=_options(said.get("options", {})),
    )


def _options(table: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Values to be tried for each name; one value that is no list stands for itself."""
    found = {}
    for name, values in table.items():
        found[name] = tuple(values) if isinstance(values, list) else (values,)
        if not found[name]:
            raise TableError(f"options.{name}", "is an empty list; it takes the values to be tried.")
    return found


def _words_among(options: Mapping[str, Sequence[Any]], cases: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names that are a word somewhere, as padding may be."""
    tried = [(name, value) for name, values in options.items() for value in values] + [item for case in cases for item in case.items()]
    inner = [item for _, value in tried if isinstance(value, Mapping) for item in value.items()]
    return {name for name, value in (*tried, *inner) if isinstance(value, str)}


def _case(case: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(case)


def _shape(key: str, name: str, value: Any) -> Shape:
    if not name.isidentifier():
        raise TableError(f"{key}.{name}", "is no name of an array.")
    if not isinstance(value, str):
        raise TableError(f"{key}.{name}", f'is {described(value)}; it takes sizes in letters, such as "N D", "int<C> N" or "4*H".')
    try:
        return parse_shape(value)
    except GrammarError as error:
        raise TableError(f"{key}.{name}", f"is not understood: {error}") from None


def _expression(key: str, value: Any) -> Expression:
    try:
        return parse_expression(str(value))
    except GrammarError as error:
        raise TableError(key, f"is not understood: {error}") from None


def _sizes(table: Mapping[str, Any], entry: Operation | None, letters: Mapping[str, str]) -> dict[str, Allowed]:
    usual = {name: Allowed(low, high) for name, (low, high) in (entry.sizes if entry else {}).items()}
    found = {**{letters[name]: limits for name, limits in usual.items() if name in letters}, **usual}
    for name, value in table.items():
        try:
            found[name] = allowed(value)
        except GrammarError as error:
            raise TableError(f"sizes.{name}", f"is not understood: {error}") from None
    return found


def _mean(name: str, value: Any, shapes: Mapping[str, Shape]) -> Expression:
    if name not in shapes:
        raise TableError(f"mean.{name}", f"names no array; there are {', '.join(shapes)}.")
    return _expression(f"mean.{name}", value)


def _rows(name: str, value: Any, shapes: Mapping[str, Shape], differentiate: Sequence[str]) -> tuple[int, ...]:
    key = f"zero_at.{name}"
    if name not in shapes:
        raise TableError(key, f"names no array; there are {', '.join(shapes)}.")
    if name not in differentiate:
        raise TableError(key, "names an array whose gradient is not claimed.")
    if not shapes[name].dimensions:
        raise TableError(key, "names a single number, which has no rows.")
    if not isinstance(value, list) or not value or not all(type(row) is int for row in value):
        raise TableError(key, f"is {described(value)}; it takes a list of rows by number, such as [0], or [-1] for the last.")
    return tuple(value)


def _differentiate(named: Sequence[str], shapes: Mapping[str, Shape], entry: Operation | None) -> list[str]:
    """The arrays whose gradients are claimed: by their kind, and those that are named."""
    for name in named:
        if name not in shapes:
            raise TableError("differentiate", f"holds {shown(name)}, which is no array; there are {', '.join(shapes)}.")
        if shapes[name].kind in ("int", "bool"):
            raise TableError("differentiate", f"holds {shown(name)}, which has no real numbers.")
    constant = entry.constant if entry else ()
    claimed = [name for name, shape in shapes.items() if shape.kind in (None, "positive") and not shape.constant and name not in constant]
    return [name for name in shapes if name in named or name in claimed]


def _refuse_unread(arrays: Mapping[str, Any], scripts: Sequence[Script], said: Mapping[str, Any]) -> None:
    reads = {name for script in scripts for name in script.reads}
    for name in arrays:
        if name not in reads:
            raise TableError(
                f"arrays.{name}", f"is read by no statement{did_you_mean(name, sorted(reads))}; take it out, or let forward read it."
            )


def _name_of(script: Script) -> str:
    """The function that the first statement with a call calls: ``affine`` of ``affine_forward``, ``layer.forward`` as it is."""
    heads = (line.split("(")[0].split("=")[-1].strip() for line in script.lines if "(" in line)
    called = next((head for head in heads if head.replace(".", "_").isidentifier()), "layer")
    return called.removesuffix("_forward")[:80] or "layer"


def _named(layers: Sequence[LayerClaims]) -> tuple[LayerClaims, ...]:
    """Each name once: a second one of the same name gets its number."""
    seen: dict[str, int] = {}
    found = []
    for layer in layers:
        seen[layer.name] = seen.get(layer.name, 0) + 1
        found.append(layer if seen[layer.name] == 1 else replace(layer, name=f"{layer.name} ({seen[layer.name]})"))
    return tuple(found)


def recognised_keys(source: str) -> Mapping[str, Any] | None:
    """The keys by which a Python file without a manifest is judged: a preset, where its names are a course's."""
    preset = presets.recognised(source)
    return None if preset is None else {"preset": preset}
