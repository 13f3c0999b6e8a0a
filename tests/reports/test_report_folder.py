from types import SimpleNamespace

import msgspec
import pytest

from verifier.reports import folder
from verifier.reports.folder import report_folder, write_folder
from verifier.reports.formats import FORMATS, default_formats
from verifier.results.report import from_json


def test_report_json_is_written_whatever_the_format(passing, tmp_path):
    written = write_folder(passing, None, tmp_path / "deep" / "er", ["html"])
    assert sorted(path.name for path in written) == ["report.html", "report.json"]
    assert from_json((tmp_path / "deep" / "er" / "report.json").read_bytes()) == passing


def test_nothing_of_an_earlier_failure_stays_beside_a_pass(passing, failing, tmp_path):
    write_folder(failing, b"network", tmp_path, default_formats("fail"))
    assert (tmp_path / "counterexample.safetensors").read_bytes() == b"network"
    write_folder(passing, None, tmp_path, default_formats("pass"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_files_of_others_stay(passing, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    write_folder(passing, None, tmp_path, [])
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["..", ".", "../../etc", "a/b", "", "\x00"])
def test_a_name_cannot_leave_the_report_folder(name, tmp_path):
    folder = report_folder(tmp_path, name)
    assert folder.parent == tmp_path
    assert folder.name not in ("", ".", "..")


def test_a_counterexample_cannot_be_written_elsewhere(hostile, tmp_path):
    elsewhere = msgspec.structs.replace(hostile.counterexample, file="../outside.safetensors")
    write_folder(msgspec.structs.replace(hostile, counterexample=elsewhere), b"x", tmp_path / "in", [])
    assert not (tmp_path / "outside.safetensors").exists()


def test_where_a_name_is_taken_as_it_is_it_leads_elsewhere(failing, tmp_path, monkeypatch):
    monkeypatch.setattr(folder.unicodedata, "category", lambda sign: "L")
    assert report_folder(tmp_path / "in", "../../etc").resolve() == tmp_path.parent / "etc"
    elsewhere = msgspec.structs.replace(failing.counterexample, file="../outside.safetensors")
    monkeypatch.setattr(folder, "Path", lambda file: SimpleNamespace(name=file))
    write_folder(msgspec.structs.replace(failing, counterexample=elsewhere), b"x", tmp_path / "in", [])
    assert (tmp_path / "outside.safetensors").exists()


def test_a_link_in_the_place_of_a_report_leads_nowhere(failing, tmp_path, monkeypatch):
    (tmp_path / "others").mkdir()
    for name in ("bob", "reports/alice"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "others")
    write_folder(failing, None, tmp_path / "reports" / "alice", [])
    assert list((tmp_path / "others").iterdir()) == []
    assert from_json((tmp_path / "reports" / "alice" / "report.json").read_bytes()).verdict == "fail"
    with monkeypatch.context() as patch:
        patch.setattr(folder.Path, "is_symlink", lambda self: False)
        write_folder(failing, None, tmp_path / "bob", [])  # the link is followed
    assert (tmp_path / "others" / "report.json").exists()


def test_every_format_writes_every_report(passing, failing, hostile):
    for format in FORMATS.values():
        for report in (passing, failing, hostile):
            assert format.write(report) or (format.name, report.verdict) == ("annotations", "pass")


def test_the_page_is_written_only_where_there_is_something_to_see():
    assert default_formats("pass") == ("markdown",)
    assert default_formats("inconclusive") == ("markdown", "html")
