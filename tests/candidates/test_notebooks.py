"""A notebook is a candidate like a file: read as JSON here, run cell by cell in a worker, and what is wrong stands in a cell."""

import json

import pytest

from verifier.candidates.assignment import Assignment
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.candidates.submissions import find_submissions
from verifier.checking import check
from verifier.errors import RequestError
from verifier.notebook import NotebookError, read_cells

TEXT = "text: # A network"
SETUP = """\
%matplotlib inline
!pip install numpy
import numpy as np
import matplotlib.pyplot as plt
from google.colab import drive
drive.mount('/content')
table = np.loadtxt('no_such_file.csv')
"""
SIGMOID = "def sigmoid(z):\n    return 1 / (1 + np.exp(-z))"
BACKPROP = """\
def backprop(weights, biases, x, y):
    a = [x]
    for w, b in zip(weights, biases):
        a.append(sigmoid(a[-1] @ w.T + b))
    delta = 2 * (a[-1] - y) * a[-1] * (1 - a[-1]) / len(x)
    by_weights, by_biases = [], []
    for l in reversed(range(len(weights))):
        by_weights.insert(0, delta.T @ a[l])
        by_biases.insert(0, delta.sum(axis=0))
        delta = delta @ weights[l] * a[l] * (1 - a[l])
    return np.sum((a[-1] - y) ** 2) / len(x), by_weights, by_biases"""
TRAINING = """\
losses = []
for step in range(10**12):
    losses.append(backprop([np.ones((1, 2))], [np.ones(1)], np.ones((4, 2)), np.ones((4, 1)))[0])
plt.plot(losses)
"""
MANIFEST = '# /// script\n# [tool.verifier]\n# activations = ["sigmoid"]\n# ///\n'


def notebook(*cells, language="python"):
    def cell(text):
        if text.startswith("text: "):
            return {"cell_type": "markdown", "source": [text[6:]]}
        return {"cell_type": "code", "source": text.splitlines(keepends=True), "outputs": [], "execution_count": None}

    return json.dumps({"cells": [cell(text) for text in cells], "metadata": {"language_info": {"name": language}}, "nbformat": 4})


@pytest.fixture
def judged(tmp_path):
    def judged(*cells):
        (tmp_path / "net.ipynb").write_text(notebook(*cells))
        return check(tmp_path / "net.ipynb", profile="quick")

    return judged


def test_what_defines_runs_and_what_trains_plots_or_reads_files_is_left_out_and_said(judged):
    report = judged(TEXT, SETUP, SIGMOID, BACKPROP, TRAINING, "%%bash\nls", "losses[-1]")
    assert report.verdict == "pass", report.summary
    assert [note.message for note in report.notes] == [
        "Only definitions of the notebook were run; what cells 2, 5, 7 would compute, plot or print at the top was left out."
    ]


def test_a_wrong_line_is_named_by_its_cell_and_shown(judged):
    report = judged(TEXT, MANIFEST + SETUP, SIGMOID, BACKPROP.replace(" * a[l] * (1 - a[l])", ""))
    assert report.verdict == "fail"
    line = report.own_lines[0]
    assert line.place.endswith("net.ipynb, cell 4, line 10, in backprop")
    assert line.source == "delta = delta @ weights[l]"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ((SETUP, "def backprop(:\n"), "net.ipynb, cell 2, line 1: SyntaxError: invalid syntax."),
        ((SETUP, "# one\n1 / 0 if True else 2\nx = 1\ny = x[0]"), "net.ipynb, cell 2, line 4: TypeError"),
        (("import nothing_of_this_name", BACKPROP), "net.ipynb, cell 1, line 1: ModuleNotFoundError"),
        ((BACKPROP.replace("a = [x]", "a = [x.nothing]"),), "net.ipynb, cell 1, line 2, in backprop: AttributeError"),
    ],
)
def test_what_a_cell_raises_is_told_with_its_line(judged, cells, said):
    assert said in judged(*cells).summary


def test_what_a_function_needs_is_set_by_the_cell_that_sets_it(judged):
    cells = (
        SETUP,
        SIGMOID + "\nrate = 0.5\nscale = np.float64(2.0)\nunused = 1 / np.zeros(0)[0]",
        BACKPROP.replace("2 * (a", "scale * (a"),
    )
    assert judged(*cells).verdict == "pass"


def test_a_notebook_of_layers_is_judged_by_its_manifest(judged):
    header = (
        '# /// script\n# [tool.verifier]\n# contract = "layer"\n# operation = "affine"\n'
        '# forward = "out, cache = affine_forward(x, w, b)"\n# backward = "dx, dw, db = affine_backward(dout, cache)"\n'
        '# arrays = { x = "N D", w = "D M", b = "M" }\n# ///\n'
    )
    forward = "def affine_forward(x, w, b):\n    return x @ w + b, (x, w, b)"
    backward = "def affine_backward(dout, cache):\n    x, w, b = cache\n    return dout @ w.T, x.T @ dout, dout.sum(axis=0)"
    assert judged(header, forward, backward, "print(affine_forward(1, 2, 3))").verdict == "pass"
    wrong = judged(header, forward, backward.replace("dout.sum(axis=0)", "[][0]"))
    assert "net.ipynb, cell 3, line 3, in affine_backward: IndexError" in wrong.summary


def test_under_an_assignment_a_notebook_is_a_row_with_its_own_name(tmp_path):
    (tmp_path / "ada.ipynb").write_text(notebook(SIGMOID, BACKPROP))
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "work.ipynb").write_text(notebook(BACKPROP))
    (tmp_path / "both").mkdir()
    for name, text in {"net.py": BACKPROP, "tried.ipynb": notebook(BACKPROP)}.items():
        (tmp_path / "both" / name).write_text(text)
    (tmp_path / "cleo.ipynb").write_text("{}")
    rows = {row.name: row for row in find_submissions([str(tmp_path)], Assignment("week.toml"))}
    assert {name for name, row in rows.items() if isinstance(row, Candidate)} == {"ada", "bob", "both"}
    assert rows["both"].file.name == "net.py"
    assert rows["cleo"].why == "is no notebook: its JSON has no list of cells"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("{", "is no notebook: it is not JSON (line 1)"),
        ("[" * 100_000, "too deep"),
        ("{}", "no list of cells"),
        ('{"cells": [3]}', "no list of cells"),
        ('{"cells": [{"cell_type": "code", "source": 3}]}', "source is no text"),
        (notebook(TEXT), "without a code cell"),
        (notebook("x <- 1", language="R"), "is a notebook in R, and Python is judged"),
        (notebook(MANIFEST, "x = 1", MANIFEST), "net.ipynb, cell 3, line 1: a second manifest; the first stands in"),
        (notebook("x = 1", MANIFEST.replace("activations", "activatons")), 'net.ipynb, cell 2, line 3: manifest key "activatons"'),
    ],
)
def test_a_bad_notebook_gives_one_sentence(tmp_path, text, why):
    (tmp_path / "net.ipynb").write_text(text)
    found, errors = find_candidates([str(tmp_path / "net.ipynb")])
    assert not found
    assert len(errors) == 1 and isinstance(errors[0], RequestError)
    assert why in str(errors[0])


def test_in_a_folder_that_is_searched_only_notebooks_that_define_the_entry_count(tmp_path):
    for name, cells in {"net": (BACKPROP,), "plots": ("x = 1",), "mine": (MANIFEST,)}.items():
        (tmp_path / f"{name}.ipynb").write_text(notebook(*cells))
    (tmp_path / "broken.ipynb").write_text("")
    found, errors = find_candidates([str(tmp_path)])
    assert ({candidate.name for candidate in found}, errors) == ({"net", "mine"}, [])


def test_magics_keep_their_lines_and_other_languages_are_no_python():
    cells = read_cells(notebook("x = !ls\nif x:\n    %time f()\ny = 3 % 2", "%%time\ny = 1", "%%html\n<p>", "f?").encode())
    assert [cell.source for cell in cells] == ["x = None\nif x:\n    pass\ny = 3 % 2", "\ny = 1", "\n", "pass"]


def test_notebooks_of_format_three_are_read():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]}], "nbformat": 3}
    assert [cell.source for cell in read_cells(json.dumps(old).encode())] == ["x = 1\ny = 2"]
    with pytest.raises(NotebookError):
        read_cells(json.dumps({"worksheets": []}).encode())
