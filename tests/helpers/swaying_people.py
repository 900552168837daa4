"""A shard of simulated motion: people who sway; what was recovered leans the same way every time."""

from pathlib import Path

import numpy as np
import torch

from dpmesh.body import BodyModel

CLIPS, FRAMES = 6, 16
FOCAL_PX, PRINCIPAL_PX = 900.0, (640.0, 360.0)
PLACE_M = (0.0, 0.0, 4.0)


def write_swaying_people(path: Path, body: BodyModel, cameras: int = 1) -> None:
    """Write a shard of `CLIPS` people, each seen by one camera or by several that stand in a row."""
    rng = np.random.default_rng(0)
    sway = np.sin(np.arange(FRAMES) / 4)[None, :, None, None]
    pose = (rng.normal(0, 0.2, (CLIPS, 1, 24, 3)) + 0.2 * sway * rng.normal(0, 1, (CLIPS, 1, 24, 3))).astype(np.float32)
    pose[:, :, 0, 0] += np.pi
    betas = rng.normal(size=(CLIPS, 10)).astype(np.float32)
    rows = torch.from_numpy(pose).flatten(0, 1), torch.from_numpy(betas).repeat_interleave(FRAMES, 0)
    at_zero = torch.zeros(CLIPS * FRAMES, 3)
    points = body.joints(*rows, at_zero, "coco17").numpy() + np.array(PLACE_M)
    pelvis = body.joints(*rows, at_zero, "smpl24").numpy()[:, 0] + np.array(PLACE_M)
    pixels = FOCAL_PX * points[..., :2] / points[..., 2:] + np.array(PRINCIPAL_PX)
    keypoints = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.8)], axis=-1).astype(np.float32)
    is_observed = np.ones((CLIPS, FRAMES), bool)
    is_observed[0, 5:9] = False
    beside = np.array([1.5, 0.0, 0.0]) * np.arange(cameras)[:, None]
    shift = np.tile(np.array(PLACE_M) - beside, (CLIPS, 1))
    rows = np.repeat(np.arange(CLIPS), cameras)
    arrays = dict(
        pose=pose,
        betas=betas,
        pelvis_m=pelvis.reshape(CLIPS, FRAMES, 3).astype(np.float32),
        time_s=np.tile(np.arange(FRAMES) / 25.0, (CLIPS, 1)),
        focal_px=np.full(CLIPS, FOCAL_PX, np.float32),
        principal_px=np.tile(np.array(PRINCIPAL_PX, np.float32), (CLIPS, 1)),
        keypoints=keypoints.reshape(CLIPS, FRAMES, 17, 3),
        recovered=(pose + np.float32(0.15)) * is_observed[..., None, None],
        recovered_betas=np.repeat(betas[:, None], FRAMES, axis=1),
        is_observed=is_observed,
        hints=np.zeros((CLIPS, FRAMES, 12, 4), np.float32),
    )
    arrays = {name: values[rows] for name, values in arrays.items()}
    apart = np.tile(beside, (CLIPS, 1))[:, None]
    arrays["pelvis_m"] = (arrays["pelvis_m"] - apart).astype(np.float32)
    moved = points.reshape(CLIPS, FRAMES, 17, 3)[rows] - apart[:, None]
    arrays["keypoints"][..., :2] = FOCAL_PX * moved[..., :2] / moved[..., 2:] + np.array(PRINCIPAL_PX)
    turns = np.tile(np.eye(3, dtype=np.float32), (len(rows), 1, 1))
    number = np.arange(len(rows)) % cameras
    np.savez(path, **arrays, rotation=turns, shift_m=shift.astype(np.float32), camera=number)
