"""What the overlay shows of the ground: its grid, zones and lines, speeds, and who is near whom."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import shapely

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.from_run import RunPeople
from pipeline.analytics.meetings import find_pairs
from pipeline.analytics.shapes import Shapes
from pipeline.analytics.speed import individual_speed, steady_speed
from pipeline.overlay.drawing import draw_text, text_height_for
from pipeline.overlay.palette import identity_colours
from pipeline.types import Frame

GRID, ZONE, LINE, NEAR = (210, 210, 210), (0, 114, 178), (213, 94, 0), (230, 159, 0)
LINES_MAX = 60  # of the grid, each way
STEP_M = 0.25  # along what is drawn: a straight line on the ground is straight in the image, but may leave it


class FrameMarks:
    """Draws on frames of one run."""

    def __init__(self, given: RunPeople, shapes: Shapes, settings: AnalyticsSettings) -> None:
        people = given.people
        speeds = individual_speed(people, max(1, round(settings.speed_window_s * people.rate_hz / 2)))
        self._ground, self._people = given.ground, people
        self._speed = steady_speed(people, speeds, settings.speed_window_s)
        self._rows = {frame: rows for frame, rows in people.by_frame()}
        self._near_m = settings.contact_m
        (left, low), (right, high) = people.xy_m.min(axis=0) - 1, people.xy_m.max(axis=0) + 1
        gap = max(1.0, np.ceil(max(right - left, high - low) / LINES_MAX))
        ways = [np.array([[x, low], [x, high]]) for x in np.arange(np.ceil(left), right, gap)]
        ways += [np.array([[left, y], [right, y]]) for y in np.arange(np.ceil(low), high, gap)]
        self._marks = [(way, GRID, 1) for way in map(self._drawn, ways)]
        for shape in (*shapes.zones, *shapes.lines):
            corners = shapely.get_coordinates(shape.geometry)
            self._marks.append((self._drawn(corners), LINE if shape.kind == "line" else ZONE, 2))

    def _drawn(self, corners: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) of a way over the ground; NaN behind the camera."""
        return self._ground.project(shapely.get_coordinates(shapely.segmentize(shapely.LineString(corners), STEP_M)))

    def draw(self, frame: Frame) -> Frame:
        """Return the frame with its marks."""
        image = frame.image.copy()
        for way, colour, width in self._marks:
            for first, second in pairwise(way):
                _line(image, first, second, colour, width)
        rows = self._rows.get(frame.index)
        if rows is None:
            return replace(frame, image=image)
        feet = self._ground.project(self._people.xy_m[rows])
        here = self._people.take(rows)
        pairs = find_pairs(here, here.by_frame(), self._near_m)
        size = text_height_for(image.shape[0])
        for first, second, distance in zip(pairs.first, pairs.second, pairs.distance_m, strict=True):
            _line(image, feet[first], feet[second], NEAR, 2)
            middle = (feet[first] + feet[second]) / 2
            if np.isfinite(middle).all():
                draw_text(image, f"{distance:.1f} m", float(middle[0]), float(middle[1]), size, np.array(NEAR))
        colours = identity_colours(here.person)
        for place, speed, colour in zip(feet, self._speed[rows], colours, strict=True):
            if np.isfinite(place).all() and np.isfinite(speed):
                draw_text(image, f"{speed:.1f} m/s", place[0] - 2 * size, place[1] + 4, size, colour)
        return replace(frame, image=image)


def _line(image: np.ndarray, first: np.ndarray, second: np.ndarray, colour: tuple[int, int, int], width: int) -> None:
    ends = np.stack([first, second])
    if np.isfinite(ends).all() and np.abs(ends).max() < 1e5:
        (x1, y1), (x2, y2) = ends.round().astype(int).tolist()
        cv2.line(image, (x1, y1), (x2, y2), colour, width, cv2.LINE_AA)
