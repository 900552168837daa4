"""The scene of a run against the truth: the camera over the ground, and who stands where, and how upright."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.analytics_schema import AnalyticsSettings
from configs.checks import Shaped, check_shape, join_rows
from configs.errors import InputError
from configs.npz_files import read_npz
from pipeline.analytics.trajectories import Trajectories
from pipeline.capture import find_capture
from pipeline.evaluation.capture import find_reference
from pipeline.evaluation.held import held_distances, held_places, held_speeds
from pipeline.evaluation.pairing import Pair, pair_people
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.truth import VISIBLE_MIN
from pipeline.motion.posing import Body, joint_positions, pelvis_of
from pipeline.motion.scene import Scene
from pipeline.motion.world import in_scene_axes
from pipeline.types import MotionTrack
from refine.scene.camera import world_over_ground
from refine.scene.standing import ANKLE_HEIGHT_M, ANKLES, axis_of, is_straight

HIPS = [11, 12]
SOLE_M, LEAN_DEG = 0.05, 4.0  # aims: soles this near to the ground, standing bodies this upright
UPRIGHT_DEG = 5.0  # who truly leans less stands upright
STILL_M, STILL_S = 0.15, 3.0  # somebody whose hips truly stay within this, for this long or more, stands still
PAN_FILE = "pan_rad.npy"  # of `dpmesh-video data capture --pan`
RANGE_S = 10.0  # over which a drift is given
HELD = ("places", "speeds", "distances within 3 m")


@dataclass(frozen=True, slots=True)
class GroundTruth(Shaped):
    """What is known of a clip. Row t is frame t of the video."""

    joints_m: Annotated[np.ndarray, "P", "T", 17, 3]  # COCO, camera axes, metres; NaN where not known or not seen
    time_s: Annotated[np.ndarray, "T"]
    up: Annotated[np.ndarray, 3]  # the ground's normal in camera axes
    height_m: float
    focal_px: float
    principal_px: Annotated[np.ndarray, 2]
    scene_turn: Annotated[np.ndarray | None, "T", 3] = None  # of a camera that pans, as in `MotionTrack`

    def in_frames(self) -> np.ndarray:
        """Return the joints (P, T, 17, 3) in the axes that the camera has in each frame."""
        if self.scene_turn is None:
            return self.joints_m
        turn = Rotation.from_rotvec(self.scene_turn).as_matrix()
        return np.einsum("tji,ptkj->ptki", turn, self.joints_m)


@dataclass(frozen=True, slots=True)
class GroundReport:
    """Errors of a scene."""

    camera: tuple[tuple[str, float | None, float | None, float], ...]  # name, found, standard error, true
    position_m: np.ndarray  # (N,) on the ground, of all rows that were paired
    held: dict[str, np.ndarray]  # figure -> of each (...) bool: in the interval of 90 %; empty where the run gives none
    lean_deg: np.ndarray  # (M,) of people who truly stand upright
    lean_error_deg: np.ndarray  # (M,) between how the same lean and how they truly do
    true_lean_deg: np.ndarray  # (M,)
    sole_m: np.ndarray  # (M,) height over the ground of the lower foot of the same
    true_sole_m: np.ndarray  # (M,) by the same measure, which takes an ankle to be always as high
    drift_m: np.ndarray  # (D,) of each stretch in which somebody stands still: how far the place moves in 10 s

    def rows(self) -> list[tuple[str, ...]]:
        """Return table rows."""
        table: list[tuple[str, ...]] = [("", "found", "standard error", "true")]
        table += [(name, _short(found), _short(sigma), _short(true)) for name, found, sigma, true in self.camera]
        return table

    def figures(self) -> list[tuple[str, ...]]:
        """Return table rows of the people."""

        def within(values: np.ndarray, limit: float) -> str:
            return f"{np.mean(np.abs(values) <= limit):.0%}" if len(values) else "-"

        return [
            ("people", "value", "rows"),
            ("place on the ground: mean error, m", _mean(self.position_m), str(len(self.position_m))),
            *(
                (f"{name} inside their intervals of 90 %", within(~inside, 0.5), str(len(inside)))
                for name, inside in self.held.items()
            ),
            (
                f"who stands leans within {LEAN_DEG:g} degrees of the truth",
                within(self.lean_error_deg, LEAN_DEG),
                str(len(self.lean_error_deg)),
            ),
            (
                f"who stands is upright within {LEAN_DEG:g} degrees (truly: {within(self.true_lean_deg, LEAN_DEG)})",
                within(self.lean_deg, LEAN_DEG),
                str(len(self.lean_deg)),
            ),
            (
                f"soles within {100 * SOLE_M:g} cm of the ground (truly: {within(self.true_sole_m, SOLE_M)})",
                within(self.sole_m, SOLE_M),
                str(len(self.sole_m)),
            ),
            ("drift of who stands still, m in 10 s", _mean(self.drift_m), f"{len(self.drift_m)} stretches"),
        ]


def read_ground_truth(path: Path, camera: str = "") -> GroundTruth:
    """Read the truth of a rendered clip (`truth.npz`), or of one camera of a capture (its folder).

    Args:
        camera: of the capture.

    Raises:
        InputError: something is missing.
    """
    if path.is_dir():
        return _of_capture(path, camera)
    names = ("joints_coco17", "visible_share", "time_s", "focal_px", "principal_px", "camera_from_world")
    try:
        arrays = read_npz(path, (*names, "camera_height_m"))
        joints = arrays["joints_coco17"].astype(np.float64)
        check_shape("visible_share", arrays["visible_share"], joints.shape[:2])
        joints[arrays["visible_share"] < VISIBLE_MIN] = np.nan
        return GroundTruth(
            joints_m=joints,
            time_s=arrays["time_s"].astype(np.float64),
            up=arrays["camera_from_world"].astype(np.float64)[:, 1],
            height_m=float(arrays["camera_height_m"]),
            focal_px=float(arrays["focal_px"]),
            principal_px=arrays["principal_px"].astype(np.float64),
        )
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not the truth of a clip ({error}); give a truth.npz, or a capture") from error


def _of_capture(folder: Path, name: str) -> GroundTruth:
    capture, (world, _) = find_capture(folder), find_reference(folder)
    (camera,) = capture.choose([name])
    seen = camera.to_camera(world.astype(np.float64))
    return GroundTruth(
        joints_m=seen,
        time_s=np.arange(seen.shape[1]) / 30.0,
        up=camera.rotation[:, 2],
        height_m=float(camera.centre_m[2]),
        focal_px=camera.focal_px,
        principal_px=camera.matrix[:2, 2],
        scene_turn=_pan_of(folder / PAN_FILE, camera.rotation[:, 2], seen.shape[1]),
    )


def _pan_of(path: Path, up: np.ndarray, frames: int) -> np.ndarray | None:
    """Return by which the axes of a camera that pans are turned in each frame (T, 3); None: it does not."""
    if not path.is_file():
        return None
    try:
        angle = np.load(path, allow_pickle=False)
        check_shape("angle", angle, (frames,))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not the turns of a rendered capture ({error}); make it again") from error
    return np.asarray(angle[:, None] * up)


def measure_ground(tracks: Sequence[MotionTrack], body: Body, scene: Scene, truth: GroundTruth) -> GroundReport:
    """Return the errors of the scene and the people of a run in which they are seen."""
    frames = truth.joints_m.shape[1]
    focal, principal = np.full(frames, truth.focal_px), np.tile(truth.principal_px, (frames, 1))
    boxes = np.array([joint_boxes(project_rows(person, focal, principal)) for person in truth.in_frames()])
    joints = [joint_positions(body, track.pose, track.betas, track.trans, "coco17") for track in tracks]
    in_scene = [
        joint_positions(body, each.pose, each.betas, each.trans, "coco17")
        for track in tracks
        for each in (in_scene_axes(track, pelvis_of(body, track.betas)),)
    ]
    pairing = pair_people(tracks, joints, boxes.reshape(len(truth.joints_m), frames, 4), is_filled_left_out=True)
    ours, true = scene.world_from_cam, world_over_ground(truth.up, truth.height_m)
    position, off_axis, drift = ([np.zeros(0)] for _ in range(3))
    ways: list[_Way] = []
    lean, sole = ([np.zeros((2, 0))] for _ in range(2))
    for person, pairs in enumerate(pairing.pairs):
        if not pairs:
            continue
        at = np.array([pair.frame for pair in pairs])
        found = np.array([in_scene[pair.track][pair.row] for pair in pairs]) @ ours[:3, :3].T + ours[:3, 3]
        real = truth.joints_m[person, at] @ true[:3, :3].T + true[:3, 3]
        places = [each[:, HIPS].mean(axis=1)[:, :2] for each in (found, real)]
        position.append(np.linalg.norm(places[0] - places[1], axis=1))
        ways += _ways(person, pairs, tracks, *places)
        axes = [axis_of(each)[0] for each in (found, real)]
        angles = np.array([_degrees(axis[:, 2]) for axis in axes])
        stands = is_straight(real, np.ones(len(real), bool)) & (angles[1] <= UPRIGHT_DEG)
        lean.append(angles[:, stands])
        off_axis.append(_degrees((axes[0] * axes[1]).sum(axis=1))[stands])
        sole.append(np.array([each[stands][:, ANKLES, 2].min(axis=1) - ANKLE_HEIGHT_M for each in (found, real)]))
        drift.append(_drifts(truth.time_s[at], found[:, HIPS].mean(axis=1), real[:, HIPS].mean(axis=1)))
    tilt, roll = np.arcsin(-truth.up[2]), np.arctan2(truth.up[0], -truth.up[1])
    leans, soles = np.concatenate(lean, axis=1), np.concatenate(sole, axis=1)
    return GroundReport(
        camera=(
            ("tilt, degrees", scene.tilt_deg, scene.tilt_sigma_deg, float(np.degrees(tilt))),
            ("roll, degrees", scene.roll_deg, scene.roll_sigma_deg, float(np.degrees(roll))),
            ("height, m", scene.camera_height_m, scene.camera_height_sigma_m, truth.height_m),
            (f"focal length ({scene.focal_source}), pixels", scene.focal_px, scene.focal_sigma_px, truth.focal_px),
        ),
        position_m=np.concatenate(position),
        held=_held(ways, truth.time_s),
        lean_deg=leans[0],
        lean_error_deg=np.concatenate(off_axis),
        true_lean_deg=leans[1],
        sole_m=soles[0],
        true_sole_m=soles[1],
        drift_m=np.concatenate(drift),
    )


@dataclass(frozen=True, slots=True)
class _Way(Shaped):
    """Where one track places one person who is known."""

    person: Annotated[np.ndarray, "R"]
    frame: Annotated[np.ndarray, "R"]
    xy_m: Annotated[np.ndarray, "R", 2]
    true_xy_m: Annotated[np.ndarray, "R", 2]
    covariance_m2: Annotated[np.ndarray, "R", 2, 2]
    systematic_m: Annotated[np.ndarray, "R", 2, 5]


def _ways(
    person: int, pairs: Sequence[Pair], tracks: Sequence[MotionTrack], xy_m: np.ndarray, true_xy_m: np.ndarray
) -> list[_Way]:
    """Return the ways of a person, whom tracks found at places (R, 2); tracks without errors are left out."""
    ways = []
    for number in sorted({pair.track for pair in pairs}):
        errors = tracks[number].ground_cov_m2, tracks[number].ground_systematic_m
        if errors[0] is not None and errors[1] is not None:
            here = [place for place, pair in enumerate(pairs) if pair.track == number]
            rows, frames = (np.array([getattr(pairs[at], name) for at in here]) for name in ("row", "frame"))
            who = np.full(len(here), person * len(tracks) + number)
            each = [values[rows].astype(np.float64) for values in errors if values is not None]
            ways.append(_Way(who, frames, xy_m[here], true_xy_m[here], *each))
    return ways


def _held(ways: Sequence[_Way], time_s: np.ndarray) -> dict[str, np.ndarray]:
    """Return how often intervals hold the truth, by figure."""
    if not ways:
        return {name: np.zeros(0, bool) for name in HELD}
    rows = join_rows(ways)
    rows = rows.take(np.lexsort((rows.frame, rows.person)))
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    found = Trajectories(
        rows.person, rows.frame, time_s[rows.frame], rows.xy_m, rate_hz, np.zeros(len(rows.frame), bool),
        rows.covariance_m2, rows.systematic_m,
    )  # fmt: skip
    settings, true = AnalyticsSettings(), rows.true_xy_m
    values = (held_places(found, true), held_speeds(found, true, settings), held_distances(found, true))
    return dict(zip(HELD, values, strict=True))


def _drifts(time_s: np.ndarray, found: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return how far the found place moves against the true one (D,), scaled to 10 s, while somebody stands still.

    Stretches are as long as the true place stays within `STILL_M`; places are means over half a second.
    """
    drifts, first = [], 0
    for last in range(1, len(time_s) + 1):
        if last < len(time_s):
            moved = np.linalg.norm(real[last, :2] - real[first, :2]) > STILL_M
            if not moved and time_s[last] - time_s[last - 1] < 0.5:
                continue
        if (span := time_s[last - 1] - time_s[first]) >= STILL_S:
            off = (found - real)[first:last, :2]
            seconds = time_s[first:last]
            begins, ends = (
                off[part].mean(axis=0) for part in (seconds < seconds[0] + 0.5, seconds > seconds[-1] - 0.5)
            )
            drifts.append(float(np.linalg.norm(ends - begins)) * min(1.0, RANGE_S / max(span, 1e-6)))
        first = last
    return np.array(drifts)


def _degrees(cosine: np.ndarray) -> np.ndarray:
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.2f}" if len(values) else "-"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
