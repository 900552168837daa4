"""What a run knows of moving people: keypoints and 3D joints with errors that last, and bodies recovered from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped
from configs.skeletons import COCO_OF_30
from dpmesh.body import BodyModel
from dpmesh.geometry.camera import ray_rotation
from dpmesh.geometry.crop import to_crop
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from dpmesh.keypoints import square_box, to_dpmesh30
from dpmesh.network.config import HINT_COUNT, LATENT_PX
from dpmesh.network.hints import normalised_places
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.rng import Rng
from dpmesh.training.motion.clips import Clips
from dpmesh.training.noise.hints import HintNoise, true_hints
from dpmesh.training.noise.simulated import CONFIDENCE_MIN, KeypointNoise, noisy_joints
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import NEIGHBOURS, Crops
from dpmesh.training.people.population import SEEN_OF_30
from dpmesh.training.recovery.hints import simulate_hints
from dpmesh.training.render.layout import Views, sample_views, turns
from dpmesh.training.render.visibility import HIDDEN, OUTSIDE, VISIBLE

CROP_PX = 128  # in whose pixels errors are drawn
KEY_STEPS = (4, 8, 16, 32)  # rows from one draw of the errors to the next
JUMP_PX = 6.0  # larger errors come and go at once
HIDDEN_ROWS = 16  # for how long a joint is hidden where only the share of hidden ones is given
KEYPOINTS_MIN = 4  # rows with fewer are not observed, see `recover.keypoints_min`
SHIVER = (0.001, 0.008)  # fraction of the crop by which keypoints differ from frame to frame
HINT_SHIVER_M = (0.003, 0.03)
HINTED_RATE = 0.7  # of clips with 3D joints
WHOLE_JOINTS, WHOLE_MIN = (6, 7, 8, 9), 0.5  # hips and knees; 3D joints count where all of them are so visible
_LEGS, _LEFT_ARM, _RIGHT_ARM = (1, 2, 4, 5, 7, 8, 10, 11), (16, 18, 20, 22), (17, 19, 21, 23)


@dataclass(frozen=True, slots=True)
class SimulatedMotion(Shaped):
    """People for a while, as they are and as a run sees them. Camera axes; rows that are not observed are zero."""

    pose: Annotated[np.ndarray, "N", "T", 24, 3]  # float32 axis-angle, the truth
    betas: Annotated[np.ndarray, "N", 10]  # float32
    pelvis_m: Annotated[np.ndarray, "N", "T", 3]  # float32, where the pelvis truly is
    time_s: Annotated[np.ndarray, "N", "T"]  # float64
    focal_px: Annotated[np.ndarray, "N"]  # float32
    principal_px: Annotated[np.ndarray, "N", 2]  # float32
    keypoints: Annotated[np.ndarray, "N", "T", 17, 3]  # float32 COCO: x, y in pixels, confidence (0: not given)
    recovered: Annotated[np.ndarray, "N", "T", 24, 3]  # float32 axis-angle, what the network makes of the keypoints
    recovered_betas: Annotated[np.ndarray, "N", "T", 10]  # float32
    is_observed: Annotated[np.ndarray, "N", "T"]  # bool
    hints: Annotated[np.ndarray, "N", "T", 12, 4]  # float32, 3D joints of another source, see `dpmesh.network.hints`
    rotation: Annotated[np.ndarray, "N", 3, 3]  # float32, camera from world (Y up)
    shift_m: Annotated[np.ndarray, "N", 3]  # float32, the world's origin in the camera
    camera: Annotated[np.ndarray, "N"]  # int64, from 0: rows up to the next 0 are the same people


@torch.no_grad()
def see(
    clips: Clips,
    body: BodyModel,
    network: DPMesh,
    noise: KeypointNoise,
    rng: Rng,
    hint_noise: HintNoise | None = None,
    *,
    cameras: int = 1,
    hidden_share: float | None = None,
) -> SimulatedMotion:
    """Return clips before random cameras that stand still; those of a clip follow each other.

    Args:
        network: recovers each row from its keypoints and, where it reads them, 3D joints; without an image.
        noise: of the keypoints; drawn every few rows (one of `KEY_STEPS`), it glides from one draw to the next.
        hint_noise: of the 3D joints, drawn likewise; None gives none.
        cameras: that see each clip.
        hidden_share: of joints, each for `HIDDEN_ROWS` at a time; None: whole limbs and people now and then.
    """
    if cameras > 1:
        clips = Clips(*(np.repeat(values, cameras, axis=0) for values in (clips.pose, clips.pelvis, clips.time_s)))
    count, frames = clips.pose.shape[:2]
    views = sample_views(rng, count)
    if cameras > 1:
        views = _all_round(rng, views, cameras)
    pose = torch.from_numpy(clips.pose)
    root = views.camera_from_world[:, None] @ axis_angle_to_matrix(pose[:, :, 0])
    pose = torch.cat([matrix_to_axis_angle(root)[:, :, None], pose[:, :, 1:]], dim=2)
    betas = rng.normal(1.0, count // cameras, 10).clamp(-2.5, 2.5).repeat_interleave(cameras, 0)
    path = torch.from_numpy(clips.pelvis - clips.pelvis[:, frames // 2, None]) @ views.camera_from_world.mT
    zero = torch.zeros(count * frames, 3)
    joints = body.joints(pose.flatten(0, 1), betas.repeat_interleave(frames, 0), zero, joint_set="dpmesh30")
    joints = (joints - joints[:, :1]).unflatten(0, (count, frames)) + path[:, :, None]
    place = _place(rng, views, joints)
    crops = _crops(rng, views, joints + place[:, None, None], hidden_share)
    keypoints = _keypoints(rng, crops, noise, count, frames)
    squares, grid, mask = _inputs(keypoints, crops)
    turn = ray_rotation(squares[:, :2], crops.focal_px, crops.principal_px)
    hints = torch.zeros(count * frames, HINT_COUNT, 4)
    if hint_noise is not None:
        people = replace(crops, camera_from_crop=turn)
        hints = _hints(network, body, hint_noise, rng, people, (grid, mask), frames)
    output = network.forward(None, grid, mask, hints=hints)
    turned = torch.cat([(turn @ output.pose[:, 0].float())[:, None], output.pose[:, 1:].float()], dim=1)
    seen = (keypoints[..., 2] >= CONFIDENCE_MIN).sum(1) >= KEYPOINTS_MIN
    recovered = (matrix_to_axis_angle(turned).numpy() * seen[:, None, None]).astype(np.float32)
    recovered_betas = (output.betas.float().numpy() * seen[:, None]).astype(np.float32)
    keypoints = keypoints * seen[:, None, None]
    return SimulatedMotion(
        pose=pose.numpy(),
        betas=betas.numpy(),
        pelvis_m=crops.joints30_cam[:, 0].reshape(count, frames, 3).numpy(),
        time_s=clips.time_s,
        focal_px=views.focal_px.numpy(),
        principal_px=views.principal_px.numpy(),
        keypoints=keypoints.reshape(count, frames, 17, 3),
        recovered=recovered.reshape(count, frames, 24, 3),
        recovered_betas=recovered_betas.reshape(count, frames, 10),
        is_observed=seen.reshape(count, frames),
        hints=(hints.numpy() * seen[:, None, None]).reshape(count, frames, HINT_COUNT, 4),
        rotation=views.camera_from_world.numpy(),
        shift_m=place.numpy(),
        camera=np.arange(count) % cameras,
    )


def _all_round(rng: Rng, views: Views, cameras: int) -> Views:
    """Return views from all sides, each `cameras` of them that follow each other about evenly."""
    count = len(views.focal_px)
    sides = torch.arange(count) % cameras / cameras + rng.uniform(-0.25, 0.25, count) / cameras
    first = rng.uniform(0.0, 1.0, count // cameras).repeat_interleave(cameras)
    turn = turns(2.0 * torch.pi * (sides + first))
    return replace(views, camera_from_world=views.camera_from_world @ turn)


def _place(rng: Rng, views: Views, joints: Tensor) -> Tensor:
    """Return where (N, 3) people stand whose joints (N, T, 30, 3) are given about their path's middle."""
    count = len(joints)
    height = joints[..., 1].amax((1, 2)) - joints[..., 1].amin((1, 2))
    fraction = rng.log_uniform(0.15, 0.9, count)
    depth = views.focal_px * height.clamp(0.6, 2.2) / (fraction * views.size[:, 1])
    depth = torch.maximum(depth, 1.2 - joints[..., 2].amin((1, 2)))
    slope = (views.size * rng.uniform(0.25, 0.75, count, 2) - views.principal_px) / views.focal_px[:, None]
    return torch.cat([slope, torch.ones(count, 1)], dim=1) * depth[:, None]


def _crops(rng: Rng, views: Views, joints: Tensor, hidden_share: float | None) -> Crops:
    """Return a crop, without its image, for each row of joints (N, T, 30, 3)."""
    count, frames = joints.shape[:2]
    focal, principal, size = (
        each.repeat_interleave(frames, 0) for each in (views.focal_px, views.principal_px, views.size)
    )
    points = joints.flatten(0, 1)
    pixels = focal[:, None, None] * points[..., :2] / points[..., 2:].clamp_min(0.05) + principal[:, None]
    inside = ((pixels >= 0) & (pixels < size[:, None])).all(-1) & (points[..., 2] > 0.2)
    hidden = _hidden(rng, count, frames) if hidden_share is None else _often_hidden(rng, count, frames, hidden_share)
    hidden = hidden.flatten(0, 1)
    low, high = pixels[:, SEEN_OF_30].amin(1), pixels[:, SEEN_OF_30].amax(1)
    side, centre = (high - low).amax(-1) * 1.25, 0.5 * (low + high)
    rows = len(points)
    return Crops(
        image=torch.zeros(1, dtype=torch.uint8).expand(rows, 3, CROP_PX, CROP_PX),
        pose=torch.zeros(1).expand(rows, 24, 3),
        betas=torch.zeros(1).expand(rows, 10),
        trans=torch.zeros(1).expand(rows, 3),
        camera_from_crop=torch.eye(3).expand(rows, 3, 3),
        focal_px=focal,
        principal_px=principal,
        box_centre_px=centre,
        box_px=side,
        image_size=size,
        joints30_px=(pixels - centre[:, None]) / side[:, None, None] * CROP_PX + CROP_PX / 2,
        joints30_cam=points,
        visible30=torch.where(inside, torch.where(hidden, HIDDEN, VISIBLE), OUTSIDE).to(torch.uint8),
        neighbour_joints17_px=torch.full((1,), torch.nan).expand(rows, NEIGHBOURS, 17, 2),
        hidden_share=torch.zeros(1).expand(rows),
    )


def _hidden(rng: Rng, count: int, frames: int) -> Tensor:
    """Return which joints (N, T, 30) something stands before: up to three times a clip, all, a limb or any."""
    numpy_rng = rng.numpy
    hidden = torch.zeros(count, frames, 30, dtype=torch.bool)
    for row in range(count):
        for _ in range(numpy_rng.integers(0, 4)):
            first = int(numpy_rng.integers(frames))
            rows = slice(first, first + int(numpy_rng.integers(3, 40)))
            kind = numpy_rng.random()
            if kind < 0.25:
                joints: tuple[int, ...] = tuple(range(30))
            elif kind < 0.6:
                joints = (_LEGS, _LEGS, _LEFT_ARM, _RIGHT_ARM)[numpy_rng.integers(4)]
            else:
                joints = tuple(numpy_rng.integers(0, 30, numpy_rng.integers(1, 8)).tolist())
            hidden[row, rows, list(joints)] = True
    return hidden | rng.coin(0.06, count, 1, 30)


def _often_hidden(rng: Rng, count: int, frames: int, share: float) -> Tensor:
    """Return which joints (N, T, 30) something stands before, each by itself."""
    drawn = rng.coin(share, count, -(-frames // HIDDEN_ROWS), 30)
    return drawn.repeat_interleave(HIDDEN_ROWS, dim=1)[:, :frames]


def _keypoints(rng: Rng, crops: Crops, noise: KeypointNoise, count: int, frames: int) -> np.ndarray:
    """Return COCO keypoints (R, 17, 3) in pixels of the full image with errors that last for some frames."""
    true = as_annotated(crops)
    keys = _Keys.draw(rng, frames)
    rows = keys.rows(count)
    drawn, sure = noisy_joints(crops[rows], true[rows], noise, rng)
    error = torch.where((sure > 0)[..., None], drawn - true[rows], 0.0).unflatten(0, (count, -1))
    sure = sure.unflatten(0, (count, -1))
    before, fraction = keys.before, keys.fraction[None, :, None]
    is_near = fraction < 0.5
    first, second = error[:, before], error[:, before + 1]
    glides = (sure[:, before] > 0) & (sure[:, before + 1] > 0)
    glides &= torch.maximum(first.norm(dim=-1), second.norm(dim=-1)) <= JUMP_PX
    glided = torch.lerp(first, second, fraction[..., None])
    error = torch.where(glides[..., None], glided, torch.where(is_near[..., None], first, second))
    confidence = torch.where(is_near, sure[:, before], sure[:, before + 1]).flatten(0, 1)
    confidence = confidence * (crops.visible30 > 0) * ~((crops.visible30 == HIDDEN) & rng.coin(0.7, *true.shape[:2]))
    shiver = CROP_PX * rng.uniform(*SHIVER, count, 1, 1, 1)
    places = true + (error + shiver * rng.normal(1.0, *error.shape)).flatten(0, 1)
    pixels = (places / CROP_PX - 0.5) * crops.box_px[:, None, None] + crops.box_centre_px[:, None]
    coco = list(COCO_OF_30)
    keypoints = torch.cat([pixels[:, coco], confidence[:, coco, None]], dim=-1)
    return torch.where(keypoints[..., 2:] > 0, keypoints, 0.0).numpy()


def _hints(
    network: DPMesh,
    body: BodyModel,
    noise: HintNoise,
    rng: Rng,
    people: Crops,
    keypoints: tuple[Tensor, Tensor],
    frames: int,
) -> Tensor:
    """Return hints (R, 12, 4) of people of size 1, in the axes of their crops, with errors that last for some frames.

    Args:
        keypoints: (R, 30, 2) in grid cells, (R, 30, 1) confidence.
    """
    count = len(people) // frames
    keys = _Keys.draw(rng, frames)
    rows = keys.rows(count)
    joints, mask = keypoints
    told = simulate_hints(network, body, joints[rows], mask[rows], people[rows], noise, rng)
    truth = normalised_places(true_hints(people))
    error = (told[..., :3] - truth[rows]).unflatten(0, (count, -1))
    sure = told[..., 3].unflatten(0, (count, -1))
    error = torch.lerp(error[:, keys.before], error[:, keys.before + 1], keys.fraction[:, None, None])
    error = error + rng.uniform(*HINT_SHIVER_M, count, 1, 1, 1) * rng.normal(1.0, *error.shape)
    is_near = (keys.fraction < 0.5)[:, None]
    sure = torch.where(is_near, sure[:, keys.before], sure[:, keys.before + 1])
    is_whole = (sure[..., list(WHOLE_JOINTS)] >= WHOLE_MIN).all(-1) & rng.coin(HINTED_RATE, count, 1)
    hints = torch.cat([truth + error.flatten(0, 1), sure.flatten(0, 1)[..., None]], dim=-1)
    return hints * is_whole.flatten()[:, None, None]


@dataclass(frozen=True, slots=True)
class _Keys:
    """Rows of a clip at which errors are drawn, and where its other rows lie between them."""

    places: Tensor  # (K,) int64
    before: Tensor  # (T,) int64, the last key at or before a row, but never the very last
    fraction: Tensor  # (T,) of the way to the next key

    @classmethod
    def draw(cls, rng: Rng, frames: int) -> _Keys:
        step = KEY_STEPS[int(rng.integers(len(KEY_STEPS), 1))]
        places, every = torch.tensor(sorted({*range(0, frames, step), frames - 1})), torch.arange(frames)
        before = (torch.searchsorted(places, every, right=True) - 1).clamp(0, len(places) - 2)
        return cls(places, before, (every - places[before]) / (places[before + 1] - places[before]))

    def rows(self, count: int) -> Tensor:
        """Return which rows of `count` clips, one after the other, are keys."""
        frames = len(self.before)
        return (torch.arange(count)[:, None] * frames + self.places).flatten()


def _inputs(keypoints: np.ndarray, crops: Crops) -> tuple[Tensor, Tensor, Tensor]:
    """Return the squares (R, 3), the joints (R, 30, 2) in grid cells and confidence (R, 30, 1) of a run."""
    half = 0.5 * crops.box_px[:, None]
    boxes = torch.cat([crops.box_centre_px - half, crops.box_centre_px + half], dim=1).numpy()
    squares = square_box(keypoints, boxes, CONFIDENCE_MIN, 1.2)
    joints, confidence = to_dpmesh30(keypoints)
    grid = to_crop(joints, squares[:, :2], squares[:, 2], LATENT_PX).astype(np.float32)
    given = (confidence >= CONFIDENCE_MIN) & ((grid >= 0) & (grid < LATENT_PX)).all(-1)
    mask = torch.from_numpy((given * confidence)[..., None].astype(np.float32))
    return torch.from_numpy(squares), torch.from_numpy(np.where(given[..., None], grid, 0.0)), mask
