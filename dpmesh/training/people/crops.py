"""Crops of synthetic people with ground truth: the training data of the recovery network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from dpmesh.geometry.camera import ray_rotation
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import SEEN_OF_30, Population, Studio
from dpmesh.training.render.backgrounds import sample_backgrounds
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import (
    Views,
    first_good,
    place_first,
    sample_views,
    spot_below,
    spots_near,
    stand_at,
)
from dpmesh.training.render.light import ground_shadows, sample_lights
from dpmesh.training.render.occluders import Covers, sample_covers
from dpmesh.training.render.people import SUPERSAMPLE, Cast, Stage
from dpmesh.training.render.rasterise import Surface
from dpmesh.training.render.sensor import photograph
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, joint_visibility

NEIGHBOURS = 4
PEOPLE_COUNT_WEIGHTS = (0.0, 0.3, 0.3, 0.2, 0.12, 0.08)
_VISIBLE_FRACTION_MIN = 0.15
_MARGIN = 1.2
_CUT_TRIES, _WHOLE_TRIES = 36, 12


@dataclass(frozen=True, slots=True)
class Crops(Shaped):
    """Images of one person each, with ground truth. Camera axes x right, y down, z forward; metres, radians."""

    image: Annotated[Tensor, "n", 3, "P", "P"]  # uint8 RGB, black outside the full image
    pose: Annotated[Tensor, "n", 24, 3]  # float32, root in the full image's camera
    betas: Annotated[Tensor, "n", 10]  # float32
    trans: Annotated[Tensor, "n", 3]  # float32, SMPL `trans` in the full image's camera
    camera_from_crop: Annotated[Tensor, "n", 3, 3]  # float32, from `geometry.camera.ray_rotation`
    focal_px: Annotated[Tensor, "n"]  # float32, full-image pixels
    principal_px: Annotated[Tensor, "n", 2]  # float32
    box_centre_px: Annotated[Tensor, "n", 2]  # float32
    box_px: Annotated[Tensor, "n"]  # float32, side of the square
    image_size: Annotated[Tensor, "n", 2]  # float32, width and height of the full image
    joints30_px: Annotated[Tensor, "n", 30, 2]  # float32 in crop pixels, 0 to P
    joints30_cam: Annotated[Tensor, "n", 30, 3]  # float32
    visible30: Annotated[Tensor, "n", 30]  # uint8: 0 outside the crop or the image, 1 hidden, 2 visible
    neighbour_joints17_px: Annotated[Tensor, "n", 4, 17, 2]  # float32 crop pixels, nearest first, NaN where none is
    hidden_share: Annotated[Tensor, "n"]  # float32, share of the person's area in the crop that something else hides

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, rows: Tensor | slice) -> Crops:
        """Return some of the crops."""
        return self.take(rows)

    def to(self, device: torch.device | str) -> Crops:
        """Return the crops on a device."""
        return self.each(lambda array: array.to(device))

    @classmethod
    def join(cls, parts: list[Crops]) -> Crops:
        """Return several crops as one, in order."""
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class SceneLayout:
    """Everybody's place, and the crop's camera."""

    trans: Tensor  # (R, 3)
    placed: Tensor  # (R,) bool, False for who found no room
    foot: Tensor  # (N, 3) a point of the floor
    windows: Views  # cameras of the crops
    box_centre_px: Tensor  # (N, 2)
    box_px: Tensor  # (N,)
    frame: Tensor  # (N, P, P) bool, inside the full image


@torch.no_grad()
def make_crops(studio: Studio, rng: Rng, count: int, image_px: int) -> Crops:
    """Return `count` crops of side `image_px`; equal seeds give equal crops."""
    views = sample_views(rng, count)
    counts = rng.pick(PEOPLE_COUNT_WEIGHTS, count)
    people = studio.gather(rng, views, counts, len(PEOPLE_COUNT_WEIGHTS) - 1)
    scene = refine_scene(rng, views, people, image_px)
    lights = sample_lights(rng, count)
    outfits = dress(rng, studio.renderer.surface, len(people.image_index))
    cast = Cast(people.vertices + scene.trans[:, None], people.image_index, scene.windows, outfits, lights)
    stage = studio.renderer.stage(cast, image_px, image_px).without((~scene.placed).nonzero().squeeze(1))
    targets = (people.slot == 0).nonzero().squeeze(1)
    alone = stage.alone(targets)
    stage, seen = _uncover(stage, alone, targets)
    drawn, own = stage.draw(seen), alone.depth()

    shown = (stage.counts(seen) > 0) & (stage.layer >= 0)
    shown[targets] = True
    caster = torch.where(shown, people.image_index, -1)
    back = sample_backgrounds(rng, studio.textures, scene.windows, scene.foot, image_px, image_px)
    dark = ground_shadows(stage.cloth[:, ::3], caster, scene.foot, scene.windows, lights, image_px, image_px)
    joints = (people.joints + scene.trans[:, None])[targets]
    pixels = scene.windows.project(joints)
    step = SUPERSAMPLE
    silhouette = own[:, ::step, ::step].isfinite() & scene.frame
    mine = (drawn.row[:, ::step, ::step] == targets[:, None, None]) & scene.frame
    covers = _cover(rng, studio, pixels, mine, silhouette)
    image = back * (1.0 - dark[:, 0, ..., None]) * (1.0 - drawn.alpha[..., None]) + drawn.colour
    image = torch.lerp(image, covers.colour, covers.alpha[..., None]).permute(0, 3, 1, 2)
    image = photograph(rng, image, scene.box_px / image_px) * scene.frame[:, None]
    visible = joint_visibility(
        pixels,
        joints[..., 2],
        joints.new_tensor(DEPTH_INSIDE_M),
        targets,
        torch.arange(count, device=targets.device),
        drawn.row,
        drawn.depth,
        own,
        covers.alpha,
        step,
    )
    visible = torch.where(views.contains(views.project(joints)), visible, 0)
    left = (mine & (covers.alpha < 0.5)).sum((1, 2)) / silhouette.sum((1, 2)).clamp_min(1)
    given = {"image": image, "joints30_px": pixels, "joints30_cam": joints, "visible30": visible}
    return crops_of(people, scene, views, stage.layer >= 0, hidden_share=1.0 - left, **given)


def crops_of(people: Population, scene: SceneLayout, views: Views, is_there: Tensor, **given: Tensor) -> Crops:
    """Return the crops around each image's first person.

    Args:
        is_there: (R,) who of all people can be seen.
        given: the fields that nothing else here says.
    """
    first = people.slot == 0
    coco = scene.windows.project_rows(people.coco + scene.trans[:, None], people.image_index)
    coco = torch.where(is_there[:, None, None], coco, torch.nan)
    rays = scene.box_centre_px.double(), views.focal_px.double(), views.principal_px.double()
    return Crops(
        pose=people.pose[first],
        betas=people.betas[first],
        trans=scene.trans[first],
        camera_from_crop=ray_rotation(*rays).float(),
        focal_px=views.focal_px,
        principal_px=views.principal_px,
        box_centre_px=scene.box_centre_px,
        box_px=scene.box_px,
        image_size=views.size.clone(),
        neighbour_joints17_px=nearest_people(people.spread(coco, torch.nan)),
        **given,
    )


def refine_scene(rng: Rng, views: Views, people: Population, image_px: int) -> SceneLayout:
    """Return where everybody stands, and the crop around each image's first person."""
    count, most = people.present.shape
    up, stances = views.up, people.stances
    first = people.joints[people.slot == 0][:, list(SEEN_OF_30)]
    cut, cut_fault = place_first(rng, views, stances, (0.12, 1.3), 0.25, _CUT_TRIES)
    whole, whole_fault = place_first(rng, views, stances, (0.12, 0.8), 0.0, _WHOLE_TRIES)
    candidates, fault = torch.cat([cut, whole], 1), torch.cat([cut_fault, whole_fault], 1)
    pixels = views.project(first[:, None] + candidates[:, :, None])
    inside = views.contains(pixels)
    low = pixels.masked_fill(~inside[..., None], torch.inf).amin(2)
    high = pixels.masked_fill(~inside[..., None], -torch.inf).amax(2)
    good = (inside.sum(-1) >= 6) & ((high - low).amax(-1) > 20)
    # Second best is a sound view from a wrong height.
    good = torch.where((good & (fault == 0)).any(1, keepdim=True), good & (fault == 0), good)
    trans = candidates.new_zeros(count, most, 3)
    trans[:, 0] = first_good(candidates, good)
    box = first_good(torch.cat([low, high], -1), good)
    box = torch.where(good.any(1, keepdim=True), box, torch.cat([torch.zeros_like(views.size), views.size], -1))
    foot = spot_below(stances, trans[:, 0], up)
    spots = foot[:, None].repeat(1, most, 1)
    placed = torch.zeros_like(people.present)
    placed[:, 0] = True
    taken = placed.clone()
    for slot in range(1, most):
        spot, free = spots_near(rng, views, foot, spots, taken)
        here = stand_at(stances, slot, spot, up)
        spots[:, slot], trans[:, slot] = spot, here
        taken[:, slot] = free & people.present[:, slot]
        placed[:, slot] = taken[:, slot] & (stances.low[:, slot, 2] + here[:, 2] > 0.3)

    corner, far = box.split(2, -1)
    side = (far - corner).amax(-1) * _MARGIN * rng.uniform(0.85, 1.25, count)
    side = side.clamp_min(16.0)
    centre = (corner + far) / 2 + rng.normal(0.05, count, 2).clamp(-0.15, 0.15) * side[:, None]
    start, zoom = centre - side[:, None] / 2, image_px / side
    size = torch.full_like(views.size, image_px)
    principal = (views.principal_px - start) * zoom[:, None]
    windows = Views(size, views.focal_px * zoom, principal, views.camera_from_world)
    grid = (torch.arange(image_px, device=side.device) + 0.5) / zoom[:, None]
    columns, lines = grid + start[:, :1], grid + start[:, 1:]
    width, height = views.size[:, :1], views.size[:, 1:]
    across, down = (columns >= 0) & (columns < width), (lines >= 0) & (lines < height)
    frame = down[:, :, None] & across[:, None]
    rows = people.image_index, people.slot
    return SceneLayout(trans[rows], placed[rows], foot, windows, centre, side, frame)


def _uncover(stage: Stage, alone: Surface, targets: Tensor) -> tuple[Stage, Surface]:
    """Take everybody else out of the images whose person is all but hidden."""
    seen = stage.seen()
    fraction = stage.counts(seen)[targets] / stage.counts(alone)[targets].clamp_min(1)
    gone = (fraction < _VISIBLE_FRACTION_MIN)[stage.cast.image_index]
    gone[targets] = False
    if not bool(gone.any()):
        return stage, seen
    stage = stage.without(gone.nonzero().squeeze(1))
    return stage, stage.seen()


def _cover(rng: Rng, studio: Studio, pixels: Tensor, mine: Tensor, silhouette: Tensor) -> Covers:
    body = pixels[:, list(SEEN_OF_30)]
    low = body.nan_to_num(torch.inf).amin(1)
    high = body.nan_to_num(-torch.inf).amax(1)
    side = mine.shape[-1]
    reach = (high - low).amax(-1).clamp(8.0, 1.5 * side)
    covers = sample_covers(rng, studio.textures, ((low + high) / 2).nan_to_num(0).clamp(0, side), reach, side, side)
    left = (mine & (covers.alpha < 0.5)).sum((1, 2))
    bearable = left >= _VISIBLE_FRACTION_MIN * silhouette.sum((1, 2)).clamp_min(1)
    return covers.only(bearable & rng.coin(0.4, len(mine)))


def nearest_people(coco: Tensor) -> Tensor:
    """Return the joints (N, 4, 17, 2) of the people nearest to place 0 of (N, M, 17, 2), NaN where there are fewer."""
    middle = coco.nanmean(2)
    distance = (middle[:, 1:] - middle[:, :1]).norm(dim=-1).nan_to_num(torch.inf)
    order = distance.argsort(1)[:, :NEIGHBOURS]
    return coco[:, 1:].gather(1, order[..., None, None].expand(-1, -1, 17, 2))
