"""Moving people before one camera: frames and, per frame, how much of each person is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from configs.checks import check_shape
from dpmesh.body import BodyModel
from dpmesh.training.render.clothing import Outfit
from dpmesh.training.render.light import Light
from dpmesh.training.render.people import SUPERSAMPLE, Cast, PeopleRenderer
from dpmesh.training.render.picture import cast_shadows
from dpmesh.training.render.staging import View
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, joint_visibility

_FRAMES_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Actor:
    """One person over time, in camera axes; the looks never change."""

    pose: np.ndarray  # (T, 24, 3) float32 axis-angle, root in the camera
    trans: np.ndarray  # (T, 3) float32 metres, SMPL `trans`
    betas: np.ndarray  # (10,) float32
    outfit: Outfit

    def __post_init__(self) -> None:
        frames = check_shape("pose", self.pose, ("T", 24, 3))["T"]
        check_shape("trans", self.trans, (frames, 3))
        check_shape("betas", self.betas, (10,))


@dataclass(frozen=True, slots=True)
class SequenceFrame:
    """One frame and what it shows of each actor."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    visible_share: np.ndarray  # (N,) float32, seen part of the person's area within the picture, 0 when outside
    area_px: np.ndarray  # (N,) float32, that area, hidden or not
    boxes_xyxy: np.ndarray  # (N, 4) float32 around that area, NaN when outside
    joints30_px: np.ndarray  # (N, 30, 2) float32
    joints30_cam: np.ndarray  # (N, 30, 3) float32
    visible30: np.ndarray  # (N, 30) uint8: 0 outside the picture, 1 hidden, 2 visible


@torch.no_grad()
def render_sequence(
    body: BodyModel,
    renderer: PeopleRenderer,
    actors: list[Actor],
    view: View,
    light: Light,
    background: np.ndarray,
    floor: np.ndarray,
    *,
    noise: float = 2.0,
    seed: int = 0,
) -> Iterator[SequenceFrame]:
    """Yield every frame of actors of equal length.

    Args:
        renderer: for `body`, on its device.
        background: (H, W, 3) uint8, of the size of `view`.
        floor: (3,) a point of the floor in camera axes.
        noise: standard deviation of the sensor's noise, 0 to 255; differs from frame to frame.
    """
    frames = {len(actor.pose) for actor in actors}
    if len(frames) != 1:
        raise ValueError(f"actors have {sorted(frames)} frames; give all the same number")
    people, total = len(actors), frames.pop()
    device = renderer.device

    def rows(value: np.ndarray | float, count: int) -> torch.Tensor:
        return torch.as_tensor(np.broadcast_to(value, (count, *np.shape(value))).astype(np.float32), device=device)

    for first in range(0, total, _FRAMES_AT_ONCE):
        count = min(_FRAMES_AT_ONCE, total - first)
        part = slice(first, first + count)
        pose = torch.as_tensor(np.stack([a.pose[part] for a in actors], 1).reshape(-1, 24, 3), device=device)
        trans = torch.as_tensor(np.stack([a.trans[part] for a in actors], 1).reshape(-1, 3), device=device)
        betas = torch.as_tensor(np.stack([a.betas for a in actors] * count), device=device)
        joints = body.joints(pose, betas, trans, joint_set="dpmesh30").cpu().numpy().reshape(count, people, 30, 3)
        cast = Cast(
            vertices=body.vertices(pose, betas, trans),
            picture=torch.arange(count, device=device).repeat_interleave(people),
            focal_px=rows(view.focal_px, count * people),
            principal_px=rows(view.principal_px, count * people),
            camera_from_world=rows(view.camera_from_world, count * people),
            outfits=[actor.outfit for actor in actors] * count,
            lights=[light] * (count * people),
        )
        stage = renderer.stage(cast, count, view.width, view.height)
        seen = stage.seen()
        alone = stage.alone(torch.arange(count * people, device=device))
        shares = (stage.counts(seen) / stage.counts(alone).clamp_min(1)).float().cpu().numpy()
        areas = (stage.counts(alone) / SUPERSAMPLE**2).float().cpu().numpy()
        own = alone.depth().cpu().numpy()
        cloth = stage.cloth[:, ::3].cpu().numpy().reshape(count, -1, 3)
        for k, drawn in enumerate(stage.draw(seen)):
            back = cast_shadows(background, view, light, cloth[k], floor)
            image = back * (1.0 - drawn.alpha[..., None]) + drawn.colour
            grain = np.random.default_rng((seed, first + k)).standard_normal(image.shape, dtype=np.float32)
            image = cv2.GaussianBlur(image, (3, 3), 0.5) + noise * grain
            mine = slice(k * people, (k + 1) * people)
            pixels = view.project(joints[k])
            nothing = np.zeros((view.height, view.width), np.float32)
            marks = [
                joint_visibility(
                    p, j[:, 2], DEPTH_INSIDE_M, row, drawn.row, drawn.depth, own[row], nothing, SUPERSAMPLE
                )[0]
                for row, (p, j) in enumerate(zip(pixels, joints[k], strict=True), start=k * people)
            ]
            yield SequenceFrame(
                image=np.clip(image, 0, 255).astype(np.uint8),
                visible_share=shares[mine],
                area_px=areas[mine],
                boxes_xyxy=np.stack([_box_around(np.isfinite(depth)) for depth in own[mine]]),
                joints30_px=pixels.astype(np.float32),
                joints30_cam=joints[k].astype(np.float32),
                visible30=np.stack(marks),
            )


def _box_around(mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        return np.full(4, np.nan, np.float32)
    columns, lines = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    corners = np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1], np.float32)
    return corners / SUPERSAMPLE
