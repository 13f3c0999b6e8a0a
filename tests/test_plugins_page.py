"""docs/plugins.md: its code is installed as another distribution, and does what the page says."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from verifier.results.report import from_json

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(?:python|toml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of_the_page():
    return dict(BLOCK.findall((ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The page's distribution, made into a wheel and installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugins")
    files = files_of_the_page()
    wheel = write_wheel(folder, files)
    target = folder / "site"
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", target]
    subprocess.run([*words, wheel], check=True)
    (folder / "swish_network.py").write_text(files["swish_network.py"], encoding="utf-8")
    return folder, target


def write_wheel(folder, files):
    """What a build backend makes of the page's pyproject.toml and modules."""
    project = tomllib.loads(files["pyproject.toml"])["project"]
    information = "example_plugins-1.0.dist-info"
    groups = project["entry-points"].items()
    entry_points = "".join(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups)
    content = {name: text for name, text in files.items() if name.startswith("example_plugins/")}
    content["example_plugins/__init__.py"] = ""
    content[f"{information}/METADATA"] = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    content[f"{information}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{information}/entry_points.txt"] = entry_points
    digests = [(name, base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")) for name, text in content.items()]
    content[f"{information}/RECORD"] = "".join(f"{name},sha256={digest.decode()},\n" for name, digest in digests)
    wheel = folder / "example_plugins-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture
def verifier(installed):
    folder, target = installed

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(target)]), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
        words = [sys.executable, "-m", "verifier", *map(str, arguments)]
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_all_of_them_are_listed(verifier):
    listed = verifier("list").stdout
    for name in ("sample-order", "badge.svg", "swish"):
        assert name in listed


def test_the_check_fails_where_only_one_sample_counts_and_passes_where_all_do(verifier):
    wrong = verifier("check", ROOT / "reference_impls/faulty/last_sample_only.py", "--profile", "quick", "--only", "sample-order")
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert "With the samples in another order" in wrong.stdout
    right = verifier("check", ROOT / "reference_impls/correct/vectorised_rows.py", "--profile", "quick")
    assert right.returncode == 0, right.stdout + right.stderr
    assert re.search(r"sample-order +pass", right.stdout)


def test_the_format_is_written_beside_the_report_and_from_it(verifier, installed):
    wrong = ROOT / "reference_impls" / "faulty" / "sign.py"
    verifier("check", wrong, "--profile", "quick", "--only", "autograd", "--format", "badge.svg")
    badge = (installed[0] / "reports" / "sign" / "badge.svg").read_text()
    assert "gradients: fail" in badge
    assert verifier("report", "reports/sign", "--format", "badge.svg").stdout == badge


def test_the_operation_can_be_claimed_and_a_wrong_slope_is_found(verifier, installed):
    folder, _ = installed
    right = verifier("check", "swish_network.py", "--profile", "quick")
    assert right.returncode == 0, right.stdout + right.stderr
    assert "swish" in str(from_json((folder / "reports" / "swish_network" / "report.json").read_bytes()).measurements)
    text = (folder / "swish_network.py").read_text()
    (folder / "swish_wrong.py").write_text(text.replace("(s + zs[layer] * s * (1 - s))", "(s * (1 - s))"))
    wrong = verifier("check", "swish_wrong.py", "--profile", "quick")
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert "autograd" in wrong.stdout


def test_a_plugged_in_check_that_breaks_is_named_and_is_not_the_candidates_fault(verifier, installed):
    module = installed[1] / "example_plugins" / "sample_order.py"
    text = module.read_text()
    module.write_text(text.replace("batches = [", "batches = 1 / 0, ["))
    try:
        done = verifier("check", ROOT / "reference_impls/correct/vectorised_rows.py", "--profile", "quick")
    finally:
        module.write_text(text)
    assert done.returncode == 3
    assert "sample-order" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_without_it_the_activation_is_not_known():
    code = "from verifier.contracts.mlp.claims import claims_from\nclaims_from({'activations': ['swish']})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert 'holds "swish"; allowed' in done.stderr
