"""The people of synthetic images before they are positioned: shape, pose, clothes; and the studio that renders them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from configs.skeletons import COCO_OF_30
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from dpmesh.training.engine.rng import Rng
from dpmesh.training.render.backgrounds import Textures
from dpmesh.training.render.layout import Stances, Views, measure_stances, turns
from dpmesh.training.render.people import PeopleRenderer
from dpmesh.training.render.surface import describe_surface

SEEN_OF_30 = (0, 12, *COCO_OF_30)  # the 19 of the 30-set that a 2D detector gives


class PoseSource(Protocol):
    """Where poses come from: SMPL axis-angle, root upright in a world with y up."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        """Return poses (count, 24, 3)."""


@dataclass(frozen=True, slots=True)
class Population:
    """The people of N images, R in all, in camera axes with `trans` at zero; M slots per image."""

    image_index: Tensor  # (R,) int64, ascending
    slot: Tensor  # (R,) int64, 0 for an image's first person
    present: Tensor  # (N, M) bool
    pose: Tensor  # (R, 24, 3) axis-angle
    betas: Tensor  # (R, 10)
    vertices: Tensor  # (R, V, 3), or the joints where nothing is drawn
    joints: Tensor  # (R, 30, 3)
    coco: Tensor  # (R, 17, 3), hips where people mark them in images
    stances: Stances

    def spread(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Return per-person values (R, ...) as (N, M, ...), `fill` where nobody is."""
        out = values.new_full((*self.present.shape, *values.shape[1:]), fill)
        out[self.image_index, self.slot] = values
        return out


class Studio:
    """A body, its renderer, poses and backgrounds: the sources of synthetic images.

    Args:
        body: the body model, on `device`.
        poses: where poses come from.
        backgrounds: images without people.
        split: "train" or "val", passed to `poses`.
        device: where images are made.
    """

    def __init__(
        self,
        body: BodyModel,
        poses: PoseSource,
        backgrounds: list[Path],
        split: str,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        self.body = body
        self.poses = poses
        self.textures = Textures(backgrounds, device)
        self.split = split
        self.device = torch.device(device)
        self.renderer = renderer_of(body, device)

    @torch.no_grad()
    def gather(self, rng: Rng, views: Views, counts: Tensor, most: int, *, has_skin: bool = True) -> Population:
        """Return random people, `counts` (N,) in each image and at most `most`; without skin, joints stand for it."""
        present = torch.arange(most, device=self.device) < counts[:, None]
        image_index, slot = present.nonzero().unbind(1)
        rows = len(image_index)
        drawn = self.poses.sample(rng.numpy, rows, self.split).astype(np.float32)
        pose = torch.from_numpy(drawn.reshape(rows, 24, 3)).to(self.device)
        turn = views.camera_from_world[image_index] @ turns(rng.uniform(-torch.pi, torch.pi, rows))
        pose[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(pose[:, 0]))
        betas = rng.normal(1.0, rows, 10).clamp(-2.5, 2.5)
        trans = pose.new_zeros(rows, 3)
        joints = self.body.joints(pose, betas, trans, joint_set="dpmesh30")
        vertices = self.body.vertices(pose, betas, trans) if has_skin else joints
        coco = self.body.joints(pose, betas, trans, joint_set="coco17")
        stances = measure_stances(vertices, joints[:, 0], views.up, image_index, slot, most)
        return Population(image_index, slot, present, pose, betas, vertices, joints, coco, stances)


def renderer_of(body: BodyModel, device: torch.device | str) -> PeopleRenderer:
    """Return a renderer for a body model."""
    parts = body.structure
    joints = parts.joint_regressor @ parts.v_template
    return PeopleRenderer(describe_surface(parts.v_template, parts.faces, parts.weights, joints), device)
