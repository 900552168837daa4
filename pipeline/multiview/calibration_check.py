"""Whether a calibration fits what the cameras saw: by how much lines of sight of the same joints miss each other.

A camera that is turned is found by turning all of them until the lines meet: the others then hardly turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.capture import Camera
from pipeline.flow.capture_record import CaptureRecord, ClockRecord, FitRecord, PairRecord
from pipeline.multiview.lag_search import choose_pairs
from pipeline.multiview.meeting import match_tracks, miss_of
from pipeline.multiview.rig_fit import Rig, equations_of, windows_for
from pipeline.multiview.sight_lines import lines_of_all
from pipeline.multiview.views import View

GATES_RAD = (0.4, 0.25, 0.12, 0.12, 0.12, 0.12)  # of matches, as turns are found
STEP_MAX_RAD = 0.15
DONE_RAD = 3e-4
TURN_MIN_DEG = 1.0
WRONG_MIN_RAD = 0.008  # less is no fault of a calibration: 3 cm at 4 m, 8 pixels of a focal length of 1000
TURNED_MIN_RAD = 0.0025  # where turning the camera makes it fit
WRONG_RATIO = 2.0  # of a camera's error, against what it has when turned, or what the others have


@dataclass(frozen=True, slots=True)
class PairFit:
    """How well two cameras fit."""

    cameras: tuple[str, str]
    error_px: float  # median over joints and instants; NaN: they see nobody in common


@dataclass(frozen=True, slots=True)
class CameraFit:
    """How well a camera fits the others."""

    camera: str
    error_px: float  # median over its pairs; NaN: it sees nobody whom others see
    turned_deg: float  # by how much it had to be turned to fit best
    problem: str = ""  # what seems wrong with it


@dataclass(frozen=True, slots=True)
class RigFit:
    """How well the cameras of a capture fit each other, as calibrated."""

    pairs: tuple[PairFit, ...]
    cameras: tuple[CameraFit, ...]
    problem: str = ""  # of the rig, where it cannot be said of which camera

    @property
    def problems(self) -> list[str]:
        """What seems wrong, a line each."""
        return [text for text in (self.problem, *(camera.problem for camera in self.cameras)) if text]

    def record(self, clocks: dict[str, ClockRecord]) -> CaptureRecord:
        """Return what `run.json` says, with the cameras' clocks."""
        fits = {
            each.camera: FitRecord(error_px=_known(each.error_px), turned_deg=_known(each.turned_deg))
            for each in self.cameras
        }
        pairs = tuple(PairRecord(cameras=each.cameras, error_px=_known(each.error_px)) for each in self.pairs)
        return CaptureRecord(clocks=clocks, fits=fits, pairs=pairs, problems=tuple(self.problems))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Errors:
    """Median errors of pairs (N,) of cameras, radians; NaN where they see nobody in common."""

    pairs: np.ndarray  # (N, 2) int64, places of cameras
    raw: np.ndarray  # (N,) as calibrated
    without: np.ndarray  # (N, 2) with only the other one of the two turned
    turned: np.ndarray  # (N,) with both turned


def check_calibration(views: Sequence[View]) -> RigFit:
    """Return how well cameras fit what they saw; the views are on the common clock."""
    cameras = tuple(view.camera for view in views)
    names = [camera.name for camera in cameras]
    pairs = choose_pairs(len(cameras))
    still = np.tile(np.eye(3), (len(cameras), 1, 1))
    rig = Rig(cameras, lines_of_all(views), np.zeros(len(cameras)), still)
    if sum(bool(each) for each in rig.tracks) < 2:
        return RigFit(
            (), tuple(CameraFit(name, np.nan, np.nan) for name in names), "fewer than two cameras see anybody"
        )
    turned = rig
    for gate in GATES_RAD:
        step, _ = equations_of(turned, pairs, is_timed=False, gate_rad=gate).solve()
        turned = turned.moved(np.clip(step, -STEP_MAX_RAD, STEP_MAX_RAD))
        if gate == GATES_RAD[-1] and np.abs(step).max() < DONE_RAD:
            break
    errors = _errors(rig, turned, pairs)
    angles = np.asarray(Rotation.from_matrix(turned.turns).magnitude())
    focal = np.array([camera.focal_px for camera in cameras])
    scale = focal[errors.pairs].mean(axis=1)
    fits = tuple(_camera_fit(number, camera, errors, angles[number]) for number, camera in enumerate(cameras))
    return RigFit(
        tuple(
            PairFit((names[one], names[other]), float(error))
            for (one, other), error in zip(errors.pairs.tolist(), errors.raw * scale, strict=True)
        ),
        fits,
        _of_all(cameras, errors),
    )


def _errors(rig: Rig, turned: Rig, pairs: Sequence[tuple[int, int]]) -> Errors:
    """Return the errors of pairs; who is who is what it is with cameras turned."""
    found: dict[tuple[int, int], list[np.ndarray]] = {pair: [] for pair in pairs}
    for instants in rig.windows(windows_for(pairs)):
        looks = [(rig.look(k, instants), turned.look(k, instants)) for k in range(len(rig.cameras))]
        for one, other in pairs:
            cameras = rig.cameras[one], rig.cameras[other]
            for first, second in match_tracks(cameras, looks[one][1].toward, looks[other][1].toward):
                ways = [
                    np.abs(miss_of(cameras, mine.toward[first], theirs.toward[second])).ravel()
                    for mine in looks[one]
                    for theirs in looks[other]
                ]
                found[one, other].append(np.stack(ways, axis=1))
    nothing = np.full(4, np.nan)
    medians = np.array([np.nanmedian(np.concatenate(each), axis=0) if each else nothing for each in found.values()])
    return Errors(np.array(pairs), medians[:, 0], medians[:, 1:3], medians[:, 3])


def _camera_fit(number: int, camera: Camera, errors: Errors, turned_rad: float) -> CameraFit:
    is_own = errors.pairs == number
    mine = is_own.any(axis=1)
    raw, without, turned = _middle(errors.raw[mine]), _middle(errors.without[is_own]), _middle(errors.turned[mine])
    others = _middle(errors.turned[~mine])
    if not np.isfinite(raw):
        return CameraFit(camera.name, np.nan, np.nan)
    degrees, problem = float(np.rad2deg(turned_rad)), ""
    if np.isfinite(others):  # else it is as likely the other camera
        shown, usual = (f"{error * camera.focal_px:.1f}" for error in (without, others))
        said = f"camera {camera.name} does not fit: {shown} px where others have {usual}; since its calibration it was"
        if without >= max(TURNED_MIN_RAD, WRONG_RATIO * turned) and degrees >= TURN_MIN_DEG:
            problem = f"{said} turned or moved, by about {degrees:.1f} degrees?"
        elif turned >= max(WRONG_MIN_RAD, WRONG_RATIO * others):
            problem = f"{said} moved, or its video is not of the calibrated size?"
    return CameraFit(camera.name, raw * camera.focal_px, degrees, problem)


def _of_all(cameras: Sequence[Camera], errors: Errors) -> str:
    """Return what is wrong with all cameras together, or with one of them that cannot be named."""
    if not np.isfinite(errors.raw).any():
        return (
            "no two cameras see the same person where the calibration says; check that it is of these videos, its "
            "unit, and that its rotations go from world to camera"
        )
    error, focal = _middle(errors.raw), float(np.mean([camera.focal_px for camera in cameras]))
    if error >= WRONG_MIN_RAD * 2 or (len(cameras) == 2 and error >= WRONG_MIN_RAD):
        named = " and ".join(camera.name for camera in cameras) if len(cameras) == 2 else "the cameras"
        return f"{named} do not fit each other: {error * focal:.0f} px; moved since they were calibrated?"
    return ""


def _middle(values: np.ndarray) -> float:
    """Return the median of those that are known; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
