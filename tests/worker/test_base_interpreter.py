"""A virtual environment whose interpreter lies in a home folder, as pyenv, conda and tool caches have it, with packages of its own.

Its standard library is granted; its packages are not, else a candidate puts their folder on its import path, and what an assignment
forbids or the verifier itself is there. Without that rule the same candidates get through.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.candidates import spawning
from verifier.candidates.zygote import Zygote
from verifier.worker.granting import grants_around, kept_from_candidates

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SWITCHED_OFF = "import verifier.worker.granting as granting\ngranting.kept_from_candidates = lambda packages: frozenset()\n"
IMPORTS = """
    import os, sys
    base = os.path.join(sys.base_prefix, "lib", "{version}", "site-packages")
    sys.path.insert(0, base)
    sys.modules.pop("verifier", None)
    import {module}
    assert {module}.__file__.startswith(base), {module}.__file__
    raise ValueError("breach")
"""


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Callable[..., None]:
    """Have the workers run in an environment above such an interpreter; `customize` runs first in its zygote."""
    real = spawning._clean_environment()

    def make(customize: str = "") -> None:
        base = tmp_path / "home" / ".pyenv" / "versions" / "3"
        library = base / "lib" / VERSION
        library.mkdir(parents=True)
        (base / "bin").mkdir()
        shutil.copy(os.path.realpath(sys.executable), base / "bin" / "python3")
        for entry in Path(os.__file__).parent.iterdir():
            if entry.name not in ("site-packages", "dist-packages"):
                (library / entry.name).symlink_to(entry)
        for package, module in (("torch", "__init__"), ("verifier", "__init__"), ("verifier", "textbook")):
            (library / "site-packages" / package).mkdir(parents=True, exist_ok=True)
            (library / "site-packages" / package / f"{module}.py").write_text("answer = 42\n")
        packages = tmp_path / "venv" / "lib" / VERSION / "site-packages"
        packages.mkdir(parents=True)
        (packages / "same.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
        (packages / "sitecustomize.py").write_text(customize)
        (tmp_path / "venv" / "bin").mkdir()
        (tmp_path / "venv" / "bin" / "python").symlink_to(base / "bin" / "python3")
        (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\ninclude-system-site-packages = false\n")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
        monkeypatch.setattr(spawning, "_clean_environment", lambda: real | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])})

    return make


def tried(start, module: str) -> dict:
    with Zygote(isolation="auto") as zygote:
        worker = start("def backprop():" + IMPORTS.format(version=VERSION, module=module), zygote=zygote, forbid=("torch",))
        if not worker.hello["isolation"]["files"]:
            pytest.skip(worker.hello["isolation"]["reason"])
        return worker.reply()["raised"]


@pytest.mark.parametrize("module", ["torch", "verifier.textbook"])
def test_its_packages_are_not_to_be_read(module, environment, start):
    environment()
    assert tried(start, module)["type"] in ("PermissionError", "ModuleNotFoundError")


@pytest.mark.parametrize("module", ["torch", "verifier.textbook"])
def test_without_that_rule_they_are(module, environment, start):
    environment(SWITCHED_OFF)
    assert tried(start, module)["text"] == "breach"


def test_ordinary_code_runs_above_it(environment, start):
    environment()
    with Zygote(isolation="auto") as zygote:
        source = "import json, decimal, sqlite3, concurrent.futures, numpy.linalg, email.mime.text\ndef backprop():\n    return 3\n"
        assert start(source, zygote=zygote, load_seconds=60.0).value() == 3


FOUND = {
    "a package": "torch/__init__.py",
    "a module": "torch.py",
    "a module without its source": "__pycache__/torch.cpython-311.pyc",
    "an extension": "torch.cpython-311-x86_64-linux-gnu.so",
    "a wheel": "wheels/torch-2.1-py3-none-any.whl",
    "an archive": "torch.zip",
    "another environment": "tools/env/lib/python3.9/site-packages/torch/__init__.py",
    "a folder of no environment": "vendor/parts/torch/__init__.py",
}


@pytest.mark.parametrize("path", FOUND.values(), ids=FOUND.keys())
def test_every_granted_folder_is_searched_for_what_is_forbidden(path, tmp_path, monkeypatch):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    kept = kept_from_candidates(("torch",))
    assert any(file == Path(place) or Path(place) in file.parents for place in kept)
    assert str(tmp_path) not in kept


@pytest.mark.parametrize("path", ["allowed/__init__.py", "allowed/torch.py", "torchvision.py", "torchvision-1.0.whl", "torch.js"])
def test_what_has_another_name_or_is_part_of_a_package_stays(path, tmp_path, monkeypatch):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "__init__.py").touch()
    (tmp_path / path).touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert not [place for place in kept_from_candidates(("torch",)) if place.startswith(str(tmp_path))]


def test_the_library_of_another_python_is_not_granted_module_by_module(tmp_path):
    library = tmp_path / "sdk" / "lib" / "python3.9"
    (library / "site-packages").mkdir(parents=True)
    (library / "os.py").touch()
    (tmp_path / "sdk" / "lib" / "libm.so").touch()
    granted = list(grants_around(str(tmp_path), {str(library / "site-packages")}))
    assert granted == [
        (str(place), reads)
        for place, reads in (
            (tmp_path, False),
            (tmp_path / "sdk", False),
            (tmp_path / "sdk/lib", False),
            (tmp_path / "sdk/lib/libm.so", True),
        )
    ]
