import numpy as np
from scipy.spatial import procrustes

from pipeline.evaluation.alignment import procrustes_errors, root_errors


def joints_of(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.4, (rows, 14, 3))


def test_errors_agree_with_scipy() -> None:
    truth, joints = joints_of(6), joints_of(6) + 0.1 * joints_of(6, seed=2)
    errors = procrustes_errors(joints, truth)
    for row in range(6):
        # SciPy scales the truth to unit norm and may mirror, which it does not for so small a difference.
        norm = np.linalg.norm(truth[row] - truth[row].mean(axis=0))
        first, second, _ = procrustes(truth[row], joints[row])
        np.testing.assert_allclose(errors[row], norm * np.linalg.norm(first - second, axis=-1), rtol=1e-6)


def test_aligned_errors_are_never_larger_in_the_square_mean() -> None:
    truth, joints = joints_of(50), joints_of(50, seed=3)
    shifted = root_errors(joints, truth, joints.mean(axis=1), truth.mean(axis=1))
    aligned = procrustes_errors(joints, truth)
    assert np.all((aligned**2).sum(axis=1) <= (shifted**2).sum(axis=1) + 1e-12)


def test_root_errors_ignore_where_the_person_stands() -> None:
    truth = joints_of(4)
    moved = truth + np.array([5.0, 0, 0])
    moved[:, 3, 2] += 0.2
    errors = root_errors(moved, truth, moved[:, 0], truth[:, 0])
    np.testing.assert_allclose(errors[:, 3], 0.2)
    assert np.delete(errors, 3, axis=1).max() < 1e-12


def test_joints_at_one_point_give_an_error_and_no_nan() -> None:
    assert np.isfinite(procrustes_errors(np.zeros((1, 14, 3)), joints_of(1))).all()
