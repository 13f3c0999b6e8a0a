"""Assignments: what is read, and what is refused with its line."""

import re
from pathlib import Path

import pytest

from verifier import check
from verifier.candidates.assignment import LIMIT_KEYS, Assignment, read_assignment, read_limit_options
from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.errors import ManifestError, RequestError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "manifest.md"


def read(tmp_path: Path, text: str) -> Assignment:
    path = tmp_path / "task.toml"
    path.write_text(text, encoding="utf-8")
    return read_assignment(str(path))


def test_claims_limits_and_what_is_forbidden_are_read(tmp_path: Path) -> None:
    assignment = read(
        tmp_path,
        'losses = ["half_squared_error"]\nforbid = ["torch", "autograd"]\n'
        '[limits]\nmemory = "1 GiB"\nwall_seconds = 5\noutput_bytes = 100\n',
    )
    assert assignment.claims == {"losses": ["half_squared_error"]}
    assert assignment.forbid == ("torch", "autograd")
    assert assignment.limits == {"memory": 2**30, "wall_seconds": 5.0, "output_bytes": 100}


def test_an_empty_assignment_fixes_the_contracts_defaults(tmp_path: Path) -> None:
    assignment = read(tmp_path, "")
    assert (assignment.contract, assignment.claims, assignment.limits, assignment.forbid) == ("mlp", {}, {}, None)


def test_every_limit_is_one_that_a_worker_has(tmp_path: Path) -> None:
    limits = read(tmp_path, '[limits]\nmemory = "512MiB"\nthreads = 4\n').limits
    assert Limits(**limits).memory == 512 * 2**20  # type: ignore[arg-type]
    assert set(LIMIT_KEYS) <= set(Limits.__dataclass_fields__)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\nactivation = ["tanh"]\n', 'task.toml, line 2: assignment key "activation" is not known. Did you mean "activations"?'),
        ('losses = ["mse"]\n', 'line 1: assignment key "losses" holds "mse"; allowed: '),
        ('losses = ["cross_entropy"]\n', 'line 1: assignment key "losses" holds "cross_entropy", which needs "softmax"'),
        ('name = "train"\n', 'line 1: assignment key "name" belongs in the manifest of a candidate, not in the assignment.'),
        ("[score]\nweight = 1\n", 'line 2: assignment key "score.weight" is not known. Did you mean "weights"?'),
        ("[score]\npoints = 0\n", 'line 2: assignment key "score.points" is 0; it takes points above 0.'),
        ('hints = "all"\n', 'line 1: assignment key "hints" holds "all"; allowed: '),
        ('[claims]\nlosses = ["mse"]\n', 'line 1: assignment key "claims" is not known: claims are written at top level'),
        ("memory = 1\n", 'line 1: assignment key "memory" is a limit: write it below [limits].'),
        ("limits = 3\n", 'line 1: assignment key "limits" must be a table: write [limits].'),
        ('[limits]\nforbid = ["torch"]\n', 'line 2: assignment key "limits.forbid" is no limit: write it at top level, above [limits].'),
        ("[limits]\nmemroy = 1\n", 'line 2: assignment key "limits.memroy" is not known. Did you mean "memory"?'),
        (
            '[limits]\nmemory = "1 GB"\n',
            'line 2: assignment key "limits.memory" is the string "1 GB"; it takes bytes, or a string as "512 MiB"',
        ),
        ("[limits]\nmemory = 1000\n", 'line 2: assignment key "limits.memory" is the number 1000; it takes bytes'),
        ("[limits]\nmemory = true\n", 'line 2: assignment key "limits.memory" is true; it takes bytes'),
        ("[limits]\nwall_seconds = 0\n", 'line 2: assignment key "limits.wall_seconds" is 0; it takes seconds above 0.'),
        ('forbid = "torch"\n', 'line 1: assignment key "forbid" is the string "torch"; it takes a list: forbid = ["torch"].'),
        ('forbid = ["torch.nn"]\n', 'line 1: assignment key "forbid" holds "torch.nn"; it takes a list of names of top-level packages'),
        ('forbid = ["numpy"]\n', 'line 1: assignment key "forbid" holds "numpy", without which no candidate can be called.'),
        ('forbid = ["torch", "ctypes"]\n', 'line 1: assignment key "forbid" holds "ctypes", which is a part of Python'),
        ("losses = [\n", "task.toml, line 2: the assignment is not valid TOML"),
    ],
)
def test_what_is_wrong_with_an_assignment_is_said_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        read(tmp_path, text)
    assert not isinstance(caught.value, ManifestError)


def test_limits_can_be_given_as_options() -> None:
    options = ["memory=512 MiB", "wall_seconds = 0.5", 'scratch_bytes="1 MiB"', "output_bytes=0"]
    assert read_limit_options(options) == {"memory": 2**29, "wall_seconds": 0.5, "scratch_bytes": 2**20, "output_bytes": 0}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("memroy=1", '--limit memroy=1: the limit "memroy" is not known. Did you mean "memory"?'),
        ("wall_seconds", '--limit wall_seconds: the limit "wall_seconds" is the string ""; it takes seconds above 0.'),
        ("threads=many", 'the limit "threads" is the string "many"; it takes'),
    ],
)
def test_a_wrong_limit_option_is_refused(option: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        read_limit_options([option])


def test_a_missing_assignment_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"task\.toml: the assignment cannot be read: No such file or directory\."):
        read_assignment(str(tmp_path / "task.toml"))


def test_the_example_of_the_docs_is_understood(tmp_path: Path) -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## Assignments")[2]
    example = section.partition("```toml\n")[2].partition("```")[0]
    assignment = read(tmp_path, example)
    assert set(assignment.limits) == set(LIMIT_KEYS)
    assert assignment.forbid == ("torch", "autograd")


def claims_under(tmp_path: Path, assignment: str, manifest: str) -> str:
    """What a candidate's layout comes to, or why it may not say that."""
    (tmp_path / "task.toml").write_text(assignment)
    (tmp_path / "net.py").write_text(f"# /// script\n# [tool.verifier]\n# {manifest}\n# ///\ndef backprop(*_): ...\n")
    found, errors = find_candidates([str(tmp_path / "net.py")], assignment=read_assignment(str(tmp_path / "task.toml")))
    return str(errors[0]) if errors else f"{found[0].claims.bias} {found[0].claims.batch}"


@pytest.mark.parametrize("manifest", ['bias = "none"', 'batch = "single"'])
def test_a_layout_that_hides_a_mistake_is_the_assignments_to_allow(manifest, tmp_path):
    assert "does not allow" in claims_under(tmp_path, "", manifest)
    key, _, value = manifest.partition(" = ")
    default = {"bias": "vector", "batch": "rows"}[key]
    assert value.strip('"') in claims_under(tmp_path, f'allow = {{ {key} = ["{default}", {value}] }}', manifest)
    assert value.strip('"') in claims_under(tmp_path, manifest, manifest)


def test_without_an_assignment_such_a_layout_hides_what_it_leaves_out():
    path = str(ROOT / "reference_impls" / "correct" / "no_bias.py")  # no gradient of a bias is computed there
    assert check(path, profile="quick").verdict == "pass"


def test_other_layouts_are_allowed_unless_the_assignment_says_which(tmp_path):
    assert claims_under(tmp_path, "", 'bias = "row"') == "row rows"
    told = claims_under(tmp_path, 'allow = { bias = ["vector"] }', 'bias = "row"')
    assert 'does not allow; it allows ["vector"]' in told


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ('allow = { losses = ["mse"] }', "which no candidate may say"),
        ('allow = { bias = "none" }', "it takes a list of values"),
        ('allow = { bias = ["nothing"] }', "for bias what"),
        ("allow = 3", "must be a table"),
    ],
)
def test_an_allowance_that_cannot_be_is_refused(allow, words, tmp_path):
    with pytest.raises(RequestError, match=words):
        claims_under(tmp_path, allow, 'bias = "row"')
