"""The published losses that guide sampling, with the gradients that can be written down.

Source: ScoreHMR (arXiv 2403.09623); score_hmr/utils/guidance_losses.py of github.com/statho/ScoreHMR.
"""

import torch
from torch import Tensor

GMOF_SIGMA_PX = 100.0  # pixels of the full image, whatever its size
IMAGE_SIDE_PX = 1000.0  # the loss is scaled as if the longer side of every image had this many pixels
VIEW_SCALE = 300.0**2
ROOT_NUMBERS = 6


def gmof(distance: Tensor, sigma: float) -> Tensor:
    """Return the Geman-McClure penalty of distances, elementwise; it saturates at sigma squared."""
    squared = distance * distance
    return sigma**2 * squared / (sigma**2 + squared)


def project_points(points: Tensor, focal_px: Tensor, principal_px: Tensor) -> Tensor:
    """Return the pixels (R, K, 2) of camera points (R, K, 3); focal (R, 2) by axis, principal (R, 2)."""
    return focal_px[:, None] * (points[..., :2] / points[..., 2:]) + principal_px[:, None]


def keypoint_loss(
    points: Tensor,
    camera_m: Tensor,
    keypoints_px: Tensor,
    confidence: Tensor,
    focal_px: Tensor,
    principal_px: Tensor,
    image_px: Tensor,
) -> Tensor:
    """Return the keypoint loss (R,), summed over joints and both coordinates.

    Args:
        points: (R, K, 3) joints before translation, metres.
        camera_m: (R, 3) translation.
        keypoints_px: (R, K, 2), confidence: (R, K).
        focal_px: (R, 2), principal_px: (R, 2), image_px: (R, 2) width and height.
    """
    pixels = project_points(points + camera_m[:, None], focal_px, principal_px)
    error = gmof(pixels - keypoints_px, GMOF_SIGMA_PX)
    scale = (IMAGE_SIDE_PX / image_px.amax(dim=-1)) ** 2
    return (scale[:, None, None] * (confidence**2)[..., None] * error).sum(dim=(1, 2))


def smoothness_loss(poses: Tensor) -> Tensor:
    """Return the squared step (T - 1,) between poses (T, 144) of consecutive frames."""
    return (poses[1:] - poses[:-1]).square().sum(-1)


def smoothness_gradient(poses: Tensor) -> Tensor:
    """Return the gradient (T, 144) of the sum of `smoothness_loss`."""
    steps = 2.0 * (poses[1:] - poses[:-1])
    gradient = torch.zeros_like(poses)
    gradient[1:] += steps
    gradient[:-1] -= steps
    return gradient


def view_loss(body_poses: Tensor) -> Tensor:
    """Return how far the views of one body differ: 300^2 times the squared distance from the mean of poses (V, ...)."""
    return VIEW_SCALE * (body_poses - body_poses.mean(0, keepdim=True)).square().sum()


def view_gradient(body_poses: Tensor) -> Tensor:
    """Return the gradient (V, ...) of `view_loss`; what the mean itself adds cancels out."""
    return 2.0 * VIEW_SCALE * (body_poses - body_poses.mean(0, keepdim=True))


class EarlyStop:
    """The published "early stopping": keeps each row as it was when its loss first stagnated; sampling goes on.

    A row whose loss stagnates is excluded from the loss of that step only. It may be at a turning point.
    """

    def __init__(self, rows: int) -> None:
        self._before: Tensor | None = None
        self._is_still = torch.zeros(rows, dtype=torch.bool)
        self._is_kept = torch.zeros(rows, dtype=torch.bool)
        self._pose: Tensor | None = None
        self._camera: Tensor | None = None

    def observe(self, loss: Tensor) -> Tensor:
        """Return which rows (R,) bool stand still, given the loss (R,) of one step."""
        loss = loss.detach()
        if self._before is None:
            self._is_still = torch.zeros_like(loss, dtype=torch.bool)
        else:
            largest = torch.maximum(self._before, loss).clamp(min=1.0)
            self._is_still = (self._before - loss).abs() / largest < 1e-5
        self._before = loss
        return self._is_still

    def keep(self, pose: Tensor, camera_m: Tensor) -> None:
        """Keep the pose (R, P) and camera (R, 3) of rows that stand still for the first time."""
        if self._pose is None or self._camera is None:
            self._pose, self._camera = torch.zeros_like(pose), torch.zeros_like(camera_m)
            self._is_kept = torch.zeros(len(pose), dtype=torch.bool, device=pose.device)
        first = self._is_still & ~self._is_kept
        self._pose = torch.where(first[:, None], pose, self._pose)
        self._camera = torch.where(first[:, None], camera_m, self._camera)
        self._is_kept = self._is_kept | first

    def settle(self, pose: Tensor, camera_m: Tensor) -> tuple[Tensor, Tensor]:
        """Return pose (R, P) and camera (R, 3), for rows that were kept as they were then."""
        if self._pose is None or self._camera is None:
            return pose, camera_m
        kept = self._is_kept[:, None]
        return torch.where(kept, self._pose, pose), torch.where(kept, self._camera, camera_m)
