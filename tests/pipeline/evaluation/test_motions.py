"""People whose keypoints were simulated, measured against their truth."""

from pathlib import Path

import numpy as np
import pytest
from swaying_people import CLIPS, FRAMES, write_swaying_people
from typer.testing import CliRunner

from configs.errors import InputError
from configs.schema import RecoverSettings
from dpmesh.body import BodyModel, load_body
from pipeline.cli.app import app
from pipeline.evaluation.motions import simulated_people
from pipeline.evaluation.sequences import compare_with_truth
from pipeline.nodes.refine import assemble_track


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def test_a_gap_is_filled_and_measured_and_a_true_motion_has_no_error(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body)
    with np.load(tmp_path / "motion_0000000.npz") as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "motion_0000000.npz", **arrays | {"recovered": arrays["pose"]})
    people = list(simulated_people(tmp_path, body, limit=2))
    assert [person.name for person in people] == ["motion_0000000[0]", "motion_0000000[1]"]
    assert len(people[0].rows.frame_index) == FRAMES - 4
    found = []
    for person in people:
        track = assemble_track(person.rows, body, 0.5, RecoverSettings())
        errors = compare_with_truth(person.name, {"off": [track]}, body, person.truth).by_mode["off"]
        assert len(errors.mpjpe_mm) == FRAMES
        found.append(errors)
    assert found[0].is_filled.sum() == 4 and not found[1].is_filled.any()
    assert found[1].mpjpe_mm.max() < 1.0 and found[1].translation_error_m.max() < 0.01
    assert found[0].mpjpe_mm[~found[0].is_filled].max() < 1.0 < found[0].mpjpe_mm[found[0].is_filled].max()


def test_the_command_tells_one_line_per_way_to_refine(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body)
    told = CliRunner().invoke(app, ["evaluate", "motions", str(tmp_path), "--refine", "off", "--refine", "smooth"])
    assert told.exit_code == 0, told.output
    lines = [line for line in told.output.splitlines() if str(CLIPS * FRAMES) in line]
    assert [line.split("│")[2].strip() for line in lines] == ["off", "smooth"]


def test_shards_that_are_missing_or_of_another_layout_are_named(body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no motion_.*data motion"):
        list(simulated_people(tmp_path, body, limit=9))
    np.savez(tmp_path / "motion_0000000.npz", pose=np.zeros((1, 2, 24, 3), np.float32))
    with pytest.raises(InputError, match=r"motion_0000000.npz: not a shard of simulated motion .*delete this file"):
        list(simulated_people(tmp_path, body, limit=9))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("recovered", np.nan, "recovered is not finite"),
        ("keypoints", np.inf, "keypoints is not finite"),
        ("time_s", 0.0, "time_s does not rise"),
        ("focal_px", 0.0, "focal_px: is 0.0"),
    ],
)
def test_a_clip_that_cannot_be_is_named(body: BodyModel, tmp_path: Path, key: str, value: float, said: str) -> None:
    path = tmp_path / "motion_0000000.npz"
    write_swaying_people(path, body)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[key][1] = value
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"motion_0000000\.npz: not a shard .*motion_0000000\[1\]: {said}"):
        list(simulated_people(tmp_path, body, limit=9))


def test_a_clip_without_frames_is_refused(body: BodyModel, tmp_path: Path) -> None:
    path = tmp_path / "motion_0000000.npz"
    write_swaying_people(path, body)
    with np.load(path) as stored:
        arrays = {name: array[:, :0] if array.shape[1:2] == (16,) else array for name, array in stored.items()}
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"motion_0000000\.npz: not a shard .*motion_0000000\[0\]: holds no frame"):
        list(simulated_people(tmp_path, body, limit=9))
