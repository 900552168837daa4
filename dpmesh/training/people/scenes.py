"""Whole images of synthetic people with boxes and keypoints: what the detector learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.checks import Shaped
from configs.skeletons import COCO_OF_30
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import Population, Studio
from dpmesh.training.render.backgrounds import sample_backgrounds
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import (
    Views,
    first_good,
    place_first,
    sample_views,
    spot_below,
    spots_anywhere,
    spots_near,
    stand_at,
)
from dpmesh.training.render.light import ground_shadows, sample_lights
from dpmesh.training.render.occluders import Covers, sample_covers
from dpmesh.training.render.people import SUPERSAMPLE, Cast
from dpmesh.training.render.sensor import photograph
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, HIDDEN, joint_visibility

PEOPLE_COUNT_WEIGHTS = (0.1, 0.24, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.03)
_HEIGHTS = (0.15, 1.0)
_VISIBLE_FRACTION_MIN = 0.15
_LEAST_PX = 7
_TRIES = 12
_SHAPES = ((16, 9), (4, 3), (1, 1), (3, 4), (9, 16))  # width : height
_SHAPE_WEIGHTS = (0.45, 0.2, 0.15, 0.1, 0.1)
_STRIDE_PX = 32


@dataclass(frozen=True, slots=True)
class Scenes(Shaped):
    """N images and the K people seen in them."""

    image: Annotated[Tensor, "N", 3, "H", "W"]  # uint8 RGB
    image_index: Annotated[Tensor, "K"]  # int64, ascending
    boxes_xyxy: Annotated[Tensor, "K", 4]  # float32, around what is seen of each person
    keypoints: Annotated[Tensor, "K", 17, 3]  # float32 x, y, COCO visibility; 0 0 0 where unlabelled


def sample_size(rng: Rng, longer_px: int) -> tuple[int, int]:
    """Return width and height of a batch of images, multiples of a detector's stride; the longer side is given."""
    across, down = _SHAPES[rng.numpy.choice(len(_SHAPES), p=_SHAPE_WEIGHTS)]
    width, height = (round(longer_px * side / max(across, down) / _STRIDE_PX) * _STRIDE_PX for side in (across, down))
    return width, height


@torch.no_grad()
def make_scenes(studio: Studio, rng: Rng, count: int, width: int, height: int, people_min: int = 0) -> Scenes:
    """Return `count` images of one size, multiples of 8; equal seeds give equal images.

    Args:
        studio: what images are made from.
        rng: what draws.
        count: N.
        width, height: in pixels.
        people_min: no image starts from fewer people; some may find no room.
    """
    weights = [weight if number >= people_min else 0.0 for number, weight in enumerate(PEOPLE_COUNT_WEIGHTS)]
    views = sample_views(rng, count, (width, height))
    counts = rng.pick(weights, count)
    counts[0] += ~counts.any()  # a batch without anybody would have nothing to draw
    people = studio.gather(rng, views, counts, len(PEOPLE_COUNT_WEIGHTS) - 1)
    trans, placed, foot = _place(rng, views, people)
    lights = sample_lights(rng, count)
    outfits = dress(rng, studio.renderer.surface, len(people.image_index))
    cast = Cast(people.vertices + trans[:, None], people.image_index, views, outfits, lights)
    stage = studio.renderer.stage(cast, width, height).without((~placed).nonzero().squeeze(1))
    drawn = stage.draw(stage.seen())
    rows = torch.arange(len(placed), device=placed.device)
    own = stage.alone(rows).depth()

    back = sample_backgrounds(rng, studio.textures, views, foot, width, height)
    dark = ground_shadows(stage.cloth[:, ::3], stage.layer, foot, views, lights, width, height)
    joints = people.coco + trans[:, None]
    pixels = views.project_rows(joints, people.image_index)
    covers = _cover(rng, studio, people.spread(torch.where(placed[:, None, None], pixels, torch.nan), torch.nan), views)
    image = back * (1.0 - dark[:, 0, ..., None]) * (1.0 - drawn.alpha[..., None]) + drawn.colour
    image = torch.lerp(image, covers.colour, covers.alpha[..., None]).permute(0, 3, 1, 2)
    visible, by_other = joint_visibility(
        pixels,
        joints[..., 2],
        joints.new_tensor(DEPTH_INSIDE_M)[list(COCO_OF_30)],
        rows,
        people.image_index,
        drawn.row,
        drawn.depth,
        own,
        covers.alpha,
        SUPERSAMPLE,
    )
    half, step = SUPERSAMPLE // 2, SUPERSAMPLE
    clear = torch.where(covers.alpha < 0.5, drawn.row[:, half::step, half::step], -1)
    boxes, seen_px = _boxes_of(clear, len(rows))
    whole_px = own[:, half::step, half::step].isfinite().sum((1, 2))
    kept = (seen_px >= (_VISIBLE_FRACTION_MIN * whole_px).clamp_min(20)) & placed
    kept &= (boxes[:, 2:] - boxes[:, :2]).amin(1) >= _LEAST_PX
    # A joint behind its own body is labelled as hidden, one behind something else not at all: a detector trained so is
    # sure of a joint when the person's own shape tells where it is.
    mark = torch.where((visible == HIDDEN) & by_other, 0, visible)[..., None]
    keypoints = torch.cat([torch.where(mark > 0, pixels, 0.0), mark], dim=-1)
    return Scenes(photograph(rng, image), people.image_index[kept], boxes[kept], keypoints[kept])


def _place(rng: Rng, views: Views, people: Population) -> tuple[Tensor, Tensor, Tensor]:
    """Return trans (R, 3), which found room (R,) bool, and a point of each floor (N, 3)."""
    count, most = people.present.shape
    up, stances = views.up, people.stances
    candidates, fault = place_first(rng, views, stances, _HEIGHTS, 0.2, _TRIES)
    trans = candidates.new_zeros(count, most, 3)
    trans[:, 0] = first_good(candidates, fault == fault.amin(1, keepdim=True))
    foot = spot_below(stances, trans[:, 0], up)
    level = torch.tensor([0.0, 0.0, 3.0], device=up.device) - up * rng.uniform(0.5, 3.0, count, 1)
    foot = torch.where(people.present[:, :1], foot, level)
    spots = foot[:, None].repeat(1, most, 1)
    placed = torch.zeros_like(people.present)
    placed[:, 0] = people.present[:, 0]
    taken = placed.clone()
    rows = torch.arange(count, device=foot.device)
    for slot in range(1, most):
        beside = spots[rows, rng.integers(slot, count)]
        near, near_free = spots_near(rng, views, beside, spots, taken)
        far, far_free = spots_anywhere(rng, views, foot, _HEIGHTS, spots, taken)
        choice = rng.coin(0.5, count)
        spot = torch.where(choice[:, None], near, far)
        free = torch.where(choice, near_free, far_free)
        here = stand_at(stances, slot, spot, up)
        taken[:, slot] = free & people.present[:, slot]
        spots[:, slot] = torch.where(taken[:, slot, None], spot, foot)
        trans[:, slot] = here
        placed[:, slot] = taken[:, slot] & (stances.low[:, slot, 2] + here[:, 2] > 0.3)
    where = people.image_index, people.slot
    return trans[where], placed[where], foot


def _cover(rng: Rng, studio: Studio, pixels: Tensor, views: Views) -> Covers:
    """Return things in front of a third of the images, each near one of the people (N, M, 17, 2)."""
    count, most = pixels.shape[:2]
    low, high = pixels.nan_to_num(torch.inf).amin(2), pixels.nan_to_num(-torch.inf).amax(2)
    there = low.isfinite().all(-1) & high.isfinite().all(-1)
    order = rng.uniform(0, 1, count, most) + there
    rows, one = torch.arange(count, device=pixels.device), order.argmax(1)
    near = there[rows, one][:, None]
    low = torch.where(near, low[rows, one], 0.3 * views.size)
    high = torch.where(near, high[rows, one], 0.7 * views.size)
    width, height = (int(side) for side in views.size[0].tolist())
    reach = (high - low).amax(-1).clamp(8.0, 1.2 * height)
    middle = torch.minimum(((low + high) / 2).clamp_min(0), views.size)
    covers = sample_covers(rng, studio.textures, middle, reach, width, height)
    return covers.only(rng.coin(0.35, count))


def _boxes_of(names: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return x1 y1 x2 y2 (R, 4) round the pixels that bear each row's name in (N, H, W), and their number (R,)."""
    image_index, line, column = (names >= 0).nonzero().unbind(1)
    row = names[image_index, line, column].long()
    corners = torch.stack([column, line, -column - 1, -line - 1], dim=1).float()
    boxes = corners.new_full((count, 4), torch.inf)
    boxes.scatter_reduce_(0, row[:, None].expand(-1, 4), corners, reduce="amin")
    boxes = boxes * boxes.new_tensor([1.0, 1.0, -1.0, -1.0])
    found = torch.bincount(row, minlength=count)
    return torch.where(found[:, None] > 0, boxes, 0.0), found
