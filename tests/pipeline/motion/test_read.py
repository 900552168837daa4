from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.flow.atomic import write_npz
from pipeline.motion.read import read_motion
from pipeline.motion.write import write_motion

AMASS = {
    "poses": np.zeros((3, 156)),
    "trans": np.zeros((3, 3)),
    "betas": np.zeros(16),
    "gender": np.array("female"),
    "mocap_framerate": np.array(120.0),
}


def test_a_plain_amass_file_is_read_with_its_extras_unknown(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", AMASS)
    motion = read_motion(tmp_path / "a.npz")
    assert (motion.layout.name, motion.rate_hz, motion.gender, motion.duration_s) == ("smplh", 120.0, "female", 0.025)
    assert motion.timestamps is None and motion.track_id is None and motion.observed_fraction is None


def test_the_other_spelling_of_the_rate_is_read(tmp_path: Path) -> None:
    arrays = {key: value for key, value in AMASS.items() if key != "mocap_framerate"}
    write_npz(tmp_path / "a.npz", arrays | {"poses": np.zeros((3, 165)), "mocap_frame_rate": np.array(60.0)})
    motion = read_motion(tmp_path / "a.npz")
    assert (motion.layout.name, motion.rate_hz) == ("smplx", 60.0)


def test_a_gender_stored_as_bytes_is_read_as_text(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", AMASS | {"gender": np.array(b"male")})
    assert read_motion(tmp_path / "a.npz").gender == "male"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trans": None}, "trans missing"),
        ({"mocap_framerate": None}, "mocap_framerate or mocap_frame_rate missing"),
        ({"poses": np.zeros((3, 72))}, r"poses has shape \(3, 72\)"),
        ({"poses": np.zeros(156)}, r"poses has shape \(156,\)"),
        ({"trans": np.zeros((2, 3))}, r"trans: got shape \(2, 3\), expected \(3, 3\)"),
        ({"mocap_framerate": np.array(0.0)}, "mocap_framerate is 0.0"),
    ],
)
def test_a_file_that_is_no_motion_is_refused_with_its_fault(tmp_path: Path, changes: dict, message: str) -> None:
    write_npz(tmp_path / "a.npz", {k: v for k, v in (AMASS | changes).items() if v is not None})
    with pytest.raises(InputError, match=message):
        read_motion(tmp_path / "a.npz")


def test_a_missing_file_a_text_and_a_pickle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not a motion")
    np.savez(tmp_path / "pickle.npz", **(AMASS | {"gender": np.array(["neutral"], object)}))
    for name, message in (("none", "no such file"), ("text", "not an .npz"), ("pickle", "holds Python objects")):
        with pytest.raises(InputError, match=message):
            read_motion(tmp_path / f"{name}.npz")


def test_a_damaged_file_is_refused(tmp_path: Path, make_track, stick_body) -> None:
    path = tmp_path / "a.npz"
    write_motion(path, make_track(np.arange(40) / 30), stick_body, rate=Fraction(30), gap_max_s=0.5)
    data = bytearray(path.read_bytes())
    data[200:1200] = bytes(1000)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as a motion file"):
        read_motion(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="truncated"):
        read_motion(path)


def test_pickles_beside_what_is_needed_are_left_alone(tmp_path: Path) -> None:
    names = np.array({"marker": 1}, object)
    np.savez(tmp_path / "walk_stageii.npz", **AMASS, markers_latent_vids=names)
    assert len(read_motion(tmp_path / "walk_stageii.npz").poses) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.full((3, 156), np.nan)}, "poses is not finite"),
        ({"trans": np.full((3, 3), "a")}, "trans is of type <U1"),
        ({"mocap_framerate": np.zeros(4)}, r"mocap_framerate: got shape \(4,\)"),
        ({"track_id": np.zeros(2)}, r"track_id: got shape \(2,\)"),
    ],
)
def test_arrays_that_are_no_motion_are_named(tmp_path: Path, changes: dict, message: str) -> None:
    write_npz(tmp_path / "a.npz", AMASS | changes)
    with pytest.raises(InputError, match=message):
        read_motion(tmp_path / "a.npz")
