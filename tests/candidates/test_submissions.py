"""Under an assignment nothing that stands in a submissions folder is lost."""

import os

import pytest

from verifier.candidates import folders, submissions
from verifier.candidates.assignment import Assignment
from verifier.candidates.discovery import Candidate
from verifier.candidates.folders import defined_names
from verifier.candidates.submissions import Unjudged, find_submissions
from verifier.errors import RequestError
from verifier.verification.judging import judge

RIGHT = "def backprop(weights, biases, x, y):\n    return 0.0, [], []\n"
FIXED = Assignment("week3.toml", claims={"activations": ["tanh"]})


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "submissions"
    place.mkdir()
    return place


def rows(folder, **options):
    return {row.name: row for row in find_submissions([str(folder)], FIXED, **options)}


def test_every_file_and_folder_is_a_row_and_only_what_is_hidden_is_none(folder):
    for name, text in {"ada.py": RIGHT, "empty.py": "", "notes.txt": "", "grace.ipynb": "{}", ".DS_Store": "", "work.zip": ""}.items():
        (folder / name).write_text(text)
    for name in ("__pycache__", "nothing_in_it", ".git", "node_modules"):
        (folder / name).mkdir()
    found = rows(folder)
    assert set(found) == {"ada", "empty", "notes.txt", "grace", "work.zip", "nothing_in_it", "node_modules"}
    assert {name for name, row in found.items() if isinstance(row, Candidate)} == {"ada", "empty"}
    assert "is no notebook" in found["grace"].why
    assert "an archive" in found["work.zip"].why
    assert found["nothing_in_it"].why == "an empty folder"


def test_a_students_folder_is_one_row_judged_by_the_file_that_defines_the_entry(folder):
    (folder / "ada").mkdir()
    (folder / "ada" / "net.py").write_text(RIGHT)
    (folder / "ada" / "activations.py").write_text("def sigmoid(z):\n    return z\n")
    row = rows(folder)["ada"]
    assert isinstance(row, Candidate)
    assert row.file == folder / "ada" / "net.py"
    assert row.readable == (folder / "ada",)  # it may import its neighbour
    assert row.claims.activations == ("tanh",)


def test_no_more_than_so_much_of_a_folder_is_read_to_find_its_function(folder, monkeypatch):
    monkeypatch.setattr(folders, "MOST_SOURCE", 100_000)
    read = []
    monkeypatch.setattr(submissions, "defined_names", lambda source: read.append(len(source)) or defined_names(source))
    (folder / "ada").mkdir()
    (folder / "ada" / "net.py").write_text(RIGHT)
    for index in range(20):
        (folder / "ada" / f"part{index}.py").write_text("(" * 40_000)  # 3 s a million
    assert rows(folder)["ada"].why.startswith("holds more than 100,000 characters of Python")
    assert sum(read) <= 100_000
    for manifest, judged in {"": False, 'module = "net.py"\n': True}.items():
        (folder / "ada" / "verifier.toml").write_text(manifest)
        assert isinstance(rows(folder)["ada"], Candidate) is judged
    (folder / "ada" / "verifier.toml").unlink()
    monkeypatch.setattr(folders, "MOST_SOURCE", 1 << 40)
    assert isinstance(rows(folder)["ada"], Candidate)
    assert sum(read) > 800_000


def test_two_files_that_define_it_or_none_are_no_candidate_and_the_row_names_them(folder):
    for name, texts in {"two": (RIGHT, RIGHT), "none": ("def back_prop(): pass\n", "x = 1\n")}.items():
        (folder / name).mkdir()
        for index, text in enumerate(texts):
            (folder / name / f"part{index}.py").write_text(text)
    found = rows(folder)
    assert "part0.py, part1.py" in found["two"].why
    assert found["none"].why == "no function `backprop`; part0.py has back_prop; part1.py has x"


def test_of_a_folder_of_layers_the_file_that_has_most_of_them_is_judged(folder):
    layers = "".join(f"def {name}_{way}(*a): pass\n" for name in ("affine", "relu") for way in ("forward", "backward"))
    for name, texts in {
        "ada": {"layers.py": layers, "optim.py": "def sgd(w, dw, config): pass\n"},
        "bob": {"a.py": RIGHT, "b.py": ""},
    }.items():
        (folder / name).mkdir()
        for file, text in texts.items():
            (folder / name / file).write_text(text)
    course = Assignment("week3.toml", contract="layer", claims={"preset": "cs231n"})
    found = {row.name: row for row in find_submissions([str(folder)], course)}
    assert found["ada"].file == folder / "ada" / "layers.py"
    assert found["bob"].why == "none of its files defines what the assignment asks for; a.py has backprop"


def test_the_assignment_may_name_the_entry(folder):
    (folder / "ada").mkdir()
    (folder / "ada" / "a.py").write_text("def gradients(w, b, x, y): pass\n")
    (folder / "ada" / "b.py").write_text("def other(): pass\n")
    (row,) = find_submissions([str(folder)], Assignment("week3.toml", entry="gradients"))
    assert isinstance(row, Candidate)
    assert (row.entry, row.file.name) == ("gradients", "a.py")


def test_names_keep_letters_of_every_script_and_stay_apart(folder):
    for name in ("Zoë.py", "李雷.py", "हिन्दी.py", "ada.py", "ADA"):
        (folder / name).mkdir() if name == "ADA" else (folder / name).write_text(RIGHT)
    names = [row.name for row in find_submissions([str(folder)], FIXED)]
    assert {"Zoë", "李雷", "हिन्दी"} < set(names)
    assert len({name.casefold() for name in names}) == 5


def test_a_name_comes_from_the_path_and_never_from_the_manifest(folder):
    (folder / "aaron.py").write_text('# /// script\n# [tool.verifier]\n# name = "zed"\n# ///\n' + RIGHT)
    assert set(rows(folder)) == {"aaron"}


def test_a_manifest_that_is_wrong_or_says_too_much_is_a_row_and_one_that_says_the_same_is_judged(folder):
    block = "# /// script\n# [tool.verifier]\n# {}\n# ///\n"
    (folder / "more.py").write_text(block.format('losses = ["half_squared_error"]') + RIGHT)
    (folder / "same.py").write_text(block.format('activations = ["tanh"]') + RIGHT)
    (folder / "broken.py").write_text(block.format("activations = [") + RIGHT)
    found = rows(folder)
    assert isinstance(found["same"], Candidate)
    assert '"losses"' in found["more"].why
    assert isinstance(found["broken"], Unjudged)


def test_a_submission_cannot_choose_another_contract_than_the_assignments(folder):
    (folder / "mallory.py").write_text('# /// script\n# [tool.verifier]\n# contract = "layer"\n# ///\n' + RIGHT)
    row = rows(folder)["mallory"]
    assert isinstance(row, Unjudged)
    assert 'manifest key "contract" is "layer"' in row.why


RIGHT_AT_ONE_SIZE = """# /// script
# [tool.verifier]
# contract = "layer"
# forward = "out, cache = relu_forward(x)"
# backward = "dx = relu_backward(dout, cache)"
# arrays = { x = "N D" }
# sizes = { N = 1, D = 1 }
# ///
def relu_forward(x):
    return x * (x > 0), x

def relu_backward(dout, x):
    return dout * (x > 0) * (x.size == 1)
"""


def test_under_a_preset_a_submission_does_not_choose_what_it_is_asked(folder):
    (folder / "mallory.py").write_text(RIGHT_AT_ONE_SIZE)
    (folder / "honest.py").write_text(RIGHT_AT_ONE_SIZE.partition("# ///\n")[2].replace(" * (x.size == 1)", ""))
    (folder.parent / "a.toml").write_text('contract = "layer"\npreset = "cs231n"\n')
    judged = {
        one.report.candidate.name: one.report for one in judge([str(folder)], assignment=str(folder.parent / "a.toml"), profile="quick")
    }
    assert (judged["mallory"].verdict, judged["honest"].verdict) == ("error", "pass")
    assert 'manifest key "forward" must not be in the manifest' in judged["mallory"].summary
    (alone,) = judge([str(folder / "mallory.py")], profile="quick")
    assert alone.report.verdict == "pass"  # where its own manifest counts


def test_a_link_borrows_nobody_elses_file(folder, tmp_path):
    (tmp_path / "solution.py").write_text(RIGHT)
    (folder / "mallory.py").symlink_to(tmp_path / "solution.py")
    (folder / "eve").symlink_to(tmp_path)
    found = rows(folder)
    assert isinstance(found["mallory"], Unjudged)
    assert isinstance(found["eve"], Unjudged)


def test_what_belongs_to_whoever_judges_is_no_submission(folder):
    (folder / "ada.py").write_text(RIGHT)
    (folder / "reports").mkdir()
    (folder / "week3.toml").write_text("")
    found = find_submissions([str(folder)], Assignment(str(folder / "week3.toml")), apart=[str(folder / "reports")])
    assert [row.name for row in found] == ["ada"]


def test_a_pipe_or_an_unreadable_file_is_a_row(folder):
    os.mkfifo(folder / "pipe.py")
    found = rows(folder)
    assert "neither a file nor a folder" in found["pipe"].why


def test_a_path_that_is_not_there_is_the_requests_fault(folder):
    with pytest.raises(RequestError, match="no such file"):
        find_submissions([str(folder / "nobody.py")], FIXED)
    with pytest.raises(RequestError, match="holds no submission"):
        find_submissions([str(folder)], FIXED)
