"""The pictures of all cameras in one, and the rig with its people from above beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.capture import Camera
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.overlay.drawing import draw_tags, draw_text, lightened, text_height_for
from pipeline.overlay.palette import identity_colours
from pipeline.overlay.write import PeopleInFrame
from pipeline.types import MotionTrack

BACKGROUND, GRID, CAMERA_MARK = (34, 36, 40), (78, 82, 90), (220, 220, 220)
WIDTH_MAX, HEIGHT_MAX = 1920, 1080
MARGIN_M = 0.7  # around the outermost cameras and people
GRID_M = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
GRID_LINES_MAX = 24
TRAIL_FRAMES = 60


@dataclass(frozen=True, slots=True)
class Grid:
    """Where tiles lie in a picture."""

    columns: int
    rows: int
    width: int  # of a tile, even
    height: int  # of a tile, even

    def corner(self, number: int) -> tuple[int, int]:
        """Return x and y of the upper left corner of a tile."""
        return number % self.columns * self.width, number // self.columns * self.height


def plan_grid(count: int, width: int, height: int) -> Grid:
    """Return the grid that shows `count` tiles of this shape largest, within `WIDTH_MAX` and `HEIGHT_MAX`."""
    ways = []
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        scale = min(1.0, WIDTH_MAX / (columns * width), HEIGHT_MAX / (rows * height))
        ways.append((round(scale, 6), -columns * rows, columns, rows))  # the fewer empty tiles, the better
    scale, _, columns, rows = max(ways)
    return Grid(columns, rows, *(max(2, int(side * scale) // 2 * 2) for side in (width, height)))


class Mosaic:
    """One picture of all cameras of a rig; a camera without a frame keeps its last one."""

    def __init__(self, cameras: Sequence[Camera], sizes: Sequence[tuple[int, int]], tracks: Iterable[MotionTrack]):
        """Args: sizes: width and height of each camera's pictures."""
        shape = np.median([size[1] / size[0] for size in sizes])
        width = max(size[0] for size in sizes)
        self.grid = plan_grid(len(cameras) + 1, width, max(2, round(width * float(shape))))
        self._names = [camera.name for camera in cameras]
        self._canvas = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        self._above = ViewFromAbove(cameras, tracks, self.grid.width, self.grid.height)

    @property
    def width(self) -> int:
        """Width of what `paint` returns."""
        return self.grid.columns * self.grid.width

    @property
    def height(self) -> int:
        """Height of what `paint` returns."""
        return self.grid.rows * self.grid.height

    def paint(self, frame_index: int, images: Mapping[int, np.ndarray], people: PeopleInFrame) -> np.ndarray:
        """Return the picture (height, width, 3) uint8 of one frame.

        Args:
            images: of each camera that has a frame, by its place among the cameras.
            people: in rig axes.
        """
        for number, image in images.items():
            tile = self._tile(number)
            scale = min(self.grid.width / image.shape[1], self.grid.height / image.shape[0])
            size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
            left, top = (self.grid.width - size[0]) // 2, (self.grid.height - size[1]) // 2
            tile[:] = BACKGROUND
            tile[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            text = text_height_for(self.grid.height)
            draw_text(tile, self._names[number], text / 2, text / 2, text, np.array(CAMERA_MARK, np.uint8))
        self._tile(len(self._names))[:] = self._above.paint(frame_index, people)
        return self._canvas.copy()

    def _tile(self, number: int) -> np.ndarray:
        x, y = self.grid.corner(number)
        return self._canvas[y : y + self.grid.height, x : x + self.grid.width]


class ViewFromAbove:
    """A map of the world: cameras, people in their colours and the way they came; north of it is the world's y."""

    def __init__(self, cameras: Sequence[Camera], tracks: Iterable[MotionTrack], width: int, height: int) -> None:
        self.width, self.height = width, height
        self._text = text_height_for(height)
        walked = [in_world(track.trans[:, None])[:, 0, :2] for track in tracks]
        places = [np.percentile(way, (3, 97), axis=0) for way in walked]  # a wild frame must not shrink everyone
        ground = np.concatenate([[camera.centre_m[:2] for camera in cameras], *places])
        low, high = ground.min(axis=0) - MARGIN_M, ground.max(axis=0) + MARGIN_M
        self._middle = (low + high) / 2
        self._px_per_m = float(min(np.array([width, height - 2 * self._text]) / (high - low)))
        self._ground = self._draw_ground(cameras)
        self._trails: dict[int, list[tuple[int, np.ndarray]]] = {}

    def paint(self, frame_index: int, people: PeopleInFrame) -> np.ndarray:
        """Return the map (height, width, 3) uint8 of one frame; frames come in order."""
        picture = self._ground.copy()
        places = in_world(people.vertices).mean(axis=1)[:, :2]
        colours = identity_colours(people.track_ids)
        for number, place in zip(people.track_ids.tolist(), places, strict=True):
            self._trails.setdefault(number, []).append((frame_index, place))
        for number in list(self._trails):
            self._trails[number] = [step for step in self._trails[number] if step[0] > frame_index - TRAIL_FRAMES]
            if not self._trails[number]:
                del self._trails[number]
        for number, steps in self._trails.items():
            way = np.array([self._pixel(place) for _, place in steps], np.int32)
            colour = identity_colours(np.array([number]))[0]
            cv2.polylines(picture, [way], False, tuple(colour.tolist()), 2, cv2.LINE_AA)
        radius = max(3, self._text // 3)
        spots = [self._pixel(place) for place in places]
        for spot, colour in zip(spots, colours, strict=True):
            cv2.circle(picture, spot, radius, tuple(lightened(colour).tolist()), -1, cv2.LINE_AA)
        above = np.array(spots).reshape(-1, 2) - (0, radius)
        draw_tags(picture, [str(number) for number in people.track_ids], above, colours)
        foot = np.array(CAMERA_MARK, np.uint8)
        draw_text(picture, f"frame {frame_index}", self._text / 2, self._text / 2, self._text, foot)
        return picture

    def _draw_ground(self, cameras: Sequence[Camera]) -> np.ndarray:
        picture = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        reach = np.array([self.width, self.height]) / self._px_per_m / 2
        step = next((metres for metres in GRID_M if 2 * reach.max() / metres <= GRID_LINES_MAX), GRID_M[-1])
        for axis in (0, 1):
            first, last = (self._middle[axis] - reach[axis]) / step, (self._middle[axis] + reach[axis]) / step
            for line in np.arange(np.ceil(first), np.floor(last) + 1) * step:
                ends = np.stack([self._middle - reach, self._middle + reach])
                ends[:, axis] = line
                cv2.line(picture, self._pixel(ends[0]), self._pixel(ends[1]), GRID, 1, cv2.LINE_AA)
        small = max(11, round(0.75 * self._text))
        ink = np.array(CAMERA_MARK, np.uint8)
        for camera in cameras:
            spot = self._pixel(camera.centre_m[:2])
            tip = np.array(spot) + 1.5 * self._text * camera.forward[:2] * (1, -1)
            cv2.line(picture, spot, (round(tip[0]), round(tip[1])), CAMERA_MARK, 2, cv2.LINE_AA)
            cv2.circle(picture, spot, 4, CAMERA_MARK, -1, cv2.LINE_AA)
        spots = np.array([self._pixel(camera.centre_m[:2]) for camera in cameras])
        draw_tags(picture, [camera.name for camera in cameras], spots - (0, 4), np.tile(ink, (len(cameras), 1)))
        draw_text(picture, f"from above, grid {step:g} m", small / 2, self.height - 2 * small, small, ink)
        return picture

    def _pixel(self, place: np.ndarray) -> tuple[int, int]:
        x, y = np.array([self.width, self.height]) / 2 + (place - self._middle) * (self._px_per_m, -self._px_per_m)
        return round(float(np.clip(x, -1e4, 1e4))), round(float(np.clip(y, -1e4, 1e4)))


def in_world(points: np.ndarray) -> np.ndarray:
    """Return points (..., 3) of rig axes in the world."""
    return points @ WORLD_FROM_CAM[:3, :3].T
