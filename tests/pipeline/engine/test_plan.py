"""Tests of `pipeline.engine.plan`."""

import os
from pathlib import Path

from configs.runtime_schema import RuntimeSettings
from configs.schema import RunSettings
from pipeline.engine.manifest import BadRow, Row
from pipeline.engine.plan import plan_units

BASE = RunSettings()


def clip(folder: Path, name: str, content: bytes = b"video") -> str:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    return str(path)


def key(row: Row, base: RunSettings = BASE) -> str:
    units, failures = plan_units([row], base)
    assert not failures
    return units[0].key


def test_a_key_has_the_name_and_changes_with_all_that_the_result_depends_on(tmp_path: Path) -> None:
    source, points = clip(tmp_path, "a.mp4"), clip(tmp_path, "p.json")
    first = key(Row(1, "a", source))
    assert first.startswith("a-") and key(Row(7, "a", source)) == first
    others = [
        Row(1, "a", source, values={"decode.end_s": 2.0}),
        Row(1, "a", source, assignments=("refine.mode=off",)),
        Row(1, "a", source, keypoints=points),
        Row(1, "a", source, sha256="ab"),
        Row(1, "a", clip(tmp_path, "b.mp4", b"other video")),
    ]
    keys = {first, *(key(row) for row in others)}
    assert len(keys) == 1 + len(others)
    clip(tmp_path, "p.json", b"[other]")
    assert key(others[2]) not in keys
    clip(tmp_path, "a.mp4", b"changed")
    assert key(Row(1, "a", source)) not in keys


def test_a_key_does_not_change_with_what_the_result_does_not_depend_on(tmp_path: Path) -> None:
    source, points = clip(tmp_path, "a.mp4"), clip(tmp_path, "p.json")
    row = Row(1, "a", source, keypoints=points)
    busy = RunSettings(runtime=RuntimeSettings(workers=8, threads=2, tries_max=9, cores_per_worker=2))
    assert key(row, busy) == key(row)
    (tmp_path / "moved").mkdir()
    moved = Row(1, "a", clip(tmp_path / "moved", "a.mp4"), keypoints=clip(tmp_path / "moved", "q.json"))
    assert key(moved) == key(row)
    assert key(row, RunSettings(runtime=RuntimeSettings(chunk_frames=7))) != key(row)


def test_rows_that_are_no_units_say_why(tmp_path: Path) -> None:
    rows = [
        BadRow(1, "x", "", "row 1: names no clip"),
        Row(2, "gone", str(tmp_path / "gone.mp4")),
        Row(3, "points", clip(tmp_path, "a.mp4"), keypoints=str(tmp_path / "gone.json")),
        Row(4, "model", clip(tmp_path, "a.mp4"), assignments=("recover.model=nosuch",)),
        Row(5, "good", clip(tmp_path, "a.mp4")),
    ]
    units, failures = plan_units(rows, BASE)
    assert [unit.row.name for unit in units] == ["good"]
    assert [(row.row, row.attempt, row.status, row.unit) for row in failures] == [
        (n, 0, "failed", "") for n in (1, 2, 3, 4)
    ]
    starts = ("row 1: names no clip", "row 2: ", "row 3: ", "row 4: ")
    assert all(row.reason.startswith(start) for row, start in zip(failures, starts, strict=True))
    assert "gone.mp4: no such file" in failures[1].reason and "nosuch" in failures[3].reason
