"""The people of a synthetic picture before they are placed: shape, pose, clothes; the draw of one index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from dpmesh.body import BodyModel
from dpmesh.training.render.clothing import Outfit, dress
from dpmesh.training.render.light import Light, sample_light
from dpmesh.training.render.people import PeopleRenderer
from dpmesh.training.render.staging import Stance, View, measure_stances, turn
from dpmesh.training.render.surface import describe_surface

COCO_OF_30 = np.array([24, 25, 26, 27, 28, 16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8])
SEEN_OF_30 = np.array([0, 12, *COCO_OF_30])  # the 19 of the 30-set that a 2D detector gives


class PoseSource(Protocol):
    """Where poses come from: SMPL axis-angle, root upright in a world with y up."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        """Return poses (count, 24, 3)."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """One picture's draw, nobody placed yet."""

    rng: np.random.Generator  # what is left of this index's chance
    view: View
    light: Light
    pose: np.ndarray  # (n, 24, 3) root turned into camera axes
    betas: np.ndarray  # (n, 10)
    outfits: list[Outfit]


@dataclass(frozen=True, slots=True)
class Posed:
    """The bodies of several sketches, row after row, `trans` zero."""

    vertices: Tensor  # (R, V, 3)
    joints: np.ndarray  # (R, 30, 3)
    coco: np.ndarray  # (R, 17, 3), hips where people mark them in pictures
    stances: list[Stance]


class Studio:
    """A body, its renderer, poses and backgrounds: all a picture is made from.

    Args:
        body: the body model, on `device`.
        poses: where poses come from.
        backgrounds: pictures without people.
        split: "train" or "val", passed to `poses`.
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
        self.backgrounds = backgrounds
        self.split = split
        self.device = torch.device(device)
        self.renderer = renderer_of(body, device)

    def sketch(self, rng: np.random.Generator, view: View, people: int) -> Sketch:
        """Return the draw of `people` persons for one picture."""
        pose = np.array(self.poses.sample(rng, people, self.split), dtype=np.float32).reshape(people, 24, 3)
        betas = rng.normal(0, 1, (people, 10)).clip(-2.5, 2.5).astype(np.float32)
        turned = np.array([view.camera_from_world @ turn(rng) for _ in range(people)]).reshape(people, 3, 3)
        if people:
            pose[:, 0] = (Rotation.from_matrix(turned) * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
        outfits = [dress(rng, self.renderer.surface) for _ in range(people)]
        return Sketch(rng, view, sample_light(rng), pose, betas, outfits)

    @torch.no_grad()
    def pose(self, sketches: list[Sketch]) -> Posed:
        """Return all bodies of some sketches."""
        pose = torch.as_tensor(np.concatenate([s.pose for s in sketches]), device=self.device)
        betas = torch.as_tensor(np.concatenate([s.betas for s in sketches]), device=self.device)
        trans = torch.zeros(len(pose), 3, device=self.device)
        vertices = self.body.vertices(pose, betas, trans)
        joints = self.body.joints(pose, betas, trans, joint_set="dpmesh30").cpu().numpy()
        coco = self.body.joints(pose, betas, trans, joint_set="coco17").cpu().numpy()
        ups = np.array([s.view.up for s in sketches for _ in s.pose]).reshape(-1, 3)
        return Posed(vertices, joints, coco, measure_stances(vertices, joints[:, 0], ups))


def renderer_of(body: BodyModel, device: torch.device | str) -> PeopleRenderer:
    """Return a renderer for a body model."""
    parts = body.structure
    joints = parts.joint_regressor @ parts.v_template
    return PeopleRenderer(describe_surface(parts.v_template, parts.faces, parts.weights, joints), device)
