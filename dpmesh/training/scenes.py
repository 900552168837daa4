"""Whole pictures of synthetic people with boxes and keypoints: what the detector learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from configs.checks import check_shape
from dpmesh.training.render.occluders import Cover
from dpmesh.training.render.people import SUPERSAMPLE, Cast, Stage
from dpmesh.training.render.picture import assemble, cast_shadows, sample_background, sample_covers
from dpmesh.training.render.staging import (
    View,
    place_first,
    sample_view,
    spot_anywhere,
    spot_below,
    spot_near,
    stand_at,
)
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, HIDDEN, joint_visibility
from dpmesh.training.troupe import COCO_OF_30, Posed, Sketch, Studio

PEOPLE_CHANCE = (0.1, 0.24, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.03)
_HEIGHTS = (0.15, 1.0)
_LEAST_SHARE = 0.15
_LEAST_PX = 7


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and the people in it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    boxes_xyxy: np.ndarray  # (N, 4) float32, around what is seen of each person
    keypoints: np.ndarray  # (N, 17, 3) float32 x, y, COCO visibility; 0 0 0 where unlabelled

    def __post_init__(self) -> None:
        check_shape("image", self.image, ("H", "W", 3))
        check_shape("boxes_xyxy", self.boxes_xyxy, ("N", 4))
        check_shape("keypoints", self.keypoints, (len(self.boxes_xyxy), 17, 3))


@dataclass(frozen=True, slots=True)
class _Placed:
    trans: np.ndarray  # (n, 3)
    placed: np.ndarray  # (n,) bool
    foot: np.ndarray  # (3,) a point of the floor


def make_scenes(
    studio: Studio, seed: int, indices: np.ndarray, width: int, height: int, people_min: int = 0
) -> list[Labelled]:
    """Return the pictures named by (seed, index) at one size; the same names give the same pictures.

    Args:
        people_min: pictures with fewer people are not drawn.
    """
    chance = np.where(np.arange(len(PEOPLE_CHANCE)) >= people_min, PEOPLE_CHANCE, 0.0)
    sketches = []
    for index in indices.tolist():
        rng = np.random.default_rng((seed, index))
        people = int(rng.choice(len(PEOPLE_CHANCE), p=chance / chance.sum()))
        sketches.append(studio.sketch(rng, sample_view(rng, (width, height)), people))
    counts = [len(s.pose) for s in sketches]
    starts = np.cumsum([0, *counts])
    posed = studio.pose(sketches)
    placed = [_place(s, posed, start) for s, start in zip(sketches, starts, strict=False)]
    stage = _stage(studio, sketches, placed, posed, width, height)
    seen = stage.seen()
    drawn = stage.draw(seen)
    own = stage.alone(torch.arange(int(starts[-1]), device=studio.device)).depth().cpu().numpy()
    cloth = stage.cloth[:, ::3].cpu().numpy()

    pictures = []
    for k, (sketch, scene) in enumerate(zip(sketches, placed, strict=True)):
        first, last = int(starts[k]), int(starts[k + 1])
        joints = posed.coco[first:last] + scene.trans[:, None]
        pixels = sketch.view.project(joints)
        back = sample_background(sketch.rng, studio.backgrounds, sketch.view, scene.foot)
        points = cloth[first:last][scene.placed].reshape(-1, 3)
        back = cast_shadows(back, sketch.view, sketch.light, points, scene.foot)
        cover = _cover(sketch, studio, pixels[scene.placed])
        alpha = np.zeros((height, width), np.float32) if cover is None else cover.alpha
        image = assemble(sketch.rng, back, drawn[k], cover)
        boxes, keypoints = [], []
        for j in np.flatnonzero(scene.placed):
            row = first + int(j)
            visible, by_other = joint_visibility(
                pixels[j],
                joints[j, :, 2],
                DEPTH_INSIDE_M[COCO_OF_30],
                row,
                drawn[k].row,
                drawn[k].depth,
                own[row],
                alpha,
                SUPERSAMPLE,
            )
            box = _box_of_seen(drawn[k].row == row, np.isfinite(own[row]), alpha)
            if box is not None:
                boxes.append(box)
                keypoints.append(_coco(pixels[j], visible, by_other))
        pictures.append(
            Labelled(
                image,
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(keypoints, np.float32).reshape(-1, 17, 3),
            )
        )
    return pictures


def _place(sketch: Sketch, posed: Posed, start: int) -> _Placed:
    rng, view = sketch.rng, sketch.view
    count = len(sketch.pose)
    stances = posed.stances[start : start + count]
    trans, placed = np.zeros((count, 3)), np.zeros(count, bool)
    if count == 0:
        level = rng.uniform(0.5, 3.0)
        return _Placed(trans, placed, view.up * -level + np.array([0.0, 0.0, 3.0]))
    trans[0] = place_first(rng, view, stances[0], _HEIGHTS, 0.2)
    foot = spot_below(stances[0], trans[0], view.up)
    spots = [foot]
    placed[0] = True
    for k in range(1, count):
        beside = rng.random() < 0.5
        spot = (
            spot_near(rng, view, spots[rng.integers(len(spots))], spots)
            if beside
            else spot_anywhere(rng, view, foot, _HEIGHTS, spots)
        )
        if spot is not None:
            trans[k] = stand_at(stances[k], spot, view.up)
            placed[k] = (stances[k].low[2] + trans[k, 2]) > 0.3
            spots.append(spot)
    return _Placed(trans, placed, foot)


def _stage(
    studio: Studio, sketches: list[Sketch], placed: list[_Placed], posed: Posed, width: int, height: int
) -> Stage:
    counts = [len(s.pose) for s in sketches]

    def rows(values: list[np.ndarray]) -> torch.Tensor:
        return torch.as_tensor(np.repeat(np.stack(values), counts, axis=0).astype(np.float32), device=studio.device)

    views: list[View] = [s.view for s in sketches]
    trans = torch.as_tensor(np.concatenate([p.trans for p in placed]).astype(np.float32), device=studio.device)
    cast = Cast(
        vertices=posed.vertices + trans[:, None],
        picture=torch.as_tensor(np.repeat(np.arange(len(sketches)), counts), device=studio.device),
        focal_px=rows([np.asarray(v.focal_px) for v in views]),
        principal_px=rows([v.principal_px for v in views]),
        camera_from_world=rows([v.camera_from_world for v in views]),
        outfits=[outfit for s in sketches for outfit in s.outfits],
        lights=[s.light for s in sketches for _ in s.pose],
    )
    stage = studio.renderer.stage(cast, len(sketches), width, height)
    absent = (~np.concatenate([p.placed for p in placed])).nonzero()[0]
    return stage.without(torch.as_tensor(absent, device=studio.device)) if len(absent) else stage


def _cover(sketch: Sketch, studio: Studio, pixels: np.ndarray) -> Cover | None:
    rng, view = sketch.rng, sketch.view
    if rng.random() >= 0.35:
        return None
    near = pixels[rng.integers(len(pixels))] if len(pixels) else rng.uniform(0, 1, (2, 2)) * (view.width, view.height)
    low, high = near.min(0), near.max(0)
    if not np.isfinite(low).all():
        return None
    reach = min(float((high - low).max()), 1.2 * view.height)
    middle = ((low + high) / 2).clip(0, (view.width, view.height))
    return sample_covers(rng, studio.backgrounds, middle, reach, view.width, view.height)


def _box_of_seen(mine: np.ndarray, own: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
    """Return x1 y1 x2 y2 (4,) around a person's visible pixels, None when next to nothing is seen."""
    half = SUPERSAMPLE // 2
    clear = mine[half::SUPERSAMPLE, half::SUPERSAMPLE] & (alpha < 0.5)
    whole = own[half::SUPERSAMPLE, half::SUPERSAMPLE]
    if clear.sum() < max(_LEAST_SHARE * whole.sum(), 20):
        return None
    columns, lines = np.flatnonzero(clear.any(0)), np.flatnonzero(clear.any(1))
    box = np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1], np.float32)
    return None if (box[2:] - box[:2]).min() < _LEAST_PX else box


def _coco(pixels: np.ndarray, visible: np.ndarray, by_other: np.ndarray) -> np.ndarray:
    """Return (17, 3): a joint behind its own body is labelled as hidden, one behind something else not at all.

    A detector trained so is sure of a joint when the person's own shape tells where it is.
    """
    mark = visible.copy()
    mark[(visible == HIDDEN) & by_other] = 0
    return np.concatenate([np.where(mark[:, None] > 0, pixels, 0.0), mark[:, None]], axis=1)
