"""Manifests as text -> settings, or one line that names file, line, key, what stands there and what is allowed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.candidates import toml_document
from verifier.candidates.assignment import Assignment
from verifier.candidates.manifest import CANDIDATE_KEYS, Settings, manifest_of_folder, manifest_of_source, read_settings
from verifier.candidates.toml_document import LARGEST_TOML
from verifier.contracts import keys
from verifier.contracts.mlp import claims as mlp
from verifier.errors import ManifestError

DOCS = Path(__file__).parents[2] / "docs" / "manifest.md"


def script(*lines: str) -> str:
    """A Python file whose manifest begins on line 4 (the table's header is line 3)."""
    return "\n".join(["x = 1", "# /// script", "# [tool.verifier]", *("# " + line for line in lines), "# ///", "y = 2", ""])


def settings_of(source: str, assignment: Assignment | None = None) -> Settings:
    return read_settings(manifest_of_source(source, "student.py"), assignment)


def refusal_of(source: str, assignment: Assignment | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        settings_of(source, assignment)
    return str(caught.value)


def test_a_file_without_a_block_is_judged_by_the_defaults() -> None:
    settings = settings_of("def backprop(weights, biases, x, y): ...\n")
    assert settings == Settings("mlp", None, None, "backprop", mlp.Claims(), None)


def test_a_block_without_our_table_is_judged_by_the_defaults() -> None:
    source = '# /// script\n# dependencies = ["numpy"]\n# requires-python = ">=3.11"\n# [tool.uv]\n# offline = true\n# ///\n'
    assert settings_of(source).claims == mlp.Claims()


def test_a_manifest_says_name_entry_and_claims() -> None:
    settings = settings_of(script('name = "net-1"', 'entry = "net.backprop"', 'activations = ["tanh"]', "l2 = 1"))
    assert (settings.name, settings.entry, settings.claims.activations, settings.claims.l2) == ("net-1", "net.backprop", ("tanh",), 1.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['activation = ["tanh"]'], 'student.py, line 4: manifest key "activation" is not known. Did you mean "activations"?'),
        (['activations = "tanh"'], 'line 4: manifest key "activations" is the string "tanh"; it takes a list: activations = ["tanh"].'),
        (["", "# activations", 'losses = ["mse"]'], 'line 6: manifest key "losses" holds "mse"; allowed: "squared_error", '),
        (["losses = [", '  "squared_error",', '  "mse",', "]", "l2 = -1"], 'line 4: manifest key "losses" holds "mse"'),
        (["losses = [ # l2", '  "squared_error",', "]", "l2 = -1"], 'line 7: manifest key "l2" is -1; it takes a number from 0 to 1,000.'),
        (['contract = "layers"'], 'line 4: manifest key "contract" holds "layers"; allowed: "mlp", "layer", "engine", "reference".'),
        (['name = "my net"'], 'line 4: manifest key "name" is "my net"; it takes up to 100 letters'),
        (['name = ".."'], 'line 4: manifest key "name" is ".."'),
        (['entry = "net.backprop()"'], 'line 4: manifest key "entry" is "net.backprop()"; it takes the name of a function'),
        (["activations = [sigmoid]"], "line 4: the manifest is not valid TOML, invalid value (strings are written in double quotes"),
        (
            ["stable = True"],
            "line 4: the manifest is not valid TOML, invalid value (strings are written in double quotes, true and false in",
        ),
        (["l2 = 1", "l2 = 2"], "line 5: the manifest is not valid TOML, cannot overwrite a value: l2 = 2"),
        (["activations = ["], "the manifest is not valid TOML"),
        (["l2 = 36893488147419103232"], "the manifest holds the number 36893488147419103232; whole numbers of TOML have 64 bits."),
        (["l2 = " + "[" * 5000], "line 3: the manifest nests its values too deeply."),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_its_line(lines: list[str], message: str) -> None:
    assert message in refusal_of(script(*lines))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            '# /// script\n# contract = "mlp"\n# ///\n',
            'line 2: manifest key "contract" is outside its table: write [tool.verifier] above it.',
        ),
        ("# /// script\n# [verifier]\n# l2 = 1\n# ///\n", "line 2: a script block allows no table [verifier]: write [tool.verifier]."),
        ("# /// script\n# [tool.verifer]\n# l2 = 1\n# ///\n", "line 2: table [tool.verifer] is not known. Did you mean [tool.verifier]?"),
        ('# /// script\n# [tool]\n# verifier = "mlp"\n# ///\n', "line 3: tool.verifier must be a table: write [tool.verifier]."),
        ('# /// script\n# tool = "mlp"\n# ///\n', "line 2: tool must be a table"),
        (
            "# /// script\n# dependencies = []\n# ///\n\n# [tool.verifier]\n# l2 = 1\n",
            "line 5: [tool.verifier] is outside the script block of line 1",
        ),
        ("# /// script\n# [tool]\n# verifier = {l2 = -1}\n# ///\n", 'line 3: manifest key "l2" is -1'),
        ("# /// script\n# tool.verifier.l2 = -1\n# ///\n", 'line 2: manifest key "l2" is -1'),
    ],
)
def test_a_manifest_in_the_wrong_place_is_never_silently_the_defaults(source: str, message: str) -> None:
    assert message in refusal_of(source)


def test_a_folders_manifest_has_its_keys_at_top_level(tmp_path: Path) -> None:
    path = tmp_path / "verifier.toml"
    path.write_bytes(b'\xef\xbb\xbfmodule = "net.py"\r\nbatch = "columns"\r\n')
    settings = read_settings(manifest_of_folder(tmp_path, "net/verifier.toml"))
    assert (settings.module, settings.claims.batch) == ("net.py", "columns")
    path.write_text("[tool.verifier]\nl2 = 1\n")
    with pytest.raises(
        ManifestError, match=r'net/verifier\.toml, line 1: manifest key "tool" is not known: in verifier\.toml the keys are written at'
    ):
        read_settings(manifest_of_folder(tmp_path, "net/verifier.toml"))


@pytest.mark.parametrize("module", ["../net.py", "/etc/net.py", ".hidden", "a//b", "a/../../b", "a\\b", ""])
def test_a_module_outside_the_folder_is_refused(tmp_path: Path, module: str) -> None:
    (tmp_path / "verifier.toml").write_text(f"module = '{module}'\n")
    with pytest.raises(ManifestError, match=r'line 1: manifest key "module" is '):
        read_settings(manifest_of_folder(tmp_path, "verifier.toml"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name = 'a'\n# \xff\n", "verifier.toml, line 2: the manifest is not UTF-8"),
        (b"#" * (LARGEST_TOML + 1), "is larger than 65,536 bytes"),
    ],
)
def test_a_file_that_is_no_toml_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "verifier.toml").write_bytes(data)
    with pytest.raises(ManifestError, match=re.escape(message)):
        manifest_of_folder(tmp_path, "verifier.toml")


pieces = st.sampled_from(
    [
        "[tool.verifier]",
        "[tool",
        "]",
        "l2",
        " = ",
        "-1",
        '"',
        "'",
        "losses",
        "[",
        "{",
        "}",
        ",",
        "#",
        "\n",
        "\x1b",
        "\\u",
        "é",
        "1e999",
        "\u2028",
    ]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=20).map("".join))
def test_any_text_is_understood_or_refused_in_one_printable_line(text: str) -> None:
    try:
        settings_of(script(*text.split("\n")))
    except ManifestError as error:
        assert str(error).startswith("student.py, line ")
        assert str(error).isprintable()


def test_a_message_carries_nothing_that_moves_the_terminal() -> None:
    assert refusal_of(script('"\\u001b[2J" = 1')).isprintable()
    assert refusal_of(script('reduction = "\\u202e"')).isprintable()


def test_where_messages_are_not_made_printable_a_manifest_moves_the_terminal(monkeypatch) -> None:
    monkeypatch.setattr(keys, "printable", str)
    monkeypatch.setattr(toml_document, "printable", str)
    assert "\x1b[2J" in refusal_of(script('"\\u001b[2J" = 1'))
    assert "\u202e" in refusal_of(script('reduction = "\\u202e"'))


def test_a_manifest_made_to_be_slow_is_refused_soon() -> None:
    lines = ["# l2"] * 5000 + ["l2 = -1"]
    assert 'manifest key "l2" is -1' in refusal_of(script(*lines))


DOTTED = "a." * 3000 + "b = 1"  # of 30,000 parts tomllib reads for minutes


@pytest.mark.parametrize("line", [DOTTED, f"[tool.{DOTTED[:-4]}]", f"x = {{{DOTTED}}}", "'a' . " * 40 + '"b" = 1'])
def test_a_key_of_a_thousand_parts_is_refused_before_it_is_read(line, monkeypatch) -> None:
    monkeypatch.setattr(toml_document.tomllib, "loads", None)
    assert "line 4: the manifest has a key of more than 32 parts" in refusal_of(script(line))


def test_where_it_is_read_it_breaks_whoever_reads_it(monkeypatch) -> None:
    monkeypatch.setattr(toml_document, "_LONG_KEY", re.compile("(?!)"))
    with pytest.raises(RecursionError):
        settings_of(script(DOTTED))


SLOW = ["#" * 60] * 500 + ["# l2"] * 39 + ["l2 = -1"]  # each mention is looked at, and the text before it is read again for it


def read_for_its_line(monkeypatch) -> int:
    """How many characters are read until this manifest is refused."""
    read: list[int] = []
    real = toml_document.tomllib.loads
    monkeypatch.setattr(toml_document.tomllib, "loads", lambda text: read.append(len(text)) or real(text))
    assert 'manifest key "l2" is -1' in refusal_of(script(*SLOW))
    return sum(read)


def test_no_more_than_so_much_is_read_to_find_a_keys_line(monkeypatch) -> None:
    assert read_for_its_line(monkeypatch) < 3 * toml_document.MOST_READ


def test_where_there_is_no_bound_it_is_read_over_and_over(monkeypatch) -> None:
    bound = toml_document.MOST_READ
    monkeypatch.setattr(toml_document, "MOST_READ", 1 << 60)
    assert read_for_its_line(monkeypatch) > 4 * bound


FIXED = Assignment("task.toml", claims={"activations": ["tanh"], "batch": "columns"})


def test_under_an_assignment_the_claims_are_its_own_and_the_layout_the_candidates() -> None:
    settings = settings_of(script('name = "anna"', 'weight_layout = "in_out"', 'batch = "columns"'), FIXED)
    assert settings.name == "anna"
    assert settings.claims == mlp.claims_from({"activations": ["tanh"], "batch": "columns", "weight_layout": "in_out"})
    assert settings_of("", FIXED).claims.activations == ("tanh",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["stable = true"],
            'line 4: manifest key "stable" must not be in the manifest: the assignment task.toml fixes it. Remove it',
        ),
        (['batch = "rows"'], 'line 4: manifest key "batch" is "rows", but the assignment task.toml fixes "columns".'),
        (["activtions = []"], 'line 4: manifest key "activtions" is not known. Did you mean "activations"?'),
        (['bias = "rwo"'], 'line 4: manifest key "bias" holds "rwo"; allowed: "vector", "column", "row", "none". Did you mean "row"?'),
    ],
)
def test_under_an_assignment_a_candidate_says_nothing_else(lines: list[str], message: str) -> None:
    assert message in refusal_of(script(*lines), FIXED)


def rows_of_the_docs() -> dict[str, tuple[str, str]]:
    """(default, values) by key, from the table of docs/manifest.md."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {key: (default, values) for key, default, values in rows}


def test_the_docs_list_every_key_with_its_default() -> None:
    rows = rows_of_the_docs()
    assert [*rows] == [*CANDIDATE_KEYS, *mlp.KEYS]
    for key, default in mlp.Claims().as_manifest(defaults=True).items():
        if default is not None and key != "output_activations":
            shown = str(default).lower() if isinstance(default, bool) else str(default).replace("'", '"')
            assert rows[key][0] in (f"`{shown}`", f'`"{shown}"`', f"`{shown.removesuffix('.0')}`")


def test_the_docs_list_every_allowed_word_and_bound() -> None:
    for key, rule in mlp.KEYS.items():
        values = rows_of_the_docs()[key][1]
        for word in re.findall(r'"(\w+)"', rule.allowed) or re.findall(r"[\d,.]*\d", rule.allowed):
            assert f"`{word}`" in values or f" {word}" in values, (key, word)


def test_the_examples_of_the_docs_are_understood() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for source in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        assert settings_of(source).document is not None
