"""A SMPL-format body of another shape space, of which the answer is known: the open body with its directions mixed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dpmesh.body.load import read_structure
from dpmesh.body.structure import BodyStructure
from pipeline.export.fit_smpl import SmplFit, fit_smpl, global_vectors, posed
from pipeline.export.scene import rest_shape

BETAS = np.array([1.2, -0.8, 0.5, 0.0, 1.0, -1.5, 0.3, 0.9, -0.4, 0.2])


@pytest.fixture(scope="module")
def other() -> BodyStructure:
    """Another mean, the directions mixed, and arms that hang 0.15 rad lower at rest."""
    body, rng = read_structure(), np.random.default_rng(0)
    turns = np.tile(np.eye(3), (24, 1, 1))
    turns[16], turns[17] = Rotation.from_rotvec([(0, 0, -0.15), (0, 0, 0.15)]).as_matrix()
    mean = rng.normal(0, 0.5, 10)
    vertices, _, blended = posed(body, mean, turns)
    mix = np.linalg.qr(rng.normal(size=(10, 10)))[0] * rng.uniform(0.5, 1.5, 10)
    directions = blended @ body.shapedirs.astype(np.float64) @ mix
    return replace(
        body, name="SMPL_NEUTRAL", v_template=vertices.astype(np.float32), shapedirs=directions.astype(np.float32)
    )


@pytest.fixture(scope="module")
def fit(other: BodyStructure) -> SmplFit:
    return fit_smpl(other, read_structure(), BETAS)


def test_the_surface_is_found_again(other: BodyStructure, fit: SmplFit) -> None:
    assert fit.error_mm < 0.5 and fit.error_95_mm < 2
    wanted = rest_shape(read_structure(), BETAS)[0]
    turns = Rotation.from_rotvec(fit.residual).as_matrix()
    found = posed(other, fit.betas, turns)[0] + fit.shift_m
    assert 1000 * np.linalg.norm(found - wanted, axis=1).mean() < 2  # the same vertex, not only the same surface
    assert fit.residual[16, 2] == pytest.approx(0.15, abs=0.03) and fit.residual[17, 2] == pytest.approx(
        -0.15, abs=0.03
    )


def test_the_pose_makes_up_for_the_other_rest_pose(other: BodyStructure, fit: SmplFit) -> None:
    rng = np.random.default_rng(1)
    pose, pelvis = rng.normal(0, 0.4, (3, 24, 3)), rng.normal(size=(3, 3))
    converted, trans = fit.convert(pose, pelvis)
    body = read_structure()
    for row in range(3):
        wanted = posed(body, BETAS, Rotation.from_rotvec(pose[row]).as_matrix(), pelvis[row])[0]
        turns = Rotation.from_rotvec(converted[row]).as_matrix()
        found = posed(other, fit.betas, turns, trans[row] + fit.rest[0])[0]
        naive = posed(other, fit.betas, Rotation.from_rotvec(pose[row]).as_matrix(), pelvis[row])[0]
        error = 1000 * np.linalg.norm(found - wanted, axis=1).mean()
        assert error < 5 < 1000 * np.linalg.norm(naive - wanted, axis=1).mean()


def test_a_body_fits_itself(other: BodyStructure) -> None:
    body = read_structure()
    same = fit_smpl(body, body, np.zeros(10))
    assert same.error_mm < 1e-3 and np.abs(same.betas).max() < 1e-3 and np.abs(same.residual).max() < 1e-3


def test_turns_in_the_world_of_one_joint_are_its_own() -> None:
    turns = np.tile(np.eye(3), (24, 1, 1))
    turns[16] = Rotation.from_rotvec((0, 0, 0.2)).as_matrix()
    vectors = global_vectors(turns).reshape(24, 3)
    np.testing.assert_allclose(vectors[16], (0, 0, 0.2), atol=1e-12)
    assert np.abs(np.delete(vectors, 16, axis=0)).max() < 1e-12
