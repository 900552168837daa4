"""The camera over the ground, and its focal length, from people who stand and walk.

Everybody's ankles lie on one plane, and everybody's shoulders above their ankles, along its normal but for a lean
towards where they face, by a height of their own. So one person at several distances, or several people, tell the
horizon, and the directions in which they stand tell the vertical; both together tell the focal length.

Source: F. Lv, T. Zhao, R. Nevatia, "Camera calibration from video of a walking human", PAMI 2006, for the idea; here
as robust least squares over all unknowns, with the errors of each witness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.optimize import least_squares

from configs.checks import Shaped, join_rows
from refine.scene.standing import Standing, view_axes

LENGTH_ERROR = 0.03  # fraction of a row's length: posture, keypoints
LEAN_ERROR_RAD = np.radians(4.5)  # of a row, across the line of sight: walkers sway, dancers more
# Shoulders lie in front of ankles: people's means in 72 recordings of walking and standing, and their deviation.
FORWARD_RAD, FORWARD_ERROR_RAD, SIDEWAYS_ERROR_RAD = np.radians(4.0), np.radians(2.2), np.radians(1.8)
ERRORS_APART_S = 1.0  # errors of rows nearer in time are the same
STATURE_ERROR = 0.055  # fraction: adults' heights, of which a recovered shape knows little
STATURE_ERROR_OF_ALL = 0.04  # the same of the mean of everybody, as the bodies of other makers of crowds show it
# Of the image's diagonal; the error is one of the logarithm. Eleven kinds of cameras, as published: CMU Panoptic's HD
# (0.67), VGA (0.93), Kinect (0.48); Shelf (0.84); Campus (0.94, 1.52); Human3.6M (0.81); 3DPW (0.89); mmBody (0.38);
# C920 (0.62); RealSense D435 (0.63).
FOCAL_GUESS, FOCAL_GUESS_ERROR = 0.74, 0.35
TILT_GUESS_RAD, TILT_GUESS_ERROR_RAD, ROLL_GUESS_ERROR_RAD = 0.15, 0.35, 0.1
HEIGHT_GUESS_M, HEIGHT_GUESS_ERROR = 1.8, 0.7  # the error is one of the logarithm
FIXED = 1e-4  # error of a logarithm that is no unknown
ERRORS_BEFORE = 10.0  # as many say that the errors above hold, before a clip's own rows are seen
OUTLIER = 3.0  # errors beyond which a row counts less
PEOPLE_MAX, ROWS_MAX = 24, 40  # people whose rows decide, and rows of each: those who stand longest, evenly drawn
ROWS_MIN, ERRORS_MIN = 5, 8.0  # of one person; of all people: eight seconds of somebody, or four of two
STARTS_TILT_RAD, STARTS_FOCAL, START_STEPS = (0.1, 0.5, 1.3), (0.6, 1.0), 12
STEP = 1e-3  # of derivatives
TILT, ROLL, FOCAL, HEIGHT, SCALES = 0, 1, 2, 3, 4  # where the unknowns are, then scales and postures of all people


@dataclass(frozen=True, slots=True)
class Size(Shaped):
    """How much larger than recovered a person is: a logarithm, and what is not known of it."""

    slopes: Annotated[
        np.ndarray, 4
    ]  # by how much it is off where tilt, roll, logarithms of focal length and height are
    log: float = 0.0
    error: float = STATURE_ERROR  # standard error
    own_error: float = STATURE_ERROR  # the same if those four were known

    @classmethod
    def unknown(cls) -> "Size":
        """Return the size of somebody of whom nothing but usual heights is known."""
        return cls(np.zeros(4))


@dataclass(frozen=True, slots=True)
class CameraFit(Shaped):
    """How a camera stands over the ground."""

    tilt_rad: float  # down
    roll_rad: float  # clockwise
    focal_px: float
    height_m: float
    covariance: Annotated[np.ndarray, 4, 4]  # of tilt, roll, logarithms of focal length and height
    sizes: dict[int, Size]  # of people, by place in the list
    misfit: float = 0.0  # how far the middle row is off, in its standard errors

    @property
    def up(self) -> np.ndarray:
        """The ground's normal (3,) in camera axes."""
        return upward(self.tilt_rad, self.roll_rad)

    @property
    def world_from_cam(self) -> np.ndarray:
        """The transform (4, 4) to a world whose origin is on the ground below the camera and which it looks along."""
        return world_over_ground(self.up, self.height_m)

    def sigma(self, unknown: int) -> float:
        """Return the standard error of one of the first four unknowns."""
        return float(np.sqrt(self.covariance[unknown, unknown]))


def upward(tilt_rad: float, roll_rad: float) -> np.ndarray:
    """Return the world's upward direction (3,) in the axes of a camera that looks down and is turned clockwise."""
    level = np.cos(tilt_rad)
    return np.array([np.sin(roll_rad) * level, -np.cos(roll_rad) * level, -np.sin(tilt_rad)])


def world_over_ground(up: np.ndarray, height_m: float) -> np.ndarray:
    """Return `world_from_cam` (4, 4): z is `up`, y the direction the camera looks in, the camera lies over the origin.

    A camera that looks straight down has the top of its image ahead.
    """
    ahead = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.999 else np.array([0.0, -1.0, 0.0])
    forward = ahead - (ahead @ up) * up
    forward /= np.linalg.norm(forward)
    transform = np.eye(4)
    transform[:3, :3] = np.stack([np.cross(forward, up), forward, up])
    transform[2, 3] = height_m
    return transform


def fit_camera(
    people: Sequence[Standing], diagonal_px: float, focal_px: float | None, focal_error: float = 0.0
) -> CameraFit | None:
    """Return the camera that fits everybody best; None if too few people stand for long enough.

    Args:
        people: rows of each person; those who do not stand have none.
        focal_px: None: it is one of the unknowns, of which is known what cameras usually have.
        focal_error: standard error of the logarithm of a focal length that is not sought.
    """
    enough = [number for number, person in enumerate(people) if len(person.time_s) >= ROWS_MIN]
    used = sorted(enough, key=lambda number: -len(people[number].time_s))[:PEOPLE_MAX]
    counts = [independent(people[number].time_s) for number in used]
    if sum(counts) < ERRORS_MIN:
        return None
    guess = (FOCAL_GUESS, FOCAL_GUESS_ERROR) if focal_px is None else (focal_px / diagonal_px, FIXED)
    problem = _Problem([_drawn(people[number]) for number in used], counts, diagonal_px, *guess)
    tries = [least_squares(problem, start, x_scale="jac", max_nfev=START_STEPS) for start in problem.starts()]
    best = min(tries, key=lambda each: float(each.cost)).x
    found = least_squares(problem, best, x_scale="jac", max_nfev=50)
    covariance = _covariance(problem.scaled(np.asarray(found.jac), found.x), None if focal_px is None else focal_error)
    first = covariance[:SCALES, :SCALES].copy()
    first[HEIGHT, HEIGHT] += STATURE_ERROR_OF_ALL**2
    camera = CameraFit(
        tilt_rad=float(found.x[TILT]),
        roll_rad=float(found.x[ROLL]),
        focal_px=float(np.exp(found.x[FOCAL]) * diagonal_px) if focal_px is None else focal_px,
        height_m=float(np.exp(found.x[HEIGHT])),
        covariance=first,
        sizes={number: _size_of(SCALES + place, found.x, covariance) for place, number in enumerate(used)},
        misfit=float(np.median(np.abs(problem.off(found.x)).max(axis=0))),
    )
    for number in enough:
        if number not in camera.sizes:
            camera.sizes[number] = _size_below(people[number], camera)
    return camera


def compare_axes(
    person: Standing, up: np.ndarray, height_m: float, focal_px: float, length_m: np.ndarray, leans: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how much longer (S,) the axes of bodies are in the image than if they stood, and how far they lean (S,).

    The first is a logarithm, the second in radians.

    Args:
        up: (3,) the ground's normal; height_m: of the camera; length_m: (S,) of the axes.
        leans: (S, 2) how far people who stand lean to where they face, and to their right; radians.
    """
    body_px = person.shoulders_px - person.ankles_px
    sight = np.concatenate([person.ankles_px / focal_px, np.ones((len(body_px), 1))], axis=1)
    below = np.maximum(-(sight @ up), 0.01)
    ankles = sight * ((height_m - person.ankles_m) / below)[:, None]
    away, side = view_axes(ankles, up)
    right, ahead = person.facing.T
    forward, sideways = leans.T
    axis = (
        up + (forward * right + sideways * ahead)[:, None] * side + (forward * ahead - sideways * right)[:, None] * away
    )
    shoulders = ankles + (length_m / np.linalg.norm(axis, axis=1))[:, None] * axis
    wanted = focal_px * shoulders[:, :2] / np.maximum(shoulders[:, 2:], 0.1) - person.ankles_px
    length = np.log(
        np.maximum(np.linalg.norm(body_px, axis=1), 1e-6) / np.maximum(np.linalg.norm(wanted, axis=1), 1e-6)
    )
    cross = wanted[:, 0] * body_px[:, 1] - wanted[:, 1] * body_px[:, 0]
    return length, np.arctan2(cross, (wanted * body_px).sum(axis=1))


def independent(time_s: np.ndarray) -> float:
    """Return how many errors rows (S,) have that do not depend on each other."""
    if len(time_s) < 2:
        return float(len(time_s))
    step_s = float(np.median(np.diff(time_s)))
    return min(float(len(time_s)), 1.0 + len(time_s) * step_s / ERRORS_APART_S)


def _drawn(person: Standing) -> Standing:
    count = len(person.time_s)
    return person if count <= ROWS_MAX else person.take(np.linspace(0, count - 1, ROWS_MAX).round().astype(np.int64))


def _size_of(place: int, numbers: np.ndarray, covariance: np.ndarray) -> Size:
    """Return the size of a person whose scale is one of the unknowns."""
    beside = covariance[place, :SCALES]
    slopes = np.linalg.lstsq(covariance[:SCALES, :SCALES], beside, rcond=None)[0]
    own = covariance[place, place] - beside @ slopes
    error = float(np.sqrt(covariance[place, place]))
    return Size(slopes, float(numbers[place]), error, float(np.sqrt(max(own, 0.0))))


def _size_below(person: Standing, camera: CameraFit) -> Size:
    """Return the size of a person who did not decide how the camera stands."""
    usual = np.tile([FORWARD_RAD, 0.0], (len(person.time_s), 1))
    where = np.array([camera.tilt_rad, camera.roll_rad, np.log(camera.focal_px), np.log(camera.height_m)])

    def lengths(numbers: np.ndarray) -> np.ndarray:
        tilt, roll, focal, height = numbers
        seen_by = (upward(tilt, roll), float(np.exp(height)), float(np.exp(focal)))
        return compare_axes(person, *seen_by, person.length_m, usual)[0]

    length = lengths(where)
    weights = 1.0 / (1.0 + (length / LENGTH_ERROR / OUTLIER) ** 2)
    known = independent(person.time_s) * float(weights.mean()) / LENGTH_ERROR**2
    total = known + 1.0 / STATURE_ERROR**2
    slopes = [np.average(lengths(where + step) - lengths(where - step), weights=weights) for step in STEP * np.eye(4)]
    return Size(
        slopes=known / total * np.array(slopes) / (2.0 * STEP),
        log=float(known * np.average(length, weights=weights) / total),
        error=float(np.hypot(total**-0.5, camera.sigma(HEIGHT))),
        own_error=float(total**-0.5),
    )


def _covariance(slopes: np.ndarray, focal_error: float | None) -> np.ndarray:
    """Return the covariance of all unknowns from the residuals' derivatives; None: the focal length was sought, too.

    If it was not, the others follow its error: at another focal length another camera would have fitted.
    """
    information = slopes.T @ slopes
    if focal_error is None:
        return np.asarray(np.linalg.inv(information))
    others = np.arange(len(information)) != FOCAL
    inside = np.linalg.inv(information[np.ix_(others, others)])
    follow = np.ones(len(information))
    follow[others] = -inside @ information[others, FOCAL]
    covariance = focal_error**2 * np.outer(follow, follow)
    covariance[np.ix_(others, others)] += inside
    return covariance


class _Problem:
    """The residuals of all people, in standard errors."""

    def __init__(
        self, people: Sequence[Standing], counts: Sequence[float], diagonal_px: float, focal: float, focal_error: float
    ) -> None:
        sizes = [len(person.time_s) for person in people]
        self._people, self._diagonal, self._focal, self._focal_error = len(people), diagonal_px, focal, focal_error
        self._who = np.repeat(np.arange(len(people)), sizes)
        self._weight = np.sqrt(np.repeat([min(1.0, n / size) for n, size in zip(counts, sizes, strict=True)], sizes))
        self._rows = join_rows(people)

    def starts(self) -> list[np.ndarray]:
        """Return where to begin."""
        starts = []
        for tilt in STARTS_TILT_RAD:
            for focal in (self._focal,) if self._focal_error == FIXED else STARTS_FOCAL:
                start = np.zeros(SCALES + 3 * self._people)
                start[TILT], start[FOCAL], start[HEIGHT] = tilt, np.log(focal), np.log(HEIGHT_GUESS_M)
                start[SCALES + self._people : SCALES + 2 * self._people] = FORWARD_RAD
                starts.append(start)
        return starts

    def off(self, numbers: np.ndarray) -> np.ndarray:
        """Return how far lengths and leans (2, S) are off, in standard errors."""
        tilt, roll, log_focal, log_height = numbers[:SCALES]
        scales, forward, sideways = np.split(numbers[SCALES:], 3)
        length, lean = compare_axes(
            self._rows,
            upward(tilt, roll),
            float(np.exp(log_height)),
            float(np.exp(log_focal)) * self._diagonal,
            self._rows.length_m * np.exp(scales[self._who]),
            np.stack([forward, sideways], axis=1)[self._who],
        )
        return np.stack([length / LENGTH_ERROR, lean / LEAN_ERROR_RAD])

    def scaled(self, slopes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return derivatives of the residuals in the errors that lengths and leans turn out to have here."""
        off = self._weight * _robust(self.off(numbers))
        known = float((self._weight**2).sum())
        errors = np.sqrt(((off**2).sum(axis=1) + ERRORS_BEFORE) / (known + ERRORS_BEFORE))
        found = slopes.copy()
        found[: off.size] /= np.repeat(errors, off.shape[1])[:, None]
        return found

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        tilt, roll, log_focal, log_height = numbers[:SCALES]
        scales, forward, sideways = np.split(numbers[SCALES:], 3)
        guesses = [
            (tilt - TILT_GUESS_RAD) / TILT_GUESS_ERROR_RAD,
            roll / ROLL_GUESS_ERROR_RAD,
            (log_focal - np.log(self._focal)) / self._focal_error,
            (log_height - np.log(HEIGHT_GUESS_M)) / HEIGHT_GUESS_ERROR,
        ]
        postures = [(forward - FORWARD_RAD) / FORWARD_ERROR_RAD, sideways / SIDEWAYS_ERROR_RAD]
        known = [guesses, scales / STATURE_ERROR, *postures]
        return np.concatenate([*(self._weight * _robust(self.off(numbers))), *known])


def _robust(residuals: np.ndarray) -> np.ndarray:
    return np.asarray(residuals / np.sqrt(1.0 + (residuals / OUTLIER) ** 2))
