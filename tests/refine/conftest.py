"""A person who moves in front of a camera, and what a frame-by-frame recovery would make of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from dpmesh.body import BodyModel, load_body
from refine.rows.types import TrackRows, ViewRows

FOCAL_PX, CENTRE_PX = 1200.0, (640.0, 360.0)


@dataclass(frozen=True)
class Scene:
    """True motion and the noisy track of it."""

    body: BodyModel
    pose: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    track: TrackRows

    def joints(self, pose: np.ndarray, trans: np.ndarray, betas: np.ndarray | None = None) -> np.ndarray:
        shape = self.betas if betas is None else betas
        return joints_of(self.body, pose, shape, trans, "smpl24")

    def error_m(self, pose: np.ndarray, trans: np.ndarray, betas: np.ndarray | None = None) -> np.ndarray:
        """Return the mean joint error (T,)."""
        found = self.joints(pose, trans, betas)
        return np.linalg.norm(found - self.joints(self.pose, self.trans), axis=-1).mean(-1)


def joints_of(body: BodyModel, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray, names: str) -> np.ndarray:
    rows = [torch.tensor(np.broadcast_to(a, (len(pose), *a.shape[-n:])).astype(np.float32)) for a, n in
            ((pose, 2), (betas, 1), (trans, 1))]  # fmt: skip
    with torch.no_grad():
        return body.joints(*rows, names).numpy()


def seen_by(
    body: BodyModel, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray, rng: np.random.Generator,
    rotation: np.ndarray | None = None, shift_m: np.ndarray | None = None, names: str = "coco17", noise_px: float = 2.0,
) -> ViewRows:  # fmt: skip
    points = joints_of(body, pose, betas, trans, names)
    if rotation is not None and shift_m is not None:
        points = points @ rotation.T + shift_m
    pixels = FOCAL_PX * points[..., :2] / points[..., 2:] + CENTRE_PX
    pixels += rng.normal(0.0, noise_px, pixels.shape)
    sure = np.full((*pixels.shape[:2], 1), 0.9)
    return ViewRows(
        keypoints=np.concatenate([pixels, sure], axis=-1).astype(np.float32),
        focal_px=np.full(len(pose), FOCAL_PX, np.float32),
        principal_px=np.tile(np.array(CENTRE_PX, np.float32), (len(pose), 1)),
        rotation=rotation,
        shift_m=shift_m,
    )


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return load_body()


@pytest.fixture(scope="session")
def make_scene(body: BodyModel) -> Callable[..., Scene]:
    """Return a maker of scenes: rows, seed, which rows nobody saw, rate, kind of keypoints."""

    def make(rows: int, seed: int = 0, gap: slice = slice(0, 0), rate_hz: float = 30.0, names: str = "coco17") -> Scene:
        rng = np.random.default_rng(seed)
        time = np.arange(rows) / rate_hz
        waves = rng.normal(0.0, 0.3, (2, 24, 3)) * np.array([1.0, 0.5])[:, None, None]
        phase = rng.uniform(0.0, 6.3, (2, 24, 3))
        pose = sum(waves[k] * np.sin(2 * np.pi * (0.5 + 0.5 * k) * time[:, None, None] + phase[k]) for k in (0, 1))
        pose = np.asarray(pose)
        pose[:, 0] += [np.pi, 0.0, 0.0]  # upright in a camera whose y points down
        betas = rng.normal(0.0, 0.5, 10)
        trans = np.stack([0.3 * np.sin(time), 0.05 * np.cos(2 * time), 4.0 + 0.3 * np.sin(0.7 * time)], axis=1)
        jitter = Rotation.from_rotvec(rng.normal(0.0, 0.08, (rows * 24, 3)))
        noisy = (Rotation.from_rotvec(pose.reshape(-1, 3)) * jitter).as_rotvec().reshape(rows, 24, 3)
        is_observed = np.ones(rows, bool)
        is_observed[gap] = False
        view = seen_by(body, pose, betas, trans, rng, names=names)
        view.keypoints[~is_observed] = 0.0
        track = TrackRows(
            time_s=time,
            pose=noisy.astype(np.float32),
            betas=(betas + rng.normal(0.0, 0.3, 10)).astype(np.float32),
            trans=(trans * (1.0 + rng.normal(0.0, 0.02, (rows, 1)))).astype(np.float32),
            joint_confidence=np.where(is_observed, 0.8, 0.0)[:, None].repeat(24, 1).astype(np.float32),
            is_observed=is_observed,
            views=(view,),
        )
        return Scene(body, pose, betas, trans, track)

    return make


@pytest.fixture(scope="session")
def watched() -> Callable[..., ViewRows]:
    """Return what makes the keypoints of a motion in one more camera."""
    return seen_by
