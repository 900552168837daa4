"""Which video belongs to which camera; real calibrations."""

import json
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.capture import find_capture, read_calibration
from pipeline.capture.plan import write_rig_picture


def write_calibration(folder: Path, *names: str) -> None:
    entry = {"K": [[500, 0, 320], [0, 510, 180], [0, 0, 1]], "R": np.eye(3).tolist()}
    cameras = [{"name": name, **entry, "t": [index, 0, 3]} for index, name in enumerate(names)]
    (folder / "calibration.json").write_text(json.dumps({"cameras": cameras}))


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("videos", "found"),
    [
        (["00_03.mp4", "00_16.mp4"], {"00_03": "00_03.mp4", "00_16": "00_16.mp4"}),
        (["hdVideos/hd_00_03.mp4"], {"00_03": "hd_00_03.mp4"}),
        (["videos/take2-00_16.MOV", "videos/b_00_160.mp4"], {"00_16": "take2-00_16.MOV"}),
        (["hdImgs/00_03/00_03_00000000.jpg", "hdImgs/00_16/a.png"], {"00_03": "00_03", "00_16": "00_16"}),
        (["left.mp4", "right.mp4"], {"00_03": "left.mp4", "00_16": "right.mp4"}),
    ],
)
def test_videos_belong_to_cameras_by_name_or_by_their_order(
    videos: list[str], found: dict[str, str], tmp_path: Path
) -> None:
    write_calibration(tmp_path, "00_03", "00_16")
    for video in videos:
        touch(tmp_path / video)
    capture = find_capture(tmp_path)
    assert {name: path.name for name, path in capture.videos.items()} == found
    assert [camera.name for camera in capture.cameras] == list(found)
    assert capture.missing == tuple(name for name in ("00_03", "00_16") if name not in found)
    assert bool(capture.notes) == ("left.mp4" in videos)
    assert [path.name for path in capture.unmatched] == [Path(v).name for v in videos if "160" in v]


def test_a_camera_without_a_video_cannot_be_chosen(tmp_path: Path) -> None:
    write_calibration(tmp_path, "a", "b")
    touch(tmp_path / "a.mp4")
    capture = find_capture(tmp_path)
    assert [camera.name for camera in capture.choose(["a"])] == ["a"]
    with pytest.raises(InputError, match="camera 'b': it has no video; choose from a"):
        capture.choose(["b"])
    with pytest.raises(InputError, match="camera 'c': the calibration does not know it"):
        capture.choose(["c"])


def test_what_is_no_capture_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_capture(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no calibration"):
        find_capture(tmp_path)
    write_calibration(tmp_path, "cam1", "cam2")
    with pytest.raises(InputError, match="holds no videos"):
        find_capture(tmp_path)
    touch(tmp_path / "left.mp4")
    with pytest.raises(InputError, match=r"no video is named after a camera of calibration.json \(cam1, cam2\)"):
        find_capture(tmp_path)
    touch(tmp_path / "cam1.mp4")
    touch(tmp_path / "old_cam1.mp4")
    with pytest.raises(InputError, match=r"camera cam1 has several videos \(cam1.mp4, old_cam1.mp4\); leave one"):
        find_capture(tmp_path)


def test_the_rig_is_drawn(tmp_path: Path) -> None:
    from PIL import Image

    write_calibration(tmp_path, "a", "b")
    cameras = read_calibration(tmp_path / "calibration.json").cameras
    write_rig_picture(tmp_path / "rig.png", cameras, frozenset({"a"}))
    pixels = np.asarray(Image.open(tmp_path / "rig.png"))
    assert pixels.shape == (720, 1440, 3)
    assert (pixels == (24, 98, 178)).all(axis=-1).any() and (pixels == (170, 172, 180)).all(axis=-1).any()
    bones = np.array([[[0.4, 0.0, 0.0], [0.4, 0.0, 1.7]]])
    write_rig_picture(tmp_path / "people.png", cameras, frozenset(), bones)
    drawn = (np.asarray(Image.open(tmp_path / "people.png")) == (206, 84, 40)).all(axis=-1)
    assert drawn[:, 720:].sum() > 20 * drawn[:, :720].sum() > 0, "upright: a point from above, a line from the side"
