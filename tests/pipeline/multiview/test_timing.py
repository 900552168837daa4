"""Which offset a camera gets, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview import timing as module
from pipeline.multiview.synchronise import Lag
from pipeline.multiview.timing import check_offsets, read_offsets, time_cameras
from pipeline.multiview.views import View, view_of

FRAMES, RATE_HZ = 20, 30.0


@pytest.fixture(scope="module")
def views() -> list[View]:
    walkers = Walkers(load_body(None), 1, FRAMES)
    return [view_of(camera, walkers.seen_by(camera, [[1] * FRAMES])) for camera in cameras_round(5)]


def test_only_what_is_sure_and_matters_moves_a_camera(views: list[View], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [(0.0, 0.0), (7.0, 0.05), (0.1, 0.01), (0.4, 0.2), (9.0, 0.6)]
    lags = [Lag(offset / RATE_HZ, sigma / RATE_HZ) for offset, sigma in frames]
    monkeypatch.setattr(module, "find_lags", lambda _: lags)
    timing = time_cameras(views, [RATE_HZ] * 5, "auto")
    assert [round(RATE_HZ * each.offset_s, 6) for each in timing.cameras] == [0.0, 7.0, 0.0, 0.0, 0.0]
    assert timing.lines == [
        "camera cam1: +7.00 frames (+0.2333 s), sure to 0.05 frames",
        "camera cam4: its offset cannot be told (+9.00 frames (+0.3000 s), sure to 0.60 frames); taken as it is",
    ]
    placed = timing.place(views)
    assert np.array_equal(placed[0].rows.keypoints, views[0].rows.keypoints)
    assert np.array_equal(placed[1].rows.frame_index, np.arange(FRAMES - 7))
    records = timing.records()
    assert records["cam1"].offset_frames == pytest.approx(7.0) and records["cam2"].found_s == pytest.approx(0.1 / 30)
    lags[0] = Lag(0.0, float("inf"), "nobody moves enough")
    timing = time_cameras(views, [RATE_HZ] * 5, "auto")
    assert timing.lines[0] == "camera cam0: its offset cannot be told: nobody moves enough; taken as it is"
    assert timing.records()["cam0"].sigma_s is None


def test_offsets_are_taken_from_a_file_in_frames_of_the_video_or_seconds(views: list[View], tmp_path: Path) -> None:
    path = tmp_path / "sync.json"
    path.write_text('{"cam1": {"frames": 5}, "cam2": {"seconds": -0.1}, "other": {"frames": 1}}')
    timing = time_cameras(views[:3], [RATE_HZ, 25.0, RATE_HZ], str(path))
    assert timing.rate_hz == RATE_HZ and [each.offset_s for each in timing.cameras] == [0.0, 0.2, -0.1]
    assert "as told" in timing.lines[0]
    assert [each.offset_s for each in time_cameras(views, [RATE_HZ] * 5, "off").cameras] == [0.0] * 5
    assert not time_cameras(views, [RATE_HZ] * 5, "off").lines


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "not a table of offsets"),
        ("{}", "not a table of offsets"),
        ('{"cam1": 7}', "offset of cam1 is 7; give"),
        ('{"cam1": {"frames": true}}', "offset of cam1 is"),
        ('{"cam1": {"minutes": 1}}', "offset of cam1 is"),
        ('{"cam1": {"frames": 1, "seconds": 1}}', "offset of cam1 is"),
        ('{"cam1": {"seconds": 1e9}}', "offset of cam1 is 1e.09 seconds, too much"),
        ("{", "not readable as JSON"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "sync.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_offsets(path, {"cam0": 30.0, "cam1": 30.0})


def test_a_file_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sync\.json"):
        check_offsets(str(tmp_path / "sync.json"), cameras_round(2))
    check_offsets("auto", cameras_round(2))
    (tmp_path / "sync.json").write_text('{"cam1": {"frames": 1}, "cam7": {"frames": 1}}')
    check_offsets(str(tmp_path / "sync.json"), cameras_round(2))
    with pytest.raises(InputError, match=r"names none of the cameras \(cam0\)"):
        check_offsets(str(tmp_path / "sync.json"), cameras_round(1))
    assert read_offsets(tmp_path / "sync.json", {"cam0": 30.0}) == {}, "the view that it names could not be used"
