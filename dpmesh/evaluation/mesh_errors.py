"""Joint and mesh errors by the protocol of 3DPW and its occlusion sub-sets.

Source: reference/dpmesh.md 17, "Metrics per sample".
"""

from dataclasses import dataclass

import numpy as np

from configs.checks import check_shape
from dpmesh.geometry.align import find_similarity
from dpmesh.published_joints import H36M17, convert_joints

H36M_EVALUATED = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
"""Of the H36M joints: hips, knees, ankles, neck, top of the head, shoulders, elbows, wrists."""


@dataclass(frozen=True, slots=True)
class MeshErrors:
    """Errors of each row, millimetres. NaN in a split without a joint."""

    mpjpe_mm: np.ndarray  # (R,) 14 joints, pelvis on pelvis
    pa_mpjpe_mm: np.ndarray  # (R,) after the best similarity
    mpvpe_mm: np.ndarray  # (R,) all vertices, pelvis on pelvis
    visible_mpjpe_mm: np.ndarray  # (R,) joints that were given to the network
    hidden_mpjpe_mm: np.ndarray  # (R,) joints that were not
    visible_pa_mpjpe_mm: np.ndarray  # (R,) with the similarity of all joints
    hidden_pa_mpjpe_mm: np.ndarray  # (R,)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            check_shape(name, getattr(self, name), (len(self.mpjpe_mm),))


def mesh_errors(
    predicted_m: np.ndarray,
    true_m: np.ndarray,
    h36m_regressor: np.ndarray,
    root_regressor: np.ndarray,
    is_given: np.ndarray | None = None,
) -> MeshErrors:
    """Return the errors of meshes (R, V, 3) in metres against true ones.

    Args:
        predicted_m: (R, V, 3), true_m: (R, V, 3); where they stand does not matter.
        h36m_regressor: (17, V) H36M joints of a mesh, pelvis first (for SMPL the file `J_regressor_h36m_correct.npy`).
        root_regressor: (V,) the pelvis by which meshes are compared: the body model's own joint 0.
        is_given: (R, 30) joints that the network was shown, for the splits; None takes all as shown.
    """
    letters = check_shape("predicted_m", predicted_m, ("R", "V", 3))
    check_shape("true_m", true_m, (letters["R"], letters["V"], 3))
    check_shape("h36m_regressor", h36m_regressor, (len(H36M17), letters["V"]))
    check_shape("root_regressor", root_regressor, (letters["V"],))
    given = np.ones((letters["R"], 30), bool) if is_given is None else is_given
    shown = convert_joints(given[..., None].astype(float), "smpl30", "h36m17")[:, list(H36M_EVALUATED), 0]
    found, wanted = (_evaluated_joints(mesh, h36m_regressor) for mesh in (predicted_m, true_m))
    apart = 1000.0 * np.linalg.norm(found - wanted, axis=-1)
    aligned = find_similarity(found, wanted).apply(found)
    left = 1000.0 * np.linalg.norm(aligned - wanted, axis=-1)
    surfaces = [mesh - (root_regressor @ mesh)[:, None] for mesh in (predicted_m, true_m)]
    return MeshErrors(
        mpjpe_mm=apart.mean(1),
        pa_mpjpe_mm=left.mean(1),
        mpvpe_mm=1000.0 * np.linalg.norm(surfaces[0] - surfaces[1], axis=-1).mean(1),
        visible_mpjpe_mm=_weighted_mean(apart, shown),
        hidden_mpjpe_mm=_weighted_mean(apart, 1.0 - shown),
        visible_pa_mpjpe_mm=_weighted_mean(left, shown),
        hidden_pa_mpjpe_mm=_weighted_mean(left, 1.0 - shown),
    )


def _evaluated_joints(mesh_m: np.ndarray, regressor: np.ndarray) -> np.ndarray:
    joints = regressor.astype(np.float64) @ mesh_m.astype(np.float64)
    return (joints - joints[:, :1])[:, list(H36M_EVALUATED)]


def _weighted_mean(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean (R,) of errors (R, K) over the joints with weight 1; NaN where there is none."""
    total = weights.sum(1)
    return np.where(total > 0, (errors * weights).sum(1) / np.maximum(total, 1.0), np.nan)
