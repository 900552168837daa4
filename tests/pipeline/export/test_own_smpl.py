"""Motion files for another SMPL-format body, from a run of the open body."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from configs.errors import SettingsError
from dpmesh.body.load import read_structure
from pipeline.export.own_smpl import export_with_smpl
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import read_finished
from pipeline.motion.read import read_motion


@pytest.fixture
def smpl_file(tmp_path: Path) -> Path:
    """The open body's file with its shape directions the other way round, as a file of the user's."""
    body = read_structure()
    path = tmp_path / "SMPL_FEMALE.npz"
    names = list(body.landmarks)
    np.savez(
        path,
        v_template=body.v_template,
        shapedirs=body.shapedirs[..., ::-1],
        posedirs=body.posedirs,
        J_regressor=body.joint_regressor,
        weights=body.weights,
        f=body.faces,
        kintree_table=body.kintree_table,
        landmark_names=np.array(names),
        landmark_vertices=np.array([list(body.landmarks[name]) for name in names]),
        landmark_weights=np.array([list(body.landmarks[name].values()) for name in names], np.float32),
    )
    return path


def test_betas_are_those_of_the_users_body(run_files: RunFolder, smpl_file: Path, tmp_path: Path) -> None:
    shutil.copytree(run_files.path, tmp_path / "clip")
    run = RunFolder(tmp_path / "clip")
    (file,) = export_with_smpl(run.path, smpl_file, (2,))
    assert file.fit.error_mm < 0.2 and file.posed_error_mm < 0.5
    assert file.path == run.path / "export" / "amass" / "person_002.npz"
    assert "export/amass/person_002.npz" in read_finished(run.path).files
    before, after = read_motion(run.track(2)), read_motion(file.path)
    np.testing.assert_allclose(after.betas[:10], before.betas[:10][::-1], atol=0.05)
    assert (after.gender, after.body_model, after.rate_hz) == ("female", "SMPL_FEMALE", 30.0)
    with np.load(run.track(2)) as old, np.load(file.path) as new:
        assert set(old.files) < set(new.files)
        assert np.linalg.norm(new["joints_world"] - old["joints_world"], axis=-1).max() < 0.005
        assert float(new["smpl_fit_error_mm"]) == pytest.approx(file.fit.error_mm)


def test_a_run_of_a_smpl_needs_no_fit(run_files: RunFolder, smpl_file: Path, tmp_path: Path) -> None:
    shutil.copytree(run_files.path, tmp_path / "clip")
    record = tmp_path / "clip" / "run.json"
    record.write_text(record.read_text().replace('"source": "open"', f'"source": "{smpl_file}"'))
    with pytest.raises(SettingsError, match="need no conversion"):
        export_with_smpl(tmp_path / "clip", smpl_file)
