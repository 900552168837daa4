"""What one camera of the dome films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from dpmesh.body import BodyModel
from dpmesh.training.capture.plot import Actor
from dpmesh.training.capture.rig import WALL_M, DomeCamera
from dpmesh.training.people.grounding import rest_pelvis
from dpmesh.training.render.clothing import Outfits
from dpmesh.training.render.light import Lights, ground_shadows
from dpmesh.training.render.people import Cast, PeopleRenderer, Stage

_FRAMES_AT_ONCE = 5


@torch.no_grad()
def film(
    body: BodyModel,
    renderer: PeopleRenderer,
    actors: list[Actor],
    outfits: Outfits,
    light: Lights,
    camera: DomeCamera,
    background: np.ndarray,
    time_s: np.ndarray,
    *,
    noise: float = 2.0,
    seed: tuple[int, ...] = (0,),
) -> Iterator[np.ndarray]:
    """Yield the pictures (H, W, 3) uint8 of a camera at some moments.

    Args:
        body: the actors' body model.
        renderer: for `body`, on the CPU.
        actors: who is there.
        outfits: one row per actor.
        light: the one light.
        camera: who films.
        background: (H, W, 3) uint8, the empty room.
        time_s: (T,) the moments; nobody has to be at the beginning of their motion.
        noise: standard deviation of the sensor's noise, 0 to 255.
        seed: of that noise, which differs from frame to frame.
    """
    width, height = camera.size_px
    view, people = camera.view(), len(actors)
    back = torch.from_numpy(background).float()
    turn, centre = view.camera_from_world[0], torch.from_numpy(camera.centre_m).float()
    floor = -turn @ centre  # a point of it
    for first in range(0, len(time_s), _FRAMES_AT_ONCE):
        moments = time_s[first : first + _FRAMES_AT_ONCE]
        count = len(moments)
        world = vertices_at(body, actors, moments).flatten(0, 1)
        index = torch.arange(count).repeat_interleave(people)
        cast = Cast(
            (world - centre) @ turn.T, index, view.repeat(count), outfits.repeat(count), light.repeat(count)
        )  # fmt: skip
        stage = _behind_no_wall(renderer.stage(cast, width, height), world)
        drawn = stage.draw(stage.seen())
        inside = torch.where(_is_outside(world).all(1), -1, index)
        dark = ground_shadows(
            stage.cloth[:, ::3], inside, floor.expand(count, 3), cast.views, cast.lights, width, height
        )
        images = back * (1.0 - dark[:, 0, ..., None]) * (1.0 - drawn.alpha[..., None]) + drawn.colour
        for k, image in enumerate(images.numpy()):
            grain = np.random.default_rng((*seed, first + k)).standard_normal(image.shape, dtype=np.float32)
            image = cv2.GaussianBlur(image, (3, 3), 0.5) + noise * grain
            yield np.clip(image, 0, 255).astype(np.uint8)


def vertices_at(body: BodyModel, actors: list[Actor], time_s: np.ndarray) -> Tensor:
    """Return the people in the room (T, N, V, 3), metres, at moments (T,)."""
    return torch.stack([body.vertices(*_posed(body, actor, time_s)) for actor in actors], dim=1)


def joints_at(body: BodyModel, actors: list[Actor], time_s: np.ndarray, joint_set: str) -> np.ndarray:
    """Return joints (N, T, J, 3) of the people in the room, metres, at moments (T,)."""
    found = [body.joints(*_posed(body, actor, time_s), joint_set=joint_set) for actor in actors]
    return torch.stack(found).numpy()


def _posed(body: BodyModel, actor: Actor, time_s: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    motion = actor.at(time_s)
    trans = torch.from_numpy(motion.pelvis - rest_pelvis(body, actor.betas))
    return torch.from_numpy(motion.pose), torch.from_numpy(actor.betas).expand(len(time_s), 10), trans


def _is_outside(world: Tensor) -> Tensor:
    return torch.hypot(world[..., 0], world[..., 2]) > WALL_M


def _behind_no_wall(stage: Stage, world: Tensor) -> Stage:
    """Return the stage without the faces that lie beyond the wall."""
    fragments = stage.fragments
    outside = _is_outside(world)[:, stage.faces[:, 0]].flatten()
    kept = ~outside[fragments.face]
    names = ("face", "row", "pixel", "inverse_depth", "second", "third")
    return replace(stage, fragments=replace(fragments, **{name: getattr(fragments, name)[kept] for name in names}))
