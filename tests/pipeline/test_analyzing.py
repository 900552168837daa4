"""What `analyze` makes of runs and of trajectory files, and how it says what it cannot use."""

import json
from pathlib import Path

import numpy as np
import polars
import pytest
from real_command import ended, start

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.analytics.trajectories import sorted_trajectories
from pipeline.analytics.trajectory_files import write_text
from pipeline.analyzing import Source, analyze_source, find_sources
from pipeline.flow.outputs import read_entries


def write_walk(path: Path) -> Path:
    """Write two people who walk 10 m at 1 m/s, 2 m apart."""
    x = np.tile(np.arange(100) / 10, 2)
    xy = np.stack([x, np.repeat([0.0, 2.0], 100)], axis=1)
    write_text(path, sorted_trajectories(np.repeat([1, 2], 100), np.tile(np.arange(100), 2), xy, 10.0))
    return path


def test_the_command_measures_a_trajectory_file_and_says_where_the_tables_are(tmp_path: Path) -> None:
    write_walk(tmp_path / "walk.txt")
    (tmp_path / "door.json").write_text(json.dumps({"lines": [{"name": "door", "points_m": [[5, -1], [5, 3]]}]}))
    code, out, error = ended(start("analyze", "walk.txt", "--lines", "door.json", folder=tmp_path))
    assert code == 0, error
    assert "mutual gaze: not measurable, because" in out and "out/walk/tables" in out
    folder = tmp_path / "out" / "walk"
    summary = json.loads((folder / "analytics.json").read_text())["summary"]
    assert summary["people"] == 2 and summary["crossings"] == 2
    assert summary["mean_speed_m_s"] == pytest.approx(1.0)
    positions = polars.read_parquet(folder / "tables" / "positions.parquet")
    assert len(positions) == 200 and positions["speed_m_s"].drop_nans().mean() == pytest.approx(1.0)
    groups = polars.read_csv(folder / "tables" / "groups.csv")
    assert not len(groups)  # 2 m apart is no group


def test_an_analysis_is_made_anew_only_if_something_changed_and_leaves_other_files_alone(tmp_path: Path) -> None:
    source = Source(tmp_path / "walk", write_walk(tmp_path / "walk.txt"))
    analyze_source(source, RunSettings(), None, None)
    path = tmp_path / "walk" / "tables" / "positions.parquet"
    before = path.stat().st_mtime_ns
    analyze_source(source, RunSettings(), None, None)
    assert path.stat().st_mtime_ns == before
    analyze_source(source, RunSettings.model_validate({"analytics": {"contact_m": 3.0}}), None, None)
    assert path.stat().st_mtime_ns != before
    entries = read_entries(tmp_path / "walk")
    assert entries is not None and list(entries) == ["analyze"]


@pytest.mark.parametrize("name, message", [("empty", "neither a run's folder"), ("a.mp4", "nor a trajectory file")])
def test_what_is_no_source_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_sources([tmp_path / name], tmp_path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        analyze_source(Source(tmp_path / "out", tmp_path / "gone.txt"), RunSettings(), None, None)
