"""What the user named -> the candidates. None of them is ever imported."""

import os
import re
import sys
from pathlib import Path

import pytest

from verifier.candidates.assignment import Assignment
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.candidates.folders import LARGEST_TOKENIZED, defines_entry
from verifier.errors import ManifestError, RequestError

BACKPROP = "raise SystemExit('a candidate was imported')\n\n\ndef backprop(weights, biases, x, y): ...\n"
MANIFEST = "# /// script\n# [tool.verifier]\n# {}\n# ///\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    """Files by path, with `__` for a slash."""
    for name, text in files.items():
        path = folder / (name.replace("__init__", "*").replace("__", "/").replace("*", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_toml(folder: Path, text: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verifier.toml").write_text(text, encoding="utf-8")


def found(*paths: str) -> list[Candidate]:
    candidates, errors = find_candidates(paths)
    assert errors == []
    return candidates


def refusal_of(*paths: str) -> str:
    candidates, errors = find_candidates(paths)
    assert (candidates, len(errors)) == ([], 1)
    return str(errors[0])


def test_a_file_is_a_candidate_that_may_read_nothing_but_itself(folder: Path) -> None:
    write(folder, net=MANIFEST.format('batch = "columns"') + BACKPROP)
    (candidate,) = found("net.py")
    assert (candidate.name, candidate.path, candidate.contract, candidate.entry) == ("net", "net.py", "mlp", "backprop")
    assert (candidate.file, candidate.module, candidate.root, candidate.readable) == (folder / "net.py", None, None, (folder / "net.py",))
    assert candidate.claims.batch == "columns"
    assert (candidate.manifest, candidate.manifest_line) == ("net.py", 2)


def test_a_folder_with_a_manifest_is_one_candidate_that_may_import_its_neighbours(folder: Path) -> None:
    write(folder, nets__main=BACKPROP, nets__layers="def update(): ...\n")
    write_toml(folder / "nets", 'module = "main.py"\nname = "my-net"\n')
    (candidate,) = found("nets")
    assert (candidate.name, candidate.path) == ("my-net", "nets")
    assert (candidate.file, candidate.root, candidate.readable) == (folder / "nets" / "main.py", folder / "nets", (folder / "nets",))
    assert found("nets/verifier.toml")[0].file == candidate.file


@pytest.mark.parametrize(
    ("files", "module"),
    [
        ({"net__any": ""}, "any.py"),
        ({"net__any": BACKPROP, "net__layers": ""}, "any.py"),
        ({"net__net": BACKPROP, "net__backprop": BACKPROP}, "net.py"),
        ({"net__backprop": "", "net__main": ""}, "backprop.py"),
        ({"net__other": "", "net__main": ""}, "main.py"),
        ({"net__other": "", "net____init__": ""}, "__init__.py"),
    ],
)
def test_a_folder_whose_manifest_names_no_module_has_a_clear_one(folder: Path, files: dict[str, str], module: str) -> None:
    for name, text in files.items():
        path = folder / "net" / (name.removeprefix("net__") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    write_toml(folder / "net")
    file = found("net")[0].file
    assert file is not None
    assert file.name == module


def test_a_folder_whose_module_is_not_clear_names_its_files(folder: Path) -> None:
    write(folder, net__a="", net__b="")
    write_toml(folder / "net")
    assert refusal_of("net") == (
        'net/verifier.toml: it is not clear which file is the candidate; say module = "…". In the folder: a.py, b.py.'
    )


def test_a_module_that_is_not_there_has_a_near_miss(folder: Path) -> None:
    write(folder, net__network="", net__layers="")
    write_toml(folder / "net", '\nmodule = "netwrk.py"\n')
    assert refusal_of("net") == (
        'net/verifier.toml, line 2: manifest key "module" is "netwrk.py", and no such file is in the folder. Did you mean "network.py"?'
    )


def test_a_module_in_a_package_of_the_folder_is_imported_by_its_name(folder: Path) -> None:
    write(folder, net__package____init__="", net__package__inner=BACKPROP)
    for module in ("package.inner", "package/inner.py"):
        write_toml(folder / "net", f'module = "{module}"\n')
        (candidate,) = found("net")
        assert (candidate.file, candidate.module, candidate.root) == (None, "package.inner", folder / "net")


def test_the_folders_own_package_file_is_loaded_as_a_file(folder: Path) -> None:
    write(folder, net____init__=BACKPROP, net__other="")
    write_toml(folder / "net", 'module = "__init__.py"\n')
    (candidate,) = found("net")
    assert (candidate.file, candidate.module) == (folder / "net" / "__init__.py", None)


def test_a_folder_without_manifest_is_searched_in_the_order_of_the_paths(folder: Path) -> None:
    write(folder, all__b=BACKPROP, all__a__z="update = make_update()\n", all__a__helper="def helper(): ...\n", all__c="x: int = 1\n")
    write(
        folder, all__claims=MANIFEST.format('entry = "train"'), all__broken="def backprop(:\n", all__text='"""\ndef backprop(): ...\n"""\n'
    )
    write(folder, all__net__main=BACKPROP, all__net__second=BACKPROP)
    write_toml(folder / "all" / "net", 'module = "main"\n')
    assert [candidate.path for candidate in found("all")] == ["all/a/z.py", "all/b.py", "all/broken.py", "all/claims.py", "all/net"]


def test_hidden_files_environments_and_caches_are_left_out(folder: Path) -> None:
    write(folder, all__net=BACKPROP, all__env__net=BACKPROP, all__node_modules__net=BACKPROP)
    for hidden in (".hidden", "__pycache__", "site-packages"):
        (folder / "all" / hidden).mkdir()
        (folder / "all" / hidden / "net.py").write_text(BACKPROP)
    (folder / "all" / ".net.py").write_text(BACKPROP)
    (folder / "all" / "env" / "pyvenv.cfg").write_text("")
    assert [candidate.path for candidate in found("all")] == ["all/net.py"]


def test_a_submission_cannot_borrow_a_file_by_a_link(folder: Path) -> None:
    write(folder, solution=BACKPROP, all__own=BACKPROP, all__net__unused="")
    (folder / "all" / "borrowed.py").symlink_to(folder / "solution.py")
    (folder / "all" / "copied").mkdir()
    (folder / "all" / "copied" / "borrowed.py").symlink_to(folder / "all" / "own.py")
    assert [candidate.path for candidate in found("all")] == ["all/own.py"]
    write_toml(folder / "all" / "net", 'module = "linked.py"\n')
    (folder / "all" / "net" / "linked.py").symlink_to(folder / "solution.py")
    assert "a link out of the folder" in refusal_of("all/net")
    (folder / "all" / "net" / "verifier.toml").unlink()
    write_toml(folder)
    (folder / "all" / "net" / "verifier.toml").symlink_to(folder / "verifier.toml")
    assert "is a link out of its folder" in refusal_of("all/net")


def test_a_link_that_the_user_names_is_followed(folder: Path) -> None:
    write(folder, net=BACKPROP)
    (folder / "latest.py").symlink_to("net.py")
    assert found("latest.py")[0].name == "latest"


def test_what_is_no_regular_file_is_never_opened(folder: Path) -> None:
    write(folder, all__net=BACKPROP)
    os.mkfifo(folder / "all" / "pipe.py")
    assert [candidate.path for candidate in found("all")] == ["all/net.py"]
    assert "is neither a Python file (.py) nor a folder" in refusal_of("all/pipe.py")
    (folder / "net").mkdir()
    os.mkfifo(folder / "net" / "verifier.toml")
    errors = find_candidates(["."])[1]
    assert [str(error) for error in errors] == ["./net/verifier.toml: is not a file."]


def test_one_bad_manifest_leaves_the_others_to_run(folder: Path) -> None:
    write(folder, all__a=BACKPROP, all__b=MANIFEST.format("l2 = -1"), all__c="# /// script\n", all__d=BACKPROP)
    candidates, errors = find_candidates(["all", "missing.py"])
    assert [candidate.name for candidate in candidates] == ["a", "d"]
    assert [type(error) for error in errors] == [ManifestError, ManifestError, RequestError]
    assert str(errors[0]).startswith("all/b.py, line 3: manifest key ")
    assert str(errors[1]).startswith("all/c.py, line 1: the script block that opens here is not closed")


def test_a_folder_with_no_candidate_says_what_was_searched(folder: Path) -> None:
    write(folder, all__helper="x = 1\n", all__other="")
    assert refusal_of("all").startswith("all: holds no candidate. 2 Python files were searched; none has a [tool.verifier] table")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("studnet.py", 'no such file or folder: studnet.py. Did you mean "student.py"?'),
        ("worrk/net.py", "no such file or folder: worrk/net.py; there is no folder worrk."),
        ("work/ner.py", 'no such file or folder: work/ner.py. Did you mean "work/net.py"?'),
        ("student", 'no such file, folder or plug-in: student. Did you mean "student.py"?'),
        ("pkg.inter", 'no such file, folder, plug-in or installed module: pkg.inter. Did you mean "pkg.inner"?'),
        ("", "the path of a candidate is empty."),
        ("student.txt", "student.txt: is neither a Python file (.py) nor a folder, nor a notebook (.ipynb)."),
        ("\x1b[2J.py", "no such file or folder: \\x1b[2J.py."),
    ],
)
def test_what_is_not_there_is_said_with_a_near_miss(folder: Path, path: str, message: str) -> None:
    write(folder, student=BACKPROP, work__net=BACKPROP, pkg____init__="", pkg__inner=BACKPROP)
    (folder / "student.txt").write_text("")
    assert refusal_of(path) == message


def test_a_file_named_twice_runs_once(folder: Path) -> None:
    write(folder, all__net=BACKPROP)
    assert [candidate.path for candidate in found("all/net.py", "all", "./all/net.py")] == ["all/net.py"]


def test_names_are_unique_in_a_run(folder: Path) -> None:
    write(folder, columns=BACKPROP, other__columns=BACKPROP, s1__net=BACKPROP, s2__net=BACKPROP)
    write(folder, s3__a=MANIFEST.format('name = "anna"'), s4__b=MANIFEST.format('name = "anna"'))
    names = [candidate.name for candidate in found("columns.py", "other", "s1/net.py", "s2", "s3", "s4")]
    assert names == ["columns", "other.columns", "s1.net", "s2.net", "s3.anna", "s4.anna"]


def test_a_name_that_is_no_plain_word_is_made_one(folder: Path) -> None:
    (folder / "my net (1).py").write_text(BACKPROP)
    assert found("my net (1).py")[0].name == "my-net-1"
    write(folder, pkg____init__=BACKPROP)
    assert found("pkg/__init__.py")[0].name == "pkg"


def test_an_assignment_binds_every_candidate(folder: Path) -> None:
    write(folder, all__a=BACKPROP, all__b=MANIFEST.format("stable = true"))
    candidates, errors = find_candidates(["all"], assignment=Assignment("task.toml", claims={"bias": "none"}))
    assert [(candidate.name, candidate.claims.bias) for candidate in candidates] == [("a", "none")]
    assert 'all/b.py, line 3: manifest key "stable" must not be in the manifest' in str(errors[0])


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_points: str) -> None:
    """A distribution in a folder of its own on the import path, whose package must never be imported."""
    site = folder / "site"
    write(site, plug____init__="raise SystemExit('imported')\n", plug__net=MANIFEST.format('bias = "none"') + BACKPROP)
    information = site / "plug-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[verifier.candidates]\n{entry_points}\n")
    monkeypatch.syspath_prepend(str(site))


def test_a_module_is_found_without_importing_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(folder, monkeypatch, "")
    (candidate,) = found("plug.net")
    assert (candidate.name, candidate.file, candidate.module, candidate.entry) == ("plug.net", None, "plug.net", "backprop")
    assert (candidate.root, candidate.readable) == (folder / "site", (folder / "site" / "plug",))
    assert candidate.claims.bias == "none"
    assert "plug" not in sys.modules


def test_an_installed_module_needs_no_folder_of_its_own_on_the_path(folder: Path) -> None:
    (candidate,) = found("sklearn.neural_network._multilayer_perceptron")
    assert (candidate.file, candidate.root, candidate.readable) == (None, None, ())


def test_a_plug_in_is_found_by_its_name_and_never_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(folder, monkeypatch, "my-net = plug.net:Network.backprop\nbad = plug.net:a b!\ngone = nowhere.net:f\n")
    (candidate,) = found("my-net")
    assert (candidate.name, candidate.module, candidate.entry) == ("my-net", "plug.net", "Network.backprop")
    assert "plug" not in sys.modules
    assert refusal_of("my-nte") == 'no such file, folder or plug-in: my-nte. Did you mean "my-net"?'
    assert "which is not of the form module:attribute" in refusal_of("bad")
    assert refusal_of("gone") == 'plug-in "gone": its module nowhere.net is not on the import path.'


@pytest.mark.parametrize(
    ("source", "defined"),
    [
        ("def backprop(): ...\n", True),
        ("@jit\ndef update(): ...\n", True),
        ("async def backprop(): ...\n", True),
        ("backprop = jit(inner)\n", True),
        ("backprop: Callable = inner\n", True),
        ("def backprop(:\n", True),
        ("print 'Python 2'\ndef backprop(w): ...\n", True),
        ("def backpropagate(): ...\n", False),
        ("class Net:\n    def backprop(self): ...\n", False),
        ('"""\ndef backprop(): ...\n"""\n', False),
        ("backprop == 1\n", False),
        ("x = {\n'a': 1}\n", False),
        ("", False),
    ],
)
def test_an_entry_counts_where_a_statement_at_top_level_defines_it(source: str, defined: bool) -> None:
    assert defines_entry(source) is defined


def test_no_file_can_bring_the_search_down(folder: Path) -> None:
    """A syntax tree as deep as these would overflow the stack of this process."""
    depth = 100_000
    write(folder, all__attributes="def backprop(): return x" + ".a" * depth, all__signs="def backprop(): return " + "-" * depth + "1")
    write(folder, all__brackets="def backprop(): return " + "(" * depth, all__nul="def backprop(): ...\n\0\n")
    assert len(found("all")) == 4
    assert defines_entry("def backprop(): ...\n" + "#" * LARGEST_TOKENIZED)


def test_messages_are_one_printable_line_each(folder: Path) -> None:
    (folder / "a\x1b[2J\n.py").write_text(MANIFEST.format('"\\u001b[2J" = 1'))
    message = refusal_of(".")
    assert message.isprintable()
    assert re.search(r'line 2: manifest key ".*" is not known', message)
