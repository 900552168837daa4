"""A track refined with the published sampler and settings, and our score model: to compare with."""

import numpy as np
import torch

from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import COCO_OF_OPENPOSE, describe
from refine.prior.schedule import make_schedule
from refine.prior.score import PreparedPrior
from refine.rows.types import TrackFit, TrackRows
from refine.rows.windows import Window
from refine.scorehmr.published import (
    POINTS,
    PublishedGuidance,
    PublishedRows,
    PublishedSettings,
    sample_guided,
    starting_point,
)

CONFIDENCE_MIN = 0.4  # as in the published demo
SETTINGS = PublishedSettings(has_keypoints=True, has_smoothness=True)


def refine_published_track(
    track: TrackRows, body: BodyModel, prior: MotionPrior, device: torch.device | str = "cpu"
) -> TrackFit:
    """Return one track as the published video demo would refine it, with the camera's own focal length.

    Like there, all rows are sampled together, shapes stay and no window is cut: memory grows with the track.

    Raises:
        ValueError: the track has several cameras.
    """
    if len(track.views) != 1:
        raise ValueError(f"views: the published video mode knows one camera, got {len(track.views)}")
    (view,) = track.views
    device, rows, schedule = torch.device(device), len(track.time_s), make_schedule()
    keypoints = np.where(view.keypoints[..., 2:] >= CONFIDENCE_MIN, view.keypoints, 0.0)
    if keypoints.shape[1] != len(POINTS):
        coco, keypoints = keypoints, np.zeros((rows, len(POINTS), 3))
        keypoints[:, list(COCO_OF_OPENPOSE)] = coco

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

    inputs = PublishedRows(
        pose=axis_angle_to_matrix(tensor(track.pose)),
        betas=tensor(np.tile(track.betas, (rows, 1))),
        camera_m=tensor(track.trans),
        keypoints_px=tensor(keypoints[..., :2]),
        confidence=tensor(keypoints[..., 2]),
        focal_px=tensor(np.repeat(view.focal_px[:, None], 2, axis=1)),
        principal_px=tensor(view.principal_px),
        image_px=tensor(2.0 * view.principal_px),
    )
    score = PreparedPrior(prior.to(device), describe([track], [Window(0, 0, rows)], device), schedule)
    found = sample_guided(starting_point(inputs), score, schedule, PublishedGuidance(inputs, body, SETTINGS))
    return TrackFit(
        pose=matrix_to_axis_angle(found.pose).cpu().numpy(),
        betas=np.array(track.betas, np.float32),
        trans=found.camera_m.cpu().numpy(),
        is_filled=~np.asarray(track.is_observed, bool),
        is_refined=np.ones(len(track.time_s), bool),
    )
