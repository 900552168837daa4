import sys
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.training.make_crowd import main as make_crowd
from trackers.bench.__main__ import main
from trackers.bench.clips import Boxes, filled, read_clips
from trackers.bench.search import GRIDS, settings_to_try
from trackers.bench.stream import main as stream


def _line(frames: list[int], identity: int = 1) -> Boxes:
    low = np.array(frames, float)[:, None] * [10.0, 0.0]
    return Boxes(
        np.array(frames), np.full(len(frames), identity), np.concatenate([low, low + np.array([40, 100])], axis=1)
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    assert make_crowd([str(folder), "--densities", "sparse", "--clips", "1", "--frames", "40"]) == 0
    return folder


def test_short_gaps_are_filled_on_a_straight_line_and_none_over_a_cut() -> None:
    seen = _line([0, 1, 2, 6, 20])
    full = filled(seen, 5, np.zeros(0, int))
    assert full.frame_index.tolist() == [0, 1, 2, 3, 4, 5, 6, 20]
    np.testing.assert_allclose(full.boxes_xyxy[:, 0], full.frame_index * 10.0)
    assert filled(seen, 5, np.array([4])).frame_index.tolist() == [0, 1, 2, 6, 20]


def test_trackeval_gives_full_marks_to_the_truth_and_counts_a_switch() -> None:
    pytest.importorskip("trackeval")
    from trackers.bench.score import measure

    truth = _line(list(range(10)))
    assert measure([(truth, truth, 10)]) == {"HOTA": 100.0, "IDF1": 100.0, "MOTA": 100.0, "switches": 0.0}
    exchanged = Boxes(truth.frame_index, np.where(np.arange(10) < 5, 1, 2), truth.boxes_xyxy)
    values = measure([(truth, exchanged, 10)])
    assert values["switches"] == 1
    assert values["IDF1"] == pytest.approx(50.0)


def test_the_bench_prints_a_row_per_density_and_truth(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trackeval")
    (tmp_path / "tune").symlink_to(clips)
    assert main(["--clips", str(clips), "--tune", str(tmp_path), "--trials", "1"]) == 1  # no clip in it
    other = tmp_path / "other"
    assert make_crowd([str(other), "--densities", "sparse", "--clips", "1", "--frames", "20", "--seed", "9"]) == 0
    assert main(["--clips", str(clips), "--tune", str(other), "--trials", "1", "--only", "dpmesh-video"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "dpmesh-video" in line]
    assert [row.split(" | ")[:2] for row in rows] == [["| sparse", "visible"], ["| sparse", "all"]]
    assert all(float(row.split(" | ")[3]) > 50 for row in rows)


def test_tuning_on_the_clips_that_are_measured_is_refused(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--clips", str(clips), "--tune", str(clips)]) == 2
    assert "clips of other seeds" in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_told(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    assert make_crowd([str(other), "--densities", "sparse", "--clips", "1", "--frames", "20", "--seed", "9"]) == 0
    options = ["--clips", str(clips), "--tune", str(other), "--peers", sys.executable, "--only", "norfair"]
    assert main(options) == 1
    assert "norfair: ModuleNotFoundError" in capsys.readouterr().err


def test_every_search_begins_with_the_defaults_and_tries_nothing_twice() -> None:
    for name, grid in GRIDS.items():
        tried = settings_to_try(name, 6)
        assert tried[0] == {key: values[0] for key, values in grid.items()}
        assert len({str(sorted(settings.items())) for settings in tried}) == 6


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip in it"):
        read_clips(tmp_path)


def test_a_stream_is_told_part_by_part(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream([str(clips / "sparse_crossing_1"), "--minutes", "0.2"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 0")]
    assert len(rows) == 10
    assert stream([str(clips)]) == 1
    assert "holds no detections.npz" in capsys.readouterr().err
