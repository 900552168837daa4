import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from adult_skeleton import rest_joints

from configs.errors import InputError
from dpmesh.training.commands.mocap import main
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.catalogue import COLLECTIONS
from dpmesh.training.mocap.check import limb_errors
from dpmesh.training.mocap.convert import (
    SourceFile,
    convert,
    good_runs,
    parse_source,
    parse_trial_index,
    read_archives,
)
from dpmesh.training.mocap.limits import count_violations
from dpmesh.training.mocap.retarget import posed_joints, retarget
from dpmesh.training.mocap.skeleton import JOINT_INDEX

Writer = Callable[[list[dict]], str]


def write_archive(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def test_the_command_makes_a_bank_of_an_archive(
    cgspeed_bvh: Writer, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    walking = [{"lThigh": (0.0, 20.0 * np.sin(t / 5), 0.0)} for t in range(40)]
    archive = write_archive(
        tmp_path / "a.tar.xz",
        {
            "cmu_bvh_przestr/13_11.bvh": cgspeed_bvh(walking),
            "CMU_trial_index.csv": '"Subject","Trial #","Motion Description"\n13,11,"forward jump"\n',
            "readme.txt": "no motion",
        },
    )
    assert main(["--archive", str(archive), "--output", str(tmp_path / "poses.npz"), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "1 sequences  36 frames  30 fps" in shown and "cmu_bvh_przestr" in shown
    bank = PoseBank.read(tmp_path / "poses.npz")
    assert bank.categories.tolist() == ["run"] and bank.subjects.tolist() == ["CMU013"]
    assert np.allclose(bank.time_s, np.arange(36) / 30)


def test_an_archive_that_cannot_be_read_ends_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "b.tar.xz").write_text("text")
    assert main(["--archive", str(tmp_path / "b.tar.xz"), "--output", str(tmp_path / "poses.npz")]) == 1
    assert "b.tar.xz: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "poses.npz").exists()


def test_an_amc_without_its_skeleton_names_the_skeleton(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.xz", {"cmu_amc_cyun/01_02.amc": ":DEGREES\n"})
    with pytest.raises(InputError, match=r"01\.asf is in none"):
        read_archives([archive])


def test_a_glitch_splits_a_sequence_and_keeps_its_clock(cgspeed_bvh: Writer, tmp_path: Path) -> None:
    frames: list[dict] = [{} for _ in range(34)]
    frames[20] = {"lShldr": (0.0, 0.0, 80.0)}
    archive = write_archive(tmp_path / "a.tar.xz", {"cmu_bvh_przestr/08_01.bvh": cgspeed_bvh(frames)})
    bank = convert(read_archives([archive]), rest_joints())
    assert bank.names.tolist() == ["cmu_bvh_przestr/08_01.bvh", "cmu_bvh_przestr/08_01.bvh#1"]
    assert np.bincount(bank.sequence).tolist() == [16, 13]
    assert bank.time_s[16] == pytest.approx(17 / 30)


def test_nothing_known_is_an_error() -> None:
    with pytest.raises(InputError, match="no motion"):
        convert([], rest_joints())


def test_good_runs_drop_what_is_too_short() -> None:
    bad = np.array([0, 0, 0, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    assert good_runs(bad, 3) == [slice(0, 3), slice(6, 10)]
    assert good_runs(np.ones(4, dtype=bool), 1) == []


def test_the_trial_index_is_read_by_subject_and_trial() -> None:
    assert parse_trial_index('S,T,D\n1,2,"climb, hang"\n,,\n') == {(1, 2): "climb, hang"}
    assert parse_trial_index("") == {}


# Seconds: two archives of 25 MB are unpacked once.
@pytest.fixture(scope="module")
def real_files(test_data: Path) -> dict[str, SourceFile]:
    folder = test_data / "data" / "mocap"
    files: dict[str, SourceFile] = {}
    for file in read_archives([folder / "mocap_developers.tar.xz", folder / "mocap2_dev.tar.xz"]):
        files.setdefault(file.entry.collection.name, file)
    return files


@pytest.mark.slow
@pytest.mark.parametrize("name", [collection.name for collection in COLLECTIONS])
def test_a_recorded_body_keeps_its_limbs_stands_upright_and_bends_right(
    name: str, real_files: dict[str, SourceFile]
) -> None:
    file = real_files[name]
    rest, rig = rest_joints(), file.entry.collection.rig
    source = parse_source(file)
    as_recorded = retarget(source, rig, rest, mend=False)
    for errors in limb_errors(source, rig, as_recorded, rest).values():
        assert np.degrees(errors).mean() < 0.5
    motion = retarget(source, rig, rest)
    bad = count_violations(motion.pose)
    assert bad.knee_backwards == 0.0 and bad.ankle_flipped == 0.0
    assert bad.elbow_backwards < 0.01 and bad.elbow_sideways < 0.02 and bad.knee_sideways < 0.02
    joints = posed_joints(motion.pose, rest)
    rises = joints[:, JOINT_INDEX["head"], 1] - joints[:, JOINT_INDEX["left_ankle"], 1]
    assert np.quantile(rises, 0.9) > 0.8  # a clip of getting up lies for half its time
    assert motion.trans[:, 1].min() > 0.1 and 0.7 < motion.trans[:, 1].max() < 2.5
