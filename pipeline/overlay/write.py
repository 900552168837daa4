"""Writes the overlay video, frame by frame; memory does not grow with the length of the clip."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Protocol

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.output_schema import OverlaySettings
from configs.threads import spread
from pipeline.motion.library import MotionLibrary
from pipeline.motion.posing import Body, joint_positions, pelvis_of, vertex_positions
from pipeline.motion.world import WORLD_FROM_CAM, in_scene_axes
from pipeline.overlay.detail import Detail
from pipeline.overlay.drawing import blend_bodies, draw_boxes, draw_keypoints, draw_tags
from pipeline.overlay.palette import dimmed, identity_colours
from pipeline.overlay.renderer import NEAR_M, BodyRenderer, Rendering
from pipeline.overlay.side import SidePlan, SideView, draw_ground, plan_side_view
from pipeline.types import Frame, MotionTrack

FRAMES_TOGETHER = 8  # bodies of this many frames are skinned in one call
BACKGROUNDS = {"black": (0, 0, 0), "gray": (128, 128, 128), "white": (255, 255, 255), "green": (0, 177, 64)}
BODIES_TOGETHER = 256  # at most, unless one frame has more; each takes 83 kB of vertices
GROUP_PIXELS = 2**26  # of the frames that wait for it: 8 of 3840x2160, 2 of 7680x4320
USUAL_RATE_HZ = 25.0  # of a clip of which nothing else is known
FILLED_OPACITY = 0.6  # of the usual opacity: a body that was filled in looks like a ghost


class VideoSink(Protocol):
    """What frames are written to."""

    def write(self, image: np.ndarray, time_s: float) -> None: ...


OpenSink = Callable[[Path, int, int], AbstractContextManager[VideoSink]]  # path, width, height


@dataclass(frozen=True, slots=True)
class PeopleInFrame(Shaped):
    """The bodies of one frame."""

    track_ids: Annotated[np.ndarray, "N"]  # int64
    vertices: Annotated[np.ndarray, "N", "V", 3]  # metres, camera axes
    is_observed: Annotated[np.ndarray, "N"]  # bool
    focal_px: Annotated[np.ndarray, "N"]  # of the full image
    principal_px: Annotated[np.ndarray, "N", 2]
    boxes_xyxy: Annotated[np.ndarray, "N", 4]
    keypoints: Annotated[np.ndarray, "N", 17, 3]
    scene_turn: Annotated[np.ndarray | None, "N", 3] = None  # axis-angle, to the scene's axes; None: the same


def write_overlay(
    frames: Iterable[Frame],
    tracks: MotionLibrary,
    body: Body,
    path: Path,
    settings: OverlaySettings,
    open_sink: OpenSink,
    world_from_cam: np.ndarray = WORLD_FROM_CAM,
    threads: int = 1,
    every: int = 1,
) -> int:
    """Write every frame with the bodies of the people that have one in it; return the number of frames.

    People are drawn in the colour of their identity, greyer and fainter where the track was filled in.
    Nothing is written for a video without frames.

    Args:
        frames: in order; boxes, keypoints and focal lengths of the tracks are in pixels of these images.
        open_sink: opens a video of the given width and height (both even) at a path.
        world_from_cam: (4, 4), to axes with z up, for the side view.
        threads: that draw; the result does not depend on it.
        every: people were looked for in every k-th frame alone; those filled in between two looks do not flicker.
    """
    source = iter(frames)
    first = next(source, None)
    if first is None:
        return 0
    painter = OverlayPainter(tracks, body, first.image.shape[1], first.image.shape[0], settings, world_from_cam)
    together = max(1, min(FRAMES_TOGETHER, GROUP_PIXELS // (first.image.shape[0] * first.image.shape[1])))

    def paint(group: list[Frame]) -> list[np.ndarray]:
        bodies = people_in([frame.index for frame in group], near, body, every)
        return [painter.paint(frame.image, people, frame.index) for frame, people in zip(group, bodies, strict=True)]

    count = 0
    groups = _groups(_chained(first, source), together)
    with open_sink(path, painter.width, painter.height) as sink:
        while some := list(islice(groups, threads if together == FRAMES_TOGETHER else 1)):
            near = tracks.between(some[0][0].index, some[-1][-1].index)
            for group, images in zip(some, spread(paint, some, threads), strict=True):
                for frame, image in zip(group, images, strict=True):
                    sink.write(image, frame.time_s)
                    count += 1
    return count


class OverlayPainter:
    """Paints frames of one size; knows the whole clip's tracks only to place the side view."""

    def __init__(
        self,
        tracks: Iterable[MotionTrack],
        body: Body,
        width: int,
        height: int,
        settings: OverlaySettings,
        world_from_cam: np.ndarray = WORLD_FROM_CAM,
    ) -> None:
        self._settings = settings
        self._scale = min(1.0, settings.max_side_px / max(width, height))
        # H.264 stores colour at half the size, so both sides must be even.
        self._size = tuple(max(2, round(side * self._scale / 2) * 2) for side in (width, height))
        detail = Detail(np.asarray(body.faces), _at_rest(body))
        self._renderer = BodyRenderer(detail, *self._size)
        self._side: SidePlan | None = None
        if settings.is_side_view_on:
            self._side = _plan_of_all(tracks, body, self._size[1], world_from_cam)
            self._side_renderer = BodyRenderer(detail, self._side.width, self._side.height)

    @property
    def width(self) -> int:
        """Width of what `paint` returns."""
        return self._size[0] + (self._side.width if self._side else 0)

    @property
    def height(self) -> int:
        """Height of what `paint` returns."""
        return self._size[1]

    def paint(self, image: np.ndarray, people: PeopleInFrame, frame_index: int = 0) -> np.ndarray:
        """Return the image (height, width, 3) uint8 of one frame; its index tells where the side view looks from."""
        full_height, full_width = image.shape[:2]
        is_plain = self._settings.background in BACKGROUNDS
        if is_plain:
            image = np.full((*self._size[::-1], 3), BACKGROUNDS[self._settings.background], np.uint8)
        elif (full_width, full_height) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        scale = np.array(self._size) / (full_width, full_height)
        colours = identity_colours(people.track_ids)
        paints = np.where(people.is_observed[:, None], colours, dimmed(colours))
        focal, principal = people.focal_px * scale.mean(), people.principal_px * scale
        rendering = self._renderer.render(people.vertices, paints, focal, principal)
        opacity = 1.0 if is_plain else self._settings.opacity
        opacities = opacity * np.where(people.is_observed, 1.0, FILLED_OPACITY)
        result = blend_bodies(image, rendering, opacities)
        if self._settings.is_box_drawn:
            draw_boxes(result, people.boxes_xyxy * np.tile(scale, 2), paints)
        if self._settings.is_skeleton_drawn:
            draw_keypoints(result, people.keypoints * (*scale, 1.0), paints)
        _name_people(result, rendering, people.track_ids, people.vertices, focal, principal, paints)
        if self._side is None:
            return result
        return np.concatenate([result, self._paint_side(self._side.at(frame_index), people, paints)], axis=1)

    def _paint_side(self, side: SideView, people: PeopleInFrame, paints: np.ndarray) -> np.ndarray:
        scene = people.vertices
        if people.scene_turn is not None:
            scene = scene @ Rotation.from_rotvec(people.scene_turn).as_matrix().transpose(0, 2, 1)
        vertices = side.moved(scene).astype(np.float32)
        focal = np.full(len(vertices), side.focal_px)
        principal = np.tile(side.principal_px, (len(vertices), 1))
        rendering = self._side_renderer.render(vertices, paints, focal, principal)
        ground = draw_ground(side, scene.mean(axis=1))
        panel = blend_bodies(ground, rendering, np.where(people.is_observed, 1.0, FILLED_OPACITY))
        _name_people(panel, rendering, people.track_ids, vertices, focal, principal, paints)
        return panel


def _rows_in(frames: Sequence[int], tracks: Sequence[MotionTrack]) -> list[list[tuple[int, int]]]:
    """Return for every frame which (track, row of the track) has a body in it."""
    found: list[list[tuple[int, int]]] = [[] for _ in frames]
    wanted = np.array(frames)
    for number, track in enumerate(tracks):
        if track.frame_index[0] > wanted[-1] or track.frame_index[-1] < wanted[0]:
            continue
        rows = np.minimum(np.searchsorted(track.frame_index, wanted), len(track.frame_index) - 1)
        for offset in np.flatnonzero(track.frame_index[rows] == wanted):
            found[offset].append((number, int(rows[offset])))
    return found


def people_in(
    frames: Sequence[int], tracks: Sequence[MotionTrack], body: Body, every: int = 1
) -> Iterator[PeopleInFrame]:
    """Give the people of each frame, of numbers that rise; bodies are skinned together up to `BODIES_TOGETHER`.

    Args:
        every: who is seen less than so many frames before and after counts as observed.
    """
    if every > 1:
        tracks = [replace(track, is_observed=_closed(track.is_observed, every)) for track in tracks]
    held: list[list[tuple[int, int]]] = []
    for row in _rows_in(frames, tracks):
        if held and sum(map(len, held)) + len(row) > BODIES_TOGETHER:
            yield from _skinned(held, tracks, body)
            held = []
        held.append(row)
    yield from _skinned(held, tracks, body)


def _closed(is_observed: np.ndarray, every: int) -> np.ndarray:
    """Return which rows (T,) are observed, or lie between two that are, at most `every` rows apart."""
    row = np.arange(len(is_observed))
    before = np.maximum.accumulate(np.where(is_observed, row, -every))
    after = np.minimum.accumulate(np.where(is_observed, row, len(row) + every)[::-1])[::-1]
    result: np.ndarray = after - before <= every
    return result


def _skinned(
    by_frame: Sequence[Sequence[tuple[int, int]]], tracks: Sequence[MotionTrack], body: Body
) -> Iterator[PeopleInFrame]:
    """Give the people of each frame, of (track, row of the track); all are skinned together."""
    pairs = [pair for row in by_frame for pair in row]

    def gather(name: str, *shape: int) -> np.ndarray:
        values = [getattr(tracks[number], name)[row] for number, row in pairs]
        return np.array(values, np.float32).reshape(len(pairs), *shape)

    betas = np.array([tracks[number].betas for number, _ in pairs], np.float32).reshape(-1, 10)
    turns = [turn[row] for number, row in pairs if (turn := tracks[number].scene_turn) is not None]
    vertices = vertex_positions(body, gather("pose", 24, 3), betas, gather("trans", 3))
    ids = np.array([tracks[number].track_id for number, _ in pairs], np.int64)
    everyone = PeopleInFrame(
        track_ids=ids,
        vertices=vertices,
        is_observed=gather("is_observed") > 0,
        focal_px=gather("focal_px"),
        principal_px=gather("principal_px", 2),
        boxes_xyxy=gather("boxes_xyxy", 4),
        keypoints=gather("keypoints", 17, 3),
        scene_turn=np.array(turns) if turns else None,
    )
    start = 0
    for row in by_frame:
        stop = start + len(row)
        part = slice(start, stop)
        yield everyone.take(part)
        start = stop


def _at_rest(body: Body) -> np.ndarray:
    """Return the vertices (V, 3) of the mean body, unposed."""
    return vertex_positions(body, np.zeros((1, 24, 3)), np.zeros(10), np.zeros((1, 3)))[0]


def _plan_of_all(tracks: Iterable[MotionTrack], body: Body, height: int, world_from_cam: np.ndarray) -> SidePlan:
    frames, pelvis, lowest, steps = [], [], [], []
    for each in tracks:
        track = in_scene_axes(each, pelvis_of(body, each.betas))
        joints = joint_positions(body, track.pose, track.betas, track.trans)
        down = joints @ world_from_cam[2, :3]
        frames.append(track.frame_index)
        pelvis.append(joints[:, 0])
        lowest.append(joints[np.arange(len(joints)), down.argmin(axis=1)])
        steps.append(np.diff(track.time_s) / np.diff(track.frame_index))
    step = np.concatenate([*steps, np.full(1, 1 / USUAL_RATE_HZ)])
    rate = float(1 / np.median(step))
    return plan_side_view(frames, pelvis, lowest, height, height, rate_hz=rate, world_from_cam=world_from_cam)


def _name_people(
    image: np.ndarray,
    rendering: Rendering,
    track_ids: np.ndarray,
    vertices: np.ndarray,
    focal_px: np.ndarray,
    principal_px: np.ndarray,
    colours: np.ndarray,
) -> None:
    """Write the identity above everyone of whom something is to be seen."""
    rows = np.flatnonzero(np.bincount(rendering.person.ravel() + 1, minlength=len(track_ids) + 1)[1:])
    outline = vertices[rows, ::7]  # a seventh of the vertices tells where the head is
    depth = np.maximum(outline[..., 2:], NEAR_M)
    points = focal_px[rows, None, None] * outline[..., :2] / depth + principal_px[rows, None]
    low, high = points.min(axis=1), points.max(axis=1)
    tops = np.stack([(low[:, 0] + high[:, 0]) / 2, low[:, 1]], axis=-1)
    draw_tags(image, [str(i) for i in track_ids[rows]], tops, colours[rows])


def _groups(frames: Iterator[Frame], together: int) -> Iterator[list[Frame]]:
    while group := list(islice(frames, together)):
        yield group


def _chained(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest
