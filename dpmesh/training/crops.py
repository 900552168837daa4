"""Crops of synthetic people with their truth: what the recovery network learns from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from configs.checks import check_shape
from dpmesh.geometry.camera import ray_rotation
from dpmesh.training.render.light import Light
from dpmesh.training.render.occluders import Cover
from dpmesh.training.render.people import SUPERSAMPLE, Cast, Stage
from dpmesh.training.render.picture import assemble, cast_shadows, sample_background, sample_covers
from dpmesh.training.render.rasterise import Surface
from dpmesh.training.render.staging import View, place_first, sample_view, spot_below, spot_near, stand_at
from dpmesh.training.render.visibility import DEPTH_INSIDE_M, joint_visibility
from dpmesh.training.troupe import SEEN_OF_30, Posed, Sketch, Studio

NEIGHBOURS = 4
_LEAST_SHARE = 0.15
_MARGIN = 1.2
_SHAPES: dict[str, tuple[int, ...]] = {
    "pose": (24, 3),
    "betas": (10,),
    "trans": (3,),
    "camera_from_crop": (3, 3),
    "focal_px": (),
    "principal_px": (2,),
    "box_centre_px": (2,),
    "box_px": (),
    "image_size": (2,),
    "joints30_px": (30, 2),
    "joints30_cam": (30, 3),
    "visible30": (30,),
    "neighbour_joints17_px": (4, 17, 2),
    "hidden_share": (),
    "index": (),
}


@dataclass(frozen=True, slots=True)
class Crops:
    """Pictures of one person each, with truth. Camera axes x right, y down, z forward; metres, radians."""

    image: np.ndarray  # (n, P, P, 3) uint8 RGB, black outside the full image
    pose: np.ndarray  # (n, 24, 3) float32, root in the full image's camera
    betas: np.ndarray  # (n, 10) float32
    trans: np.ndarray  # (n, 3) float32, SMPL `trans` in the full image's camera
    camera_from_crop: np.ndarray  # (n, 3, 3) float32, from `geometry.camera.ray_rotation`
    focal_px: np.ndarray  # (n,) float32, full-image pixels
    principal_px: np.ndarray  # (n, 2) float32
    box_centre_px: np.ndarray  # (n, 2) float32
    box_px: np.ndarray  # (n,) float32, side of the square
    image_size: np.ndarray  # (n, 2) int32, width and height of the full image
    joints30_px: np.ndarray  # (n, 30, 2) float32 in crop pixels, 0 to P
    joints30_cam: np.ndarray  # (n, 30, 3) float32
    visible30: np.ndarray  # (n, 30) uint8: 0 outside the crop or the image, 1 hidden, 2 visible
    neighbour_joints17_px: np.ndarray  # (n, 4, 17, 2) float32 crop pixels, nearest first, NaN where there is none
    hidden_share: np.ndarray  # (n,) float32, share of the person's area in the crop that something else hides
    index: np.ndarray  # (n,) int64, with the seed it names the draw

    def __post_init__(self) -> None:
        letters = check_shape("image", self.image, ("n", "P", "P", 3))
        for name, shape in _SHAPES.items():
            check_shape(name, getattr(self, name), (letters["n"], *shape))


@dataclass(frozen=True, slots=True)
class _Scene:
    """One sketch with everybody placed."""

    window: View  # camera of the crop
    trans: np.ndarray  # (n, 3)
    placed: np.ndarray  # (n,) bool, False for who found no room
    foot: np.ndarray  # (3,) a point of the floor
    box_centre_px: np.ndarray
    box_px: float
    frame: np.ndarray  # (P, P) bool, inside the full image


def make_crops(studio: Studio, seed: int, indices: np.ndarray, image_px: int) -> Crops:
    """Return the crops named by (seed, index); the same names give the same crops.

    Args:
        indices: (n,) int64.
        image_px: side P of a crop.
    """
    sketches = []
    for index in indices.tolist():
        rng = np.random.default_rng((seed, index))
        people = 1 + int(rng.choice(5, p=[0.3, 0.3, 0.2, 0.12, 0.08]))
        sketches.append(studio.sketch(rng, sample_view(rng), people))
    posed = studio.pose(sketches)
    starts = np.cumsum([0] + [len(s.pose) for s in sketches])
    scenes = [_place(s, posed, start, image_px) for s, start in zip(sketches, starts[:-1], strict=True)]
    stage = _stage(studio, sketches, scenes, posed, image_px)
    targets = torch.as_tensor(starts[:-1], device=studio.device)
    alone = stage.alone(targets)
    stage, seen = _uncover(stage, alone, targets, starts)
    own = alone.depth().cpu().numpy()
    drawn = stage.draw(seen)
    cloth = stage.cloth[:, ::3].cpu().numpy()
    shown = (stage.counts(seen) > 0).cpu().numpy()

    rows: list[dict[str, np.ndarray]] = []
    for k, (sketch, scene) in enumerate(zip(sketches, scenes, strict=True)):
        first, last = starts[k], starts[k + 1]
        rng, window = sketch.rng, scene.window
        points = cloth[first:last][scene.placed & ((np.arange(last - first) == 0) | shown[first:last])]
        back = sample_background(rng, studio.backgrounds, window, scene.foot)
        shaded = cast_shadows(back, window, sketch.light, points.reshape(-1, 3), scene.foot)
        joints = posed.joints[first:last] + scene.trans[:, None]
        pixels = window.project(joints)
        silhouette = np.isfinite(own[k])[::SUPERSAMPLE, ::SUPERSAMPLE] & scene.frame
        mine = (drawn[k].row[::SUPERSAMPLE, ::SUPERSAMPLE] == first) & scene.frame
        cover = _cover(sketch, studio, pixels[0], mine, silhouette)
        alpha = np.zeros((image_px, image_px), np.float32) if cover is None else cover.alpha
        image = assemble(rng, shaded, drawn[k], cover, native_px=scene.box_px)
        image[~scene.frame] = 0
        visible, _ = joint_visibility(
            pixels[0],
            joints[0, :, 2],
            DEPTH_INSIDE_M,
            int(first),
            drawn[k].row,
            drawn[k].depth,
            own[k],
            alpha,
            SUPERSAMPLE,
        )
        outside = ~sketch.view.contains(sketch.view.project(joints[0]))
        visible[outside] = 0
        left = (mine & (alpha < 0.5)).sum() / max(int(silhouette.sum()), 1)
        others = [j for j in range(1, last - first) if scene.placed[j]]
        coco = window.project(posed.coco[first:last] + scene.trans[:, None])
        neighbours = _neighbours(coco, others)
        rows.append(_truth(sketch, scene, joints[0], pixels[0], visible, neighbours, 1.0 - float(left), image))
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    places = (torch.from_numpy(columns[name]).double() for name in ("box_centre_px", "focal_px", "principal_px"))
    turned = ray_rotation(*places).float().numpy()
    return Crops(index=indices.astype(np.int64), camera_from_crop=turned, **columns)


def _place(sketch: Sketch, posed: Posed, start: int, image_px: int) -> _Scene:
    rng, view = sketch.rng, sketch.view
    count = len(sketch.pose)
    stances = posed.stances[start : start + count]
    trans = np.zeros((count, 3))
    placed = np.zeros(count, bool)
    inside = np.zeros(0)
    for attempt in range(4):
        cut = 0.0 if attempt == 3 else 0.25
        trans[0] = place_first(rng, view, stances[0], (0.12, 1.3 if cut else 0.8), cut)
        pixels = view.project(posed.joints[start, SEEN_OF_30] + trans[0])
        inside = pixels[view.contains(pixels)]
        if len(inside) >= 6 and np.ptp(inside, axis=0).max() > 20:
            break
    foot = spot_below(stances[0], trans[0], view.up)
    spots = [foot]
    placed[0] = True
    for k in range(1, count):
        spot = spot_near(rng, view, foot, spots)
        if spot is not None:
            trans[k] = stand_at(stances[k], spot, view.up)
            placed[k] = (stances[k].low[2] + trans[k, 2]) > 0.3
            spots.append(spot)
    if len(inside) < 2:
        inside = np.array([[0.0, 0.0], [view.width, view.height]])
    low, high = inside.min(0), inside.max(0)
    side = float((high - low).max()) * _MARGIN * rng.uniform(0.85, 1.25)
    side = max(side, 16.0)
    centre = (low + high) / 2 + rng.normal(0, 0.05, 2).clip(-0.15, 0.15) * side
    corner, zoom = centre - side / 2, image_px / side
    window = View(image_px, image_px, view.focal_px * zoom, (view.principal_px - corner) * zoom, view.camera_from_world)
    grid = (np.arange(image_px) + 0.5) / zoom
    columns, lines = grid + corner[0], grid + corner[1]
    frame = ((lines >= 0) & (lines < view.height))[:, None] & ((columns >= 0) & (columns < view.width))[None]
    return _Scene(window, trans, placed, foot, centre, side, frame)


def _stage(studio: Studio, sketches: list[Sketch], scenes: list[_Scene], posed: Posed, image_px: int) -> Stage:
    def rows(values: list[np.ndarray]) -> torch.Tensor:
        repeated = [np.broadcast_to(v, (len(s.pose), *np.shape(v))) for v, s in zip(values, sketches, strict=True)]
        return torch.as_tensor(np.concatenate(repeated).astype(np.float32), device=studio.device)

    trans = torch.as_tensor(np.concatenate([s.trans for s in scenes]).astype(np.float32), device=studio.device)
    picture = np.repeat(np.arange(len(sketches)), [len(s.pose) for s in sketches])
    lights: list[Light] = [s.light for s in sketches for _ in s.pose]
    cast = Cast(
        vertices=posed.vertices + trans[:, None],
        picture=torch.as_tensor(picture, device=studio.device),
        focal_px=rows([np.asarray(s.window.focal_px) for s in scenes]),
        principal_px=rows([s.window.principal_px for s in scenes]),
        camera_from_world=rows([s.window.camera_from_world for s in scenes]),
        outfits=[outfit for s in sketches for outfit in s.outfits],
        lights=lights,
    )
    stage = studio.renderer.stage(cast, len(sketches), image_px, image_px)
    absent = (~np.concatenate([s.placed for s in scenes])).nonzero()[0]
    return stage.without(torch.as_tensor(absent, device=studio.device)) if len(absent) else stage


def _uncover(stage: Stage, alone: Surface, targets: torch.Tensor, starts: np.ndarray) -> tuple[Stage, Surface]:
    """Take everybody else out of the pictures whose person is all but hidden."""
    seen = stage.seen()
    shares = (stage.counts(seen)[targets] / stage.counts(alone)[targets].clamp_min(1)).cpu().numpy()
    gone = [np.arange(starts[k] + 1, starts[k + 1]) for k in np.flatnonzero(shares < _LEAST_SHARE)]
    if not gone or not sum(map(len, gone)):
        return stage, seen
    stage = stage.without(torch.as_tensor(np.concatenate(gone), device=targets.device))
    return stage, stage.seen()


def _cover(
    sketch: Sketch, studio: Studio, pixels: np.ndarray, mine: np.ndarray, silhouette: np.ndarray
) -> Cover | None:
    rng = sketch.rng
    if rng.random() >= 0.4:
        return None
    body = pixels[SEEN_OF_30]
    low, high = np.nanmin(body, 0), np.nanmax(body, 0)
    height, width = mine.shape
    reach = min(float((high - low).max()), 1.5 * width)
    cover = sample_covers(rng, studio.backgrounds, ((low + high) / 2).clip(0, width), reach, width, height)
    left = (mine & (cover.alpha < 0.5)).sum()
    return None if left < _LEAST_SHARE * max(int(silhouette.sum()), 1) else cover


def _truth(
    sketch: Sketch,
    scene: _Scene,
    joints: np.ndarray,
    pixels: np.ndarray,
    visible: np.ndarray,
    neighbours: np.ndarray,
    hidden_share: float,
    image: np.ndarray,
) -> dict[str, np.ndarray]:
    view = sketch.view
    single = np.float32
    return {
        "image": image,
        "pose": sketch.pose[0].astype(single),
        "betas": sketch.betas[0].astype(single),
        "trans": scene.trans[0].astype(single),
        "focal_px": np.asarray(view.focal_px, single),
        "principal_px": view.principal_px.astype(single),
        "box_centre_px": scene.box_centre_px.astype(single),
        "box_px": np.asarray(scene.box_px, single),
        "image_size": np.array([view.width, view.height], np.int32),
        "joints30_px": pixels.astype(single),
        "joints30_cam": joints.astype(single),
        "visible30": visible,
        "neighbour_joints17_px": neighbours,
        "hidden_share": np.asarray(hidden_share, single),
    }


def _neighbours(coco: np.ndarray, others: list[int]) -> np.ndarray:
    """Return the COCO joints (4, 17, 2) of the people nearest to row 0 of (n, 17, 2), NaN where there are fewer."""
    found = np.full((NEIGHBOURS, 17, 2), np.nan, np.float32)
    middle = np.nanmean(coco[0], axis=0)
    for place, j in enumerate(sorted(others, key=lambda j: _distance(coco[j], middle))[:NEIGHBOURS]):
        found[place] = coco[j]
    return found


def _distance(pixels: np.ndarray, target: np.ndarray) -> float:
    middle = np.nanmean(pixels, axis=0) if np.isfinite(pixels).any() else np.array([np.inf, np.inf])
    return float(np.hypot(*(middle - target)))


def join_crops(parts: list[Crops]) -> Crops:
    """Return several crops as one, in order."""
    names = [field.name for field in fields(Crops)]
    return Crops(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
