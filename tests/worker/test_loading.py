"""A candidate's module is loaded as its author expects, and where it does not load, the hello says why and where."""

import pytest

from verifier.candidates.limits import Limits
from verifier.candidates.session import Target
from verifier.worker.stand_ins import Absent


def test_the_hello_names_the_functions_with_their_lines(start):
    source = """
        from math import exp
        import numpy as np

        class Network: ...

        def backprop(): ...

        def _private(): ...

        def predict(): ...
    """
    functions = start(source).hello["functions"]
    assert functions == {"exp": 0, "backprop": 7, "predict": 11}


def test_a_dotted_entry_finds_all_functions_on_its_object(start):
    source = """
        class Network:
            def backprop(self):
                return 1
            def predict(self):
                return 2
        net = Network()
        def predict():
            return 3
    """
    worker = start(source, entry="net.backprop")
    assert worker.hello["functions"] == {"backprop": 3, "predict": 5}
    assert worker.value({"function": "net.backprop"}) == 1
    assert worker.value({"function": "predict"}) == 2


def test_a_dotted_entry_without_its_object_does_not_load(start):
    hello = start("def backprop(): ...\n", entry="net.backprop").hello
    assert hello["load_error"]["text"] == "entry 'net.backprop': there is no 'net' in candidate0"
    assert hello["functions"] == {}


@pytest.mark.parametrize(
    ("source", "error", "line"),
    [
        ("x = 1\ndef backprop(:\n", "SyntaxError", 2),
        ("x = 1\n1 / 0\n", "ZeroDivisionError", 2),
        ("import not_installed_anywhere\n", "ModuleNotFoundError", 1),
        ("raise SystemExit(2)\n", "SystemExit", 1),
        ("x = 1\n\tx = 2\n", "IndentationError", 2),
        ("open('/etc/shadow')\n", "PermissionError", 1),
    ],
)
def test_a_module_that_raises_is_told_with_its_line(start, source, error, line):
    hello = start(source).hello
    assert (hello["load_error"]["type"], hello["load_error"]["line"]) == (error, line)
    assert hello["load_error"]["file"].endswith("candidate0.py")


def test_a_missing_file_is_a_load_error(zygote, tmp_path):
    with zygote.start(Target(tmp_path / "none.py", None, (tmp_path / "none.py",)), Limits()) as session:
        assert session.hello["load_error"]["type"] == "FileNotFoundError"


@pytest.mark.parametrize("name", ["numpy.py", "random.py", "my-net.py", "1.py"])
def test_a_file_of_any_name_loads_and_shadows_nothing(zygote, tmp_path, name):
    file = tmp_path / name
    file.write_text(
        "import numpy, random, dataclasses\n@dataclasses.dataclass\nclass A: x: 'int' = 1\n"
        "def backprop():\n    return numpy.ones(2) * random.random()\n"
    )
    with zygote.start(Target(file, None, (file,)), Limits()) as session:
        assert session.hello["functions"] == {"backprop": 4}


def test_an_installed_module_is_imported_by_name(zygote):
    with zygote.start(Target(None, module="numpy.linalg", entry="svd"), Limits()) as session:
        assert "svd" in session.hello["functions"]


def test_a_module_below_the_import_root_is_imported_by_name(zygote, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "net.py").write_text("from . import other\ndef backprop():\n    return other.x\n")
    (tmp_path / "package" / "other.py").write_text("x = 5\n")
    with zygote.start(Target(None, tmp_path, (tmp_path,), module="package.net"), Limits()) as session:
        assert session.hello["functions"] == {"backprop": 2}


def test_what_plots_at_the_top_of_a_file_is_loaded_and_draws_nothing(start):
    session = start(
        """
        import matplotlib
        import matplotlib.pyplot as plt
        import seaborn as sns
        from IPython.display import clear_output
        matplotlib.use("TkAgg")
        sns.set_theme()
        figure, (left, right) = plt.subplots(1, 2)
        (line,) = left.plot([1, 2], label="loss")
        counts, edges, patches = plt.hist([1, 2])
        plt.show()
        def backprop(weights, biases, x, y):
            pass
        """
    )
    assert session.hello["functions"] == {"backprop": 12}


def test_a_module_beside_the_file_is_no_library_that_plots(zygote, tmp_path):
    (tmp_path / "plotly.py").write_text("half = 0.5\n")
    file = tmp_path / "net.py"
    file.write_text("from plotly import half\nvalue = 1 / half\ndef backprop(weights, biases, x, y):\n    pass\n")
    with zygote.start(Target(file, tmp_path, (tmp_path,)), Limits()) as session:
        assert session.hello["functions"] == {"backprop": 3}


def test_a_progress_bar_that_is_not_there_gives_what_it_counts():
    bar = Absent("tqdm.tqdm")
    assert list(bar([3, 4], desc="epoch")) == [3, 4]
    assert list(Absent("tqdm.trange")(2, 5)) == [2, 3, 4]


def test_two_workers_draw_the_same_random_numbers(start):
    source = "import random\nimport numpy as np\ndef backprop():\n    return [random.random(), np.random.rand(), float(hash('a') % 1000)]\n"
    assert start(source).value().tolist() == start(source).value().tolist()


def test_a_module_below_a_folder_that_is_not_its_own_is_imported_and_the_rest_stays_closed(zygote, tmp_path):
    """`verifier check package.net` in a working folder: the worker may read the package, and not list what lies beside it."""
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("factor = 5\n")
    (tmp_path / "package" / "inner" / "net.py").write_text(
        "import os\nfrom .. import factor\ndef backprop():\n    return factor\ndef beside():\n    return len(os.listdir('..'))\n"
        f"def list_root():\n    return len(os.listdir({str(tmp_path)!r}))\n"
    )
    (tmp_path / "namespace").mkdir()
    (tmp_path / "namespace" / "net.py").write_text("def backprop():\n    return 6\n")
    call = {"arguments": [], "form": "array"}
    with zygote.start(Target(None, tmp_path, (tmp_path / "package",), module="package.inner.net"), Limits()) as session:
        assert session.ask({"calls": [{"function": "backprop", **call}]}, {}).arrays["a0"] == 5
        reply = session.ask({"calls": [{"function": "list_root", **call}]}, {}).message["results"][0]
        if session.hello["isolation"]["files"]:
            assert reply["raised"]["type"] == "PermissionError"
    with zygote.start(Target(None, tmp_path, (tmp_path / "namespace",), module="namespace.net"), Limits()) as session:
        assert session.ask({"calls": [{"function": "backprop", **call}]}, {}).arrays["a0"] == 6


def test_a_package_that_is_a_folder_candidate_imports_its_own_modules_relatively(zygote, tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .layers import factor\nfrom . import layers\ndef backprop():\n    return factor\n")
    (folder / "layers.py").write_text("factor = 7\n")
    with zygote.start(Target(folder / "__init__.py", folder, (folder,)), Limits()) as session:
        assert "load_error" not in session.hello
        call = {"function": "backprop", "arguments": [], "form": "array"}
        assert session.ask({"calls": [call]}, {}).arrays["a0"] == 7
