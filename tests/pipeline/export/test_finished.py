"""Exports of a finished run: where files go, what the run knows of them, what is refused."""

import importlib
import json
import shutil
from pathlib import Path

import pytest
from exported_run import make_run, turning_and_lying

from configs.errors import InputError, RunError, SettingsError
from dpmesh.body.load import load_body
from pipeline.export import bvh, formats
from pipeline.export.finished import export_run
from pipeline.export.write import SCRATCH, ExportChoice
from pipeline.flow.outputs import RunFolder, read_entries
from pipeline.flow.record import read_finished
from pipeline.results import Run

SOME = ("bvh", "csv", "mot")


@pytest.fixture
def run(run_files: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(run_files.path, tmp_path / "clip")
    return RunFolder(tmp_path / "clip")


def test_files_are_in_the_run_and_its_record(run: RunFolder) -> None:
    paths = export_run(run.path, ExportChoice(SOME, people=(1, 4)))
    names = [path.relative_to(run.path).as_posix() for path in paths]
    wanted = ["bvh/person_001.bvh", "bvh/person_004.bvh", "csv/people.csv", "mot/people.txt"]
    assert names == [f"export/{name}" for name in wanted]
    record = read_finished(run.path)
    assert all(len(record.files[name]["sha256"]) == 64 for name in names)
    assert record.files[names[0]]["format"] == "bvh" and "motion/person_001.npz" in record.files
    assert not list(run.path.rglob(SCRATCH))
    assert [person.id for person in Run(run.path)] == [1, 2, 4]


def test_the_same_again_gives_the_same_bytes(run: RunFolder) -> None:
    choice = ExportChoice(("bvh", "glb", "c3d", "csv", "parquet", "trc", "mot"))
    first = {path: path.read_bytes() for path in export_run(run.path, choice)}
    assert {path: path.read_bytes() for path in export_run(run.path, choice)} == first


def test_elsewhere_the_run_knows_nothing_of_it(run: RunFolder, tmp_path: Path) -> None:
    before = run.record.read_bytes()
    (path,) = export_run(run.path, ExportChoice(("csv",)), tmp_path / "library")
    assert path == tmp_path / "library" / "csv" / "people.csv" and run.record.read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is no folder"):
        export_run(run.path, ExportChoice(("csv",)), tmp_path / "file")


def test_a_file_of_the_user_is_not_overwritten(run: RunFolder) -> None:
    mine = run.path / "export" / "csv" / "people.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(RunError, match="no run made this file"):
        export_run(run.path, ExportChoice(("csv",)))
    assert mine.read_text() == "mine"


def test_a_file_that_reads_back_wrong_does_not_count(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = ExportChoice(("bvh",), people=(1,))
    (path,) = export_run(run.path, choice)
    before = path.read_bytes()
    exact = bvh.smooth_angles

    def wrong(*given):  # type: ignore[no-untyped-def]
        return exact(*given) + 1.0

    monkeypatch.setattr(bvh, "smooth_angles", wrong)
    with pytest.raises(RunError, match=r"joints lie up to [0-9.]+ mm off when read back"):
        export_run(run.path, choice)
    assert path.read_bytes() == before and not list(run.path.rglob(SCRATCH))
    entries = read_entries(run.path)
    assert entries is not None and not entries["formats"].fingerprint


def test_a_package_that_is_missing_is_told_before_anything_is_written(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def without_usd(name: str) -> object:
        if name == "pxr":
            raise ModuleNotFoundError("No module named 'pxr'")
        return real(name)

    monkeypatch.setattr(formats.importlib, "import_module", without_usd)
    with pytest.raises(SettingsError, match=r"usd needs the package usd-core .*install the extra: pip install"):
        export_run(run.path, ExportChoice(("csv", "usd")))
    assert not (run.path / "export").exists()


def test_a_capture_has_no_mot_and_says_so_first(tmp_path: Path, of_rig) -> None:
    import numpy as np

    track = turning_and_lying(1, 0, 10, 30.0)
    files = make_run(tmp_path / "capture", [of_rig(track, np.ones((10, 2), bool))], load_body())
    with pytest.raises(InputError, match="several cameras"):
        export_run(files.path, ExportChoice(("csv", "mot")))
    assert not (files.path / "export").exists()
    export_run(files.path, ExportChoice(("csv", "glb")))
    with open(files.path / "export" / "glb" / "people.glb", "rb") as file:
        assert "cameras" not in json.loads(file.read()[20:].split(b"\0")[0].rpartition(b"}")[0] + b"}")


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no run\.json"):
        export_run(tmp_path, ExportChoice(("csv",)))
