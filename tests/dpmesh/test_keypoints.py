import numpy as np
import pytest

from dpmesh.keypoints import SMPL24_SUPPORTING_KEYPOINTS, smpl24_confidence, square_box, to_dpmesh30


def make_keypoints(rows: int) -> np.ndarray:
    rng = np.random.default_rng(rows)
    return np.concatenate([rng.uniform(0, 200, (rows, 17, 2)), rng.uniform(0, 1, (rows, 17, 1))], -1).astype(np.float32)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_coco_keypoints_determine_nineteen_of_the_thirty_joints(rows: int) -> None:
    joints, confidence = to_dpmesh30(make_keypoints(rows))
    assert joints.shape == (rows, 30, 2) and confidence.shape == (rows, 30)
    assert ((confidence > 0).sum(axis=1) == 19).all()


def test_pelvis_is_between_the_hips_with_the_product_of_their_confidence() -> None:
    keypoints = make_keypoints(2)
    joints, confidence = to_dpmesh30(keypoints)
    np.testing.assert_allclose(joints[:, 0], (keypoints[:, 11, :2] + keypoints[:, 12, :2]) / 2, rtol=1e-6)
    np.testing.assert_allclose(confidence[:, 0], keypoints[:, 11, 2] * keypoints[:, 12, 2], rtol=1e-6)


def test_a_joint_is_as_sure_as_its_best_witness() -> None:
    keypoints = make_keypoints(3)
    keypoints[:, :, 2] = 0.1
    keypoints[:, 0, 2] = 0.9  # the nose tells of the head alone
    found = smpl24_confidence(keypoints)
    assert len(SMPL24_SUPPORTING_KEYPOINTS) == 24
    assert (found[:, 15] == np.float32(0.9)).all() and (np.delete(found, 15, axis=1) == np.float32(0.1)).all()


def test_the_square_holds_the_confident_keypoints_and_ignores_the_others() -> None:
    keypoints = make_keypoints(1)
    keypoints[..., 2] = 0.9
    keypoints[0, 3] = (5000, 5000, 0.05)
    [[x, y, side]] = square_box(keypoints, np.array([[0, 0, 10, 10]], np.float32), 0.3, 1.2)
    kept = np.delete(keypoints[0], 3, axis=0)[:, :2]
    assert (np.abs(kept - (x, y)) <= side / 2).all()
    assert side == pytest.approx(1.2 * (kept.max(0) - kept.min(0)).max())


def test_without_enough_keypoints_the_square_is_the_box_made_square() -> None:
    keypoints = make_keypoints(1)
    keypoints[..., 2] = 0.0
    np.testing.assert_allclose(
        square_box(keypoints, np.array([[10, 20, 30, 80]], np.float32), 0.3, 1.5), [[20, 50, 90]]
    )
