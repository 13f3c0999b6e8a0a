"""What a user pays for an import, and what comes with the package."""

import subprocess
import sys
from importlib.resources import files

import pytest

HEAVY = ("torch", "hypothesis", "scipy", "matplotlib", "jinja2")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules of a fresh interpreter after this statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "statement", ["import verifier", "import verifier.cli", "import verifier.cli.check", "import verifier; verifier.Report; verifier.check"]
)
def test_an_import_loads_neither_torch_nor_hypothesis(statement):
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_the_measurement_sees_what_is_loaded():
    assert "hypothesis" in loaded_by("import hypothesis")


@pytest.mark.parametrize("statement", ["import verifier", "import verifier.cli"])
def test_an_import_that_judges_nothing_does_not_even_load_numpy(statement):
    assert "numpy" not in loaded_by(statement)


def test_the_contestants_side_loads_nothing_of_the_referees():
    code = "import verifier.worker.__main__, sys; print(*(name for name in sys.modules if name.startswith('verifier.')))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    others = {name for name in loaded if not name.startswith("verifier.worker")}
    assert others <= {"verifier.wire", "verifier.notebook", "verifier.interpreted", "verifier.coarser"}


@pytest.mark.parametrize("name", ["py.typed", "reports/templates/report.html"])
def test_a_file_that_is_no_module_is_packaged(name):
    assert files("verifier").joinpath(name).is_file()
