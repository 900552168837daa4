"""What the tools that read AMASS files do with ours. Each function takes what its tool takes, no more.

Sources: the SMPL-X add-on for Blender (operators.py) and Meshcapade's (meshcapade_addon/operators.py), aitviewer
(renderables/smpl.py), mmhuman3d (AmassConverter), PHC (process_amass_raw.py, convert_amass_data.py), ProtoMotions
(data/scripts/convert_amass_to_proto.py), HumanML3D (raw_pose_processing.ipynb) and GMR (utils/smpl.py).
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.flow.outputs import RunFolder
from pipeline.motion.posing import joint_positions
from pipeline.motion.write import write_motion

FRAMES = 24


@pytest.fixture
def wanted(make_track, stick_body) -> np.ndarray:
    """Joints (24, 24, 3) in the Z-up world of the motion that `files` hold."""
    track = make_track(np.arange(FRAMES) / 30)
    joints = joint_positions(stick_body, track.pose, track.betas, track.trans)
    return np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], axis=-1)


@pytest.fixture
def files(tmp_path: Path, make_track, stick_body) -> dict[str, Path]:
    """The same motion in both layouts at 30 Hz, in the folders that dataset readers walk."""
    folder = tmp_path / "CMU" / "clip"
    paths = {"smplh": folder / "person_001.npz", "smplx": tmp_path / "CMU_x" / "clip" / "person_001.npz"}
    for layout, path in paths.items():
        write_motion(
            path, make_track(np.arange(FRAMES) / 30), stick_body, layout=layout, rate=Fraction(30), gap_max_s=0.5
        )
    return paths


def posed(body, root: np.ndarray, body_pose: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Return the joints that a tool gets which fills a SMPL body with root (N, 3) and body pose (N, 63)."""
    pose = np.concatenate([root, body_pose, np.zeros((len(root), 6))], axis=-1).reshape(-1, 24, 3)
    return joint_positions(body, pose, betas[:10], trans)


@pytest.mark.parametrize(("layout", "joints_in_model"), [("smplx", 55), ("smplh", 52)])
def test_blender_add_on_takes_the_file_at_its_default_rate(
    files: dict[str, Path], stick_body, wanted: np.ndarray, layout: str, joints_in_model: int
) -> None:
    target_rate = 30
    with np.load(files[layout]) as data:  # its call: pickled arrays would raise
        assert {"trans", "gender", "betas", "poses"} <= set(data.files)
        key = "mocap_frame_rate" if "mocap_frame_rate" in data.files else "mocap_framerate"
        rate = int(data[key])
        assert rate >= target_rate and rate / target_rate == rate // target_rate  # else it refuses, or plays too fast
        assert str(data["gender"]) in ("female", "male", "neutral")
        poses = data["poses"]
        assert poses.shape[1] == 3 * joints_in_model
        # It turns the root by -90 degrees about x on the way into its Y-up armature, and the armature back by +90.
        joints = posed(stick_body, poses[:, :3], poses[:, 3:66], data["betas"], data["trans"])
        assert len(data["betas"]) >= 10 and data["betas"].ndim == 1
    np.testing.assert_allclose(joints, wanted, atol=1e-4)


def test_aitviewer_slices_the_smplh_file_right(files: dict[str, Path], stick_body, wanted: np.ndarray) -> None:
    data = np.load(files["smplh"])
    assert data["gender"].item() == "neutral"
    assert f"{data['mocap_framerate']}" == "30.0" and data["betas"].shape[0] == 16
    poses, frames = data["poses"], len(data["poses"])
    body_end = 3 + 63
    hands = poses[:, body_end : body_end + 45], poses[:, body_end + 45 :]
    assert [part.shape for part in hands] == [(frames, 45), (frames, 45)]
    joints = posed(stick_body, poses[:, :3], poses[:, 3:body_end], data["betas"], data["trans"])
    np.testing.assert_allclose(joints, wanted, atol=1e-4)


def test_mmhuman3d_walks_the_folder_and_thins_to_10_hz(files: dict[str, Path], stick_body, wanted: np.ndarray) -> None:
    dataset = files["smplh"].parents[2]
    found = sorted(dataset.glob("CMU/*/*.npz"))
    assert files["smplh"] in found and not any(path.name.endswith("shape.npz") for path in found)
    data = np.load(files["smplh"])
    step = int(data["mocap_framerate"]) // 10
    assert step == 3
    left, right = np.split(data["poses"][:, 66:], [45], axis=1)
    assert left.reshape(-1, 15, 3).shape == right.reshape(-1, 15, 3).shape == (FRAMES, 15, 3)
    betas = data["betas"][:10].reshape(-1, 10)
    joints = posed(stick_body, data["poses"][::3, :3], data["poses"][::3, 3:66], betas[0], data["trans"][::3])
    np.testing.assert_allclose(joints, wanted[::3], atol=1e-4)


def test_phc_finds_its_keys_and_the_24_joints_it_picks(files: dict[str, Path], stick_body, wanted: np.ndarray) -> None:
    data = dict(np.load(files["smplh"]))
    assert {"betas", "dmpls", "gender", "mocap_framerate", "poses", "trans"} <= set(data)
    picked = [*range(22), 22, 37]  # the first joint of each hand stands in for SMPL's hands
    pose = data["poses"].reshape(-1, 52, 3)[:, picked]
    np.testing.assert_allclose(joint_positions(stick_body, pose, data["betas"][:10], data["trans"]), wanted, atol=1e-4)


@pytest.mark.parametrize("layout", ["smplh", "smplx"])
def test_gmr_reads_the_split_poses_in_its_body_mode(
    files: dict[str, Path], stick_body, wanted: np.ndarray, layout: str
) -> None:
    data = np.load(files[layout], allow_pickle=True)
    assert "left_hand_pose" not in data.files  # its sign of another data set with other hands
    assert data["mocap_frame_rate"].item() == 30.0
    assert data["betas"].shape == (16,) and str(data["gender"]) == "neutral"
    assert data["pose_body"].shape == (FRAMES, 63)
    joints = posed(stick_body, data["root_orient"], data["pose_body"], data["betas"], data["trans"])
    np.testing.assert_allclose(joints, wanted, atol=1e-4)


def test_human_body_prior_finds_every_part_of_the_pose(files: dict[str, Path]) -> None:
    data = np.load(files["smplh"])
    parts = [data["root_orient"], data["pose_body"], data["pose_hand"]]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), data["poses"])
    assert [part.shape[1] for part in parts] == [3, 63, 90]
    assert data["dmpls"].shape == (FRAMES, 8) and data["mocap_framerate"] == 30.0


def test_smplx_file_is_cut_into_jaw_eyes_hands_in_that_order(files: dict[str, Path]) -> None:
    data = np.load(files["smplx"])
    parts = [data[key] for key in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), data["poses"])


def test_rate_is_never_left_to_a_readers_guess(files: dict[str, Path]) -> None:
    # One converter assumes 30 in silence if its spelling is missing, so both are there, in both layouts, and agree.
    for path in files.values():
        data = np.load(path)
        assert data["mocap_frame_rate"] == data["mocap_framerate"] == 30.0
        assert data["mocap_time_length"] == pytest.approx(len(data["poses"]) / 30)


def add_on_step(rate: float, target: int = 30) -> int:
    """Return by how much Blender's add-ons thin a file; `ValueError` where they refuse it."""
    if int(rate) < target:
        raise ValueError("refused")
    return int(rate) // target


def phc_step(rate: float) -> int:
    """Return by how much PHC thins a file; `ValueError` where numpy refuses a step of nothing."""
    step = int(rate / 30)
    len(np.zeros(100)[::step])
    return step


def proto_rate(rate: float) -> int:
    """Return the rate that ProtoMotions thins a file to."""
    whole = round(rate)
    return min((d for d in range(1, whole + 1) if whole % d == 0 and d >= 30), default=whole)


def humanml_step(rate: float) -> int:
    """Return by how much HumanML3D thins a file, which it then takes for one of 20 Hz."""
    return int(rate / 20)


def mmhuman_step(rate: float) -> int:
    """Return by how much mmhuman3d thins a file, which it then takes for one of 10 Hz."""
    return int(rate) // 10


RATES = {"24": 24.0, "25": 25.0, "29.97": 30000 / 1001}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_a_file_at_the_rate_of_its_video_is_refused_or_played_wrong_by_some(rate: float) -> None:
    with pytest.raises(ValueError, match="refused"):
        add_on_step(rate)
    assert add_on_step(rate, int(rate)) == 1  # with the target lowered
    with pytest.raises(ValueError, match="zero"):
        phc_step(rate)
    assert proto_rate(rate) == round(rate)
    assert humanml_step(rate) == 1 and mmhuman_step(rate) == 2
    assert rate / mmhuman_step(rate) > 11.9  # taken for 10 Hz


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_by_default_the_file_of_such_a_video_has_30_samples_per_second(
    tmp_path: Path, make_track, stick_body, rate: float
) -> None:
    path = tmp_path / "person_001.npz"
    write_motion(path, make_track(np.arange(50) / rate), stick_body, rate=Fraction(30), gap_max_s=0.5)
    data = np.load(path)
    found = data["mocap_framerate"].item()
    assert found == 30.0 and len(data["poses"]) == int(49 / rate * 30 + 1e-6) + 1
    assert add_on_step(found) == phc_step(found) == 1
    assert proto_rate(found) == 30 and found / mmhuman_step(found) == 10
    assert round(len(data["poses"]) / found * found) == len(data["poses"])  # who checks the length against the rate


@pytest.mark.parametrize(("rate", "wanted"), [(20, 20.0), (60, 20.0), (30, 30.0)])
def test_humanml3d_wants_multiples_of_20(rate: int, wanted: float) -> None:
    assert rate / humanml_step(rate) == wanted


def test_protomotions_walks_each_folder_and_finds_one_layout(files: dict[str, Path], tmp_path: Path) -> None:
    def walk(root: Path) -> list[Path]:
        folders = [root, *(each for each in root.iterdir() if each.is_dir() and "smpl" not in each.name)]
        found = {path for folder in folders for path in folder.glob("**/*.[np][pk][lz]")}
        return sorted(path for path in found if path.name != "shape.npz" and "stagei.npz" not in path.name)

    for layout, width in (("smplh", 156), ("smplx", 165)):
        (path,) = walk(files[layout].parents[1])
        poses = np.load(path)["poses"]
        assert poses.shape[1] == width and len(poses) >= 2
    assert RunFolder(tmp_path).track(1).parent != RunFolder(tmp_path).track(1, "smplx").parent
    assert "smpl" not in RunFolder(tmp_path).track(1, "smplx").parent.name


@pytest.mark.parametrize("layout", ["smplh", "smplx"])
def test_meshcapades_add_on_finds_a_rate_by_any_of_its_names(files: dict[str, Path], layout: str) -> None:
    with np.load(files[layout]) as data:
        rate = next(data[key] for key in ("mocap_frame_rate", "mocap_framerate", "fps") if key in data.files)
        assert int(rate) == 30
        joints = data["poses"].shape[1] // 3
        assert joints == {"smplh": 52, "smplx": 55}[layout]  # the user picks; with the other pick it ends at bone 52


def test_newer_gmr_counts_the_betas(files: dict[str, Path]) -> None:
    data = np.load(files["smplh"])
    assert int(data["num_betas"]) == len(data["betas"]) == 16
