"""Makes the gallery: one page for each kind of result, as `verifier check --profile quick` writes it, and an index of them.

    python reports/gallery/build.py [--screenshots]

Candidates whose library is not installed keep the page that is there. tests/journeys/test_gallery.py holds that verdicts, statuses and
sections are up to date; figures in the last bits differ between processors.
"""

import importlib.util
import io
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from verifier.reports.html import write
from verifier.reports.markdown import MARKS, code, escape, table
from verifier.reports.terminal import show
from verifier.reports.wording import NOTHING
from verifier.results.baseline import failing_checks
from verifier.results.report import Report, from_json

GALLERY = Path(__file__).parent
ROOT = GALLERY.parents[1]
IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Entry:
    """A candidate of the gallery: its path below reference_impls, without its ending; `library` is what it needs."""

    path: str
    library: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def file(self) -> Path:
        file = ROOT / "reference_impls" / f"{self.path}.py"
        return file if file.exists() else file.with_suffix("")

    @property
    def page(self) -> Path:
        return GALLERY / f"{self.name}.html"


LAYERS = (
    *("batchnorm_half_variance", "conv_slice_without_padding", "pool_last_window", "pool_ties_doubled"),
    "svm_without_regularisation",
)


def _faulty(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"faulty/{name}") for name in names)


SECTIONS: Mapping[str, tuple[Entry, ...]] = {
    "Published implementations": (
        Entry("third_party/sklearn_several_outputs", "sklearn"),
        Entry("third_party/sklearn_one_output", "sklearn"),
        Entry("third_party/micrograd_mlp", "micrograd"),
        Entry("third_party/autograd_mlp", "autograd"),
        Entry("third_party/autograd_engine", "autograd"),
    ),
    "The worked example": (Entry("worked_example/squared_error"), Entry("worked_example/half_squared_error")),
    "Right": (Entry("correct/vectorised_rows"), Entry("correct/epsilon_in_loss")),
    "A factor or a sign": _faulty("factor_two", "factor_batch", "sign"),
    "A derivative of the activation": _faulty(
        "no_output_derivative",
        "no_hidden_derivative",
        "relu_derivative_one",
        "tanh_derivative_tanh",
        "sigmoid_derivative_of_activation",
        "softmax_diagonal_jacobian",
    ),
    "What goes down, and through what": _faulty("untransposed_weights", "next_layer_weights", "updated_before_propagated"),
    "Weight and bias gradients": _faulty("outer_product_transposed", "bias_averaged", "bias_one_number", "last_sample_only"),
    "Regularisation and clipping": _faulty("l2_on_biases", "l2_not_in_gradient", "clipped_by_norm"),
    "State and arguments": _faulty("forward_state_never_stored", "accumulated_between_calls", "stale_activations", "mutates_inputs"),
    "Another network, another precision": _faulty("another_forward_pass", "single_precision"),
    "Steps and stages": _faulty("update_with_momentum", "wrong_deltas", "wrong_predict"),
    "Layers": tuple(Entry(f"layers/faulty/{name}") for name in LAYERS),
}
ENTRIES = tuple(entry for entries in SECTIONS.values() for entry in entries)


def installed(entry: Entry) -> bool:
    return not entry.library or importlib.util.find_spec(entry.library) is not None


def judge(folder: Path, entries: Sequence[Entry] = ENTRIES) -> dict[str, Report]:
    """The reports of those that can be judged here, by the entry's path."""
    wanted = [entry for entry in entries if installed(entry)]
    paths = [str(entry.file.relative_to(ROOT)) for entry in wanted]
    command = [sys.executable, "-m", "verifier", "check", *paths, "--profile", "quick", "--format", "json", "--report-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    found = {report.candidate.path: report for report in (from_json(file.read_bytes()) for file in folder.glob("*/report.json"))}
    return {entry.path: without_place(found[path]) for entry, path in zip(wanted, paths, strict=True)}


def without_place(report: Report) -> Report:
    """The report without the folders that this project and Python happen to stand in: what a candidate prints may name files."""
    printed = report.printed.replace(f"{ROOT}/", "").replace(f"{sysconfig.get_path('purelib')}/", "")
    return msgspec.structs.replace(report, printed=printed)


def index(reports: Mapping[str, Report]) -> str:
    """The gallery's README; a row of what was not judged here is taken from the one that is there."""
    before = (GALLERY / "README.md").read_text(encoding="utf-8").split("\n") if (GALLERY / "README.md").exists() else []
    blocks = [
        "# Gallery",
        "Pages as `verifier check --profile quick` writes them; open one in a browser. Made by `python reports/gallery/build.py`.",
    ]
    for title, entries in SECTIONS.items():
        rows = [
            _row(entry, reports[entry.path]) if entry.path in reports else next(line for line in before if f"({entry.page.name})" in line)
            for entry in entries
        ]
        lines = table(("candidate", "verdict", "failing checks", "mistake", "equation"), [], "lllll").split("\n")
        blocks += [f"## {title}", "\n".join([*lines, *rows])]
    return "\n\n".join(blocks) + "\n"


def _row(entry: Entry, report: Report) -> str:
    best = report.diagnosis[0] if report.diagnosis else None
    cells = (
        f"[{escape(entry.name)}]({entry.page.name})",
        f"{MARKS[report.verdict]} {report.verdict}",
        ", ".join(map(code, failing_checks(report))) or NOTHING,
        code(best.fault) if best else NOTHING,
        code(best.equation) if best and best.equation else NOTHING,
    )
    return table(cells, [], "lllll").split("\n")[0]


def draw_terminal(report: Report, name: str) -> None:
    """What a terminal of 80 columns shows of a report, as a picture for the tutorial."""
    console = Console(record=True, width=80, file=io.StringIO(), markup=False, emoji=False, highlight=False)
    show(report, console)
    text = console.export_svg(title=f"verifier watch {report.candidate.name}.py", unique_id=name)
    (IMAGES / f"{name}.svg").write_text("".join(f"{line.rstrip()}\n" for line in text.split("\n")), encoding="utf-8")


def photograph() -> None:
    """The screenshots of the README, by the browser of the tests."""
    place = ROOT / "tests" / "reports" / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_of_the_tests", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = module.Browser(module.chromium(), Path(profile))
        for name, page, selector, scheme in (
            ("sklearn-light", "sklearn_several_outputs", "", "light"),
            ("sklearn-dark", "sklearn_several_outputs", "", "dark"),
            ("errors", "sklearn_several_outputs", "#errors", "light"),
        ):
            browser.show(width=1100, height=1000, scheme=scheme)
            browser.open(GALLERY / f"{page}.html")
            if selector:
                browser.evaluate(f"document.querySelector('{selector}').scrollIntoView({{behavior: 'instant'}})")
            browser.picture(IMAGES / f"{name}.png", whole=False)
        browser.close()


def main() -> None:
    """Make all pages and the index anew."""
    with tempfile.TemporaryDirectory() as folder:
        reports = judge(Path(folder))
    for entry in ENTRIES:
        if entry.path in reports:
            entry.page.write_text(write(reports[entry.path]), encoding="utf-8")
    (GALLERY / "README.md").write_text(index(reports), encoding="utf-8")
    if "--screenshots" in sys.argv[1:]:
        draw_terminal(reports["faulty/no_hidden_derivative"], "first-fail")
        draw_terminal(reports["correct/vectorised_rows"], "first-pass")
        photograph()


if __name__ == "__main__":
    main()
