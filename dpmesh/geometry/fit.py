"""Where a body must stand so that its joints meet 2D keypoints."""

import numpy as np

ROUNDS = 4  # reweighting rounds; the translation moves by under 1 mm after the third on real clips
OUTLIER_FRACTION = 0.05  # of the body's extent in pixels: keypoints farther off count as wrong and lose weight


def fit_translation(
    joints_m: np.ndarray,
    keypoints_px: np.ndarray,
    weights: np.ndarray,
    focal_px: np.ndarray,
    principal_px: np.ndarray,
    start_m: np.ndarray,
    depth_weight: float = 0.02,
) -> np.ndarray:
    """Return the translation of each body that projects its joints onto its keypoints.

    Solves the pinhole equations, which are linear in the translation, by weighted least squares, with weights
    lowered where a keypoint disagrees with the rest (Geman-McClure).

    Args:
        joints_m: (R, K, 3) joints in camera axes before translation, metres.
        keypoints_px: (R, K, 2) pixels of the full image.
        weights: (R, K) confidence, 0 leaves a keypoint out.
        focal_px: (R,) pixels.
        principal_px: (R, 2) pixels.
        start_m: (R, 3) translation to begin from; rows with under three weighted keypoints keep it.
        depth_weight: pull of the starting depth, as a fraction of the keypoints' own weight.
    """
    translation = np.asarray(start_m, np.float64).copy()
    if not len(translation):
        return translation.astype(np.float32)
    joints = np.asarray(joints_m, np.float64)
    focal = np.asarray(focal_px, np.float64)[:, None]
    slope = (np.asarray(keypoints_px, np.float64) - np.asarray(principal_px)[:, None]) / focal[..., None]  # (R, K, 2)
    weights = np.asarray(weights, np.float64)
    usable = (weights > 0).sum(1) >= 3
    current = weights
    for _ in range(ROUNDS):
        solved = _solve(joints, slope, current, translation[:, 2], depth_weight)
        good = usable & np.isfinite(solved).all(1) & (solved[:, 2] + joints[..., 2].min(1) > 0.1)
        translation = np.where(good[:, None], solved, translation)
        current = weights * _agreement(joints + translation[:, None], slope, weights)
    return translation.astype(np.float32)


def _solve(
    joints: np.ndarray, slope: np.ndarray, weights: np.ndarray, depth: np.ndarray, depth_weight: float
) -> np.ndarray:
    """Solve x + tx = slope_x (z + tz), the same for y, and tz = depth, for (tx, ty, tz)."""
    a, b = slope[..., 0], slope[..., 1]
    right_x = a * joints[..., 2] - joints[..., 0]
    right_y = b * joints[..., 2] - joints[..., 1]
    total = weights.sum(1) + 1e-9
    # A normalised depth keeps the matrix well scaled for near and far people alike.
    squares = (weights * (a * a + b * b)).sum(1)
    spread = squares - ((weights * a).sum(1) ** 2 + (weights * b).sum(1) ** 2) / total
    pull = depth_weight * np.maximum(spread, 1e-12)
    matrix = np.zeros((len(joints), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = total
    matrix[:, 0, 2] = matrix[:, 2, 0] = -(weights * a).sum(1)
    matrix[:, 1, 2] = matrix[:, 2, 1] = -(weights * b).sum(1)
    matrix[:, 2, 2] = squares + pull
    right = np.stack(
        [
            (weights * right_x).sum(1),
            (weights * right_y).sum(1),
            -(weights * (a * right_x + b * right_y)).sum(1) + pull * depth,
        ],
        1,
    )
    return np.linalg.solve(matrix + 1e-12 * np.eye(3), right[..., None])[..., 0]


def _agreement(points: np.ndarray, slope: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return 1 where a keypoint fits the projected joint, falling towards 0 where it is far off."""
    projected = points[..., :2] / np.maximum(points[..., 2:], 0.1)
    residual = np.linalg.norm(projected - slope, axis=-1)
    seen = np.where((weights > 0)[..., None], slope, np.nan)
    with np.errstate(invalid="ignore"):
        extent = np.linalg.norm(
            np.nan_to_num(np.nanmax(seen, 1, initial=-np.inf) - np.nanmin(seen, 1, initial=np.inf), posinf=0, neginf=0),
            axis=-1,
        )
    limit = np.maximum(OUTLIER_FRACTION * extent, 1e-6)[:, None]
    return 1.0 / (1.0 + (residual / limit) ** 2) ** 2
