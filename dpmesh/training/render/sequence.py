"""Moving people before one camera: frames and, per frame, how much of each person is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch

from configs.checks import Shaped
from dpmesh.body import BodyModel
from dpmesh.training.render.clothing import Outfits
from dpmesh.training.render.layout import Views
from dpmesh.training.render.light import Lights, ground_shadows
from dpmesh.training.render.occluders import Covers
from dpmesh.training.render.people import SUPERSAMPLE, Cast, PeopleRenderer
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, joint_visibility

_FRAMES_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Actor(Shaped):
    """One person over time, in camera axes."""

    pose: Annotated[np.ndarray, "T", 24, 3]  # float32 axis-angle, root in the camera
    trans: Annotated[np.ndarray, "T", 3]  # float32 metres, SMPL `trans`
    betas: Annotated[np.ndarray, 10]  # float32


@dataclass(frozen=True, slots=True)
class SequenceFrame:
    """One frame and what it shows of each actor."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    visible_share: np.ndarray  # (N,) float32, seen part of the person's area within the image, 0 when outside
    area_px: np.ndarray  # (N,) float32, that area, hidden or not
    boxes_xyxy: np.ndarray  # (N, 4) float32 around that area, NaN when outside
    joints30_px: np.ndarray  # (N, 30, 2) float32
    joints30_cam: np.ndarray  # (N, 30, 3) float32
    visible30: np.ndarray  # (N, 30) uint8: 0 outside the image, 1 hidden, 2 visible


@torch.no_grad()
def render_sequence(
    body: BodyModel,
    renderer: PeopleRenderer,
    actors: list[Actor],
    outfits: Outfits,
    view: Views,
    light: Lights,
    background: np.ndarray,
    floor: np.ndarray,
    *,
    covers: Callable[[int, int], Covers] | None = None,
    noise: float = 2.0,
    seed: int = 0,
) -> Iterator[SequenceFrame]:
    """Yield every frame of actors of equal length.

    Args:
        body: the actors' body model.
        renderer: for `body`, on its device.
        actors: who moves.
        outfits: one row per actor; the looks never change.
        view: the one camera.
        light: the one light.
        background: (H, W, 3) uint8, of the size of `view`.
        floor: (3,) a point of the floor in camera axes.
        covers: gives what stands before everybody in frames `first` up to and without `stop`; None for nothing.
        noise: standard deviation of the sensor's noise, 0 to 255; differs from frame to frame.
        seed: of that noise.
    """
    frames = {len(actor.pose) for actor in actors}
    if len(frames) != 1:
        raise ValueError(f"actors have {sorted(frames)} frames; give all the same number")
    people, total = len(actors), frames.pop()
    device = renderer.device
    width, height = (int(side) for side in view.size[0].tolist())
    inside_m = torch.tensor(DEPTH_INSIDE_M, device=device)
    back = torch.from_numpy(background).to(device).float()
    for first in range(0, total, _FRAMES_AT_ONCE):
        count = min(_FRAMES_AT_ONCE, total - first)
        part = slice(first, first + count)
        pose = torch.as_tensor(np.stack([a.pose[part] for a in actors], 1).reshape(-1, 24, 3), device=device)
        trans = torch.as_tensor(np.stack([a.trans[part] for a in actors], 1).reshape(-1, 3), device=device)
        betas = torch.as_tensor(np.stack([a.betas for a in actors] * count), device=device)
        joints = body.joints(pose, betas, trans, joint_set="dpmesh30")
        image_index = torch.arange(count, device=device).repeat_interleave(people)
        views = view.repeat(count)
        cast = Cast(body.vertices(pose, betas, trans), image_index, views, outfits.repeat(count), light.repeat(count))
        stage = renderer.stage(cast, width, height)
        seen = stage.seen()
        rows = torch.arange(count * people, device=device)
        alone = stage.alone(rows)
        areas = (stage.counts(alone) / SUPERSAMPLE**2).float().cpu().numpy()
        own, drawn = alone.depth(), stage.draw(seen)
        feet = torch.from_numpy(floor.astype(np.float32)).to(device).expand(count, 3)
        dark = ground_shadows(stage.cloth[:, ::3], image_index, feet, views, cast.lights, width, height)
        images = back * (1.0 - dark[:, 0, ..., None]) * (1.0 - drawn.alpha[..., None]) + drawn.colour
        cover, shown = None, drawn.row
        if covers is not None:
            before = covers(first, first + count)
            cover = before.alpha
            images = torch.lerp(images, before.colour, cover[..., None])
            fine = cover.repeat_interleave(SUPERSAMPLE, 1).repeat_interleave(SUPERSAMPLE, 2)
            shown = torch.where(fine > 0.5, -1, shown)
        left = torch.bincount(shown.flatten() + 1, minlength=count * people + 1)[1:]
        shares = (left / stage.counts(alone).clamp_min(1)).float().cpu().numpy()
        pixels = views.project_rows(joints, image_index)
        visible = joint_visibility(
            pixels, joints[..., 2], inside_m, rows, image_index, drawn.row, drawn.depth, own, cover, SUPERSAMPLE
        )
        for k, image in enumerate(images.cpu().numpy()):
            grain = np.random.default_rng((seed, first + k)).standard_normal(image.shape, dtype=np.float32)
            image = cv2.GaussianBlur(image, (3, 3), 0.5) + noise * grain
            mine = slice(k * people, (k + 1) * people)
            yield SequenceFrame(
                image=np.clip(image, 0, 255).astype(np.uint8),
                visible_share=shares[mine],
                area_px=areas[mine],
                boxes_xyxy=np.stack([_box_around(np.isfinite(depth)) for depth in own[mine].cpu().numpy()]),
                joints30_px=pixels[mine].cpu().numpy(),
                joints30_cam=joints[mine].cpu().numpy(),
                visible30=visible[mine].cpu().numpy(),
            )


def _box_around(mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        return np.full(4, np.nan, np.float32)
    columns, lines = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    corners = np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1], np.float32)
    return corners / SUPERSAMPLE
