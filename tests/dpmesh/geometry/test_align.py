"""Alignment."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dpmesh.geometry.align import find_similarity

EVALUATED = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)  # H36M joints of the published protocol


def bodies(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 14, 3))


def left_over(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.linalg.norm(find_similarity(source, target).apply(source) - target, axis=-1)


def test_a_moved_turned_and_scaled_body_is_found_again() -> None:
    source = bodies(5)
    rotation = Rotation.random(5, random_state=1).as_matrix()
    scale, shift = np.array([0.2, 0.9, 1.0, 1.5, 4.0]), np.random.default_rng(2).normal(size=(5, 3))
    target = scale[:, None, None] * source @ rotation.transpose(0, 2, 1) + shift[:, None]
    found = find_similarity(source, target)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-12)
    np.testing.assert_allclose(found.scale, scale)
    np.testing.assert_allclose(found.shift, shift, atol=1e-12)
    assert left_over(source, target).max() < 1e-12


def test_weights_count_as_repeated_points_do() -> None:
    source, target, weights = bodies(3), bodies(3, seed=1), np.tile(np.arange(14) % 3, (3, 1))
    found, alone = find_similarity(source, target, weights), find_similarity(source, target)
    wanted = find_similarity(*(np.repeat(points, np.arange(14) % 3, axis=1) for points in (source, target)))
    for name in ("rotation", "scale", "shift"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-12)
    assert np.abs(found.rotation - alone.rotation).max() > 0.01


def test_a_mirror_image_is_not_reached_by_a_reflection() -> None:
    source = bodies(4)
    found = find_similarity(source, source * [-1.0, 1.0, 1.0])
    np.testing.assert_allclose(np.linalg.det(found.rotation), 1.0)
    assert left_over(source, source * [-1.0, 1.0, 1.0]).mean(axis=1).min() > 0.1


def test_no_small_change_of_the_found_similarity_is_better() -> None:
    source, target = bodies(1, 3), bodies(1, 4)
    found = find_similarity(source, target)
    best = ((found.apply(source) - target) ** 2).sum()
    rng = np.random.default_rng(5)
    for _ in range(50):
        turn = Rotation.from_rotvec(rng.normal(size=3) * 0.01).as_matrix()
        moved = (1 + rng.normal() * 0.01) * found.scale * source @ (turn @ found.rotation[0]).T
        moved += found.shift[:, None] + rng.normal(size=3) * 0.01
        assert ((moved - target) ** 2).sum() > best


def test_a_body_collapsed_to_a_point_gives_a_finite_error() -> None:
    assert np.isfinite(left_over(np.ones((1, 14, 3)), bodies(1))).all()


def test_no_rows_give_no_errors() -> None:
    assert left_over(np.zeros((0, 14, 3)), np.zeros((0, 14, 3))).shape == (0, 14)


def test_the_published_alignment_and_what_it_leaves_are_the_same(test_data: Path) -> None:
    golden = np.load(test_data / "golden" / "dpmesh" / "metrics_golden.npz")
    found = find_similarity(golden["rigid_align/A"], golden["rigid_align/B"])
    np.testing.assert_allclose(found.apply(golden["rigid_align/A"]), golden["rigid_align/aligned"], atol=1e-10)
    np.testing.assert_allclose(found.scale, golden["rigid_align/c"])
    joints = {}
    for name in ("mesh_pred", "mesh_gt"):
        all_joints = np.einsum(
            "kv,rvc->rkc", golden["evaluate/h36m_regressor"].astype(np.float64), golden[f"evaluate/{name}"]
        )
        joints[name] = (all_joints - all_joints[:, :1])[:, EVALUATED]
    left_mm = 1000.0 * left_over(joints["mesh_pred"], joints["mesh_gt"]).mean(axis=-1)
    assert left_mm == pytest.approx(golden["evaluate/pa_mpjpe"], abs=1e-3)
