"""A report is written again, an index lists runs, and what is not theirs is left alone."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from real_command import ended, start

from configs.errors import InputError, RunError
from pipeline.bench.report import make_run
from pipeline.flow.outputs import read_entries
from pipeline.report.write import report_folder, report_run, write_index


def test_the_same_run_gives_the_same_bytes_and_is_known_to_the_next(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, 1)
    first = report_run(run.path).read_bytes()
    assert report_run(run.path).read_bytes() == first
    entries = read_entries(run.path)
    assert entries is not None and entries["report"].files == {"report.html": len(first)}
    assert not entries["report"].fingerprint and entries["export"].fingerprint == "made"


def test_a_file_of_that_name_that_no_run_made_is_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, 1)
    run.files.report.write_text("my own page")
    with pytest.raises(RunError, match="no run made this file"):
        report_run(run.path)
    (tmp_path / "index.html").write_text("mine, too")
    assert write_index(tmp_path) is None and (tmp_path / "index.html").read_text() == "mine, too"


def test_a_folder_of_runs_gets_their_reports_and_an_index(tmp_path: Path) -> None:
    for name in ("b", "<i>a"):
        make_run(tmp_path / name, 1, 1)
    made = report_folder(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "<i>a/report.html", "b/report.html", "index.html",
    ]  # fmt: skip
    page = made[-1].read_text()
    assert 'href="b/report.html"' in page and "&lt;i&gt;a</a>" in page and "<i>a" not in page


def test_the_section_on_the_crowd_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = SimpleNamespace(crowd_section=lambda folder: f"<section id=crowd>{folder.name}</section>")
    monkeypatch.setitem(sys.modules, "pipeline.analytics", SimpleNamespace(section=section))
    monkeypatch.setitem(sys.modules, "pipeline.analytics.section", section)
    run = make_run(tmp_path / "run", 1, 1)
    assert "<section id=crowd>" not in report_run(run.path).read_text()
    (run.path / "analytics.json").write_text("{}")
    assert "<section id=crowd>run</section>" in report_run(run.path).read_text()


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no run\.json"):
        report_folder(tmp_path)


def test_the_command_says_where_the_page_is_and_what_was_wrong(tmp_path: Path) -> None:
    make_run(tmp_path / "run", 1, 1)
    assert ended(start("report", "run", folder=tmp_path))[:2] == (0, "run/report.html\n")
    code, out, err = ended(start("report", "nowhere", folder=tmp_path))
    assert code == 1 and not out and err.startswith("error: nowhere: holds no run.json")
