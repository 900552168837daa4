"""Simulated detections of a crowd through the whole line, from tracks to analytics, against the truth."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

from configs.analytics_schema import AnalyticsSettings
from configs.checks import Shaped, check_shape, shapes_of
from configs.errors import InputError
from configs.npz_files import read_npz
from configs.read import read_settings
from pipeline.analytics.density import count_inside
from pipeline.analytics.from_run import read_people
from pipeline.analytics.series import series_tables
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.speed import individual_speed
from pipeline.analytics.study import Study
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.engine.choose import run_inputs
from pipeline.evaluation.held import held_distances, held_places, held_speeds
from pipeline.flow.atomic import write_json
from pipeline.media.writer import VideoWriter
from pipeline.results import Run

ZONE = shapely.box(-3.0, 6.0, 3.0, 12.0)  # metres to the right of the camera, and before it
AREA = shapely.box(-15.0, 0.0, 15.0, 40.0)
NEAR_M = 2.0  # somebody farther from where they are found is another one
HELD = ("place", "speed", "distance", "people", "density")


@dataclass(frozen=True, slots=True)
class LineCrowd(Shaped):
    """What `dpmesh-video data crowd-detections --heights` wrote of one clip."""

    name: str
    frame: Annotated[np.ndarray, "R"]  # int64, of each detection
    boxes_xyxy: Annotated[np.ndarray, "R", 4]
    scores: Annotated[np.ndarray, "R"]
    keypoints: Annotated[np.ndarray, "R", 17, 3]
    place_m: Annotated[np.ndarray, "N", "T", 2]  # of everybody: to the right of the camera, and before it
    rate_hz: float
    size_px: tuple[int, int]
    focal_px: float
    height_m: float
    tilt_deg: float

    def tracks(self) -> Trajectories:
        """Return the true trajectories; people are numbered from 1."""
        people, frames = self.place_m.shape[:2]
        person = np.repeat(np.arange(1, people + 1), frames)
        return sorted_trajectories(
            person, np.tile(np.arange(frames), people), self.place_m.reshape(-1, 2), self.rate_hz
        )


@dataclass(frozen=True, slots=True)
class LineFigures:
    """Errors of one clip; fractions of the truth where nothing else is said. NaN: not measured."""

    people: float  # mean count in the zone
    density: float  # mean Voronoi density of the zone against mean people per area
    speed: float  # mean speed in the zone
    place_m: float  # on average
    found: float  # share of the people in the zone who are found within 2 m
    focal: float
    height_m: float
    tilt_deg: float
    held: dict[str, float]  # figure -> how often its 90 % interval holds the truth


def read_line_crowd(folder: Path) -> LineCrowd:
    """Read a clip.

    Raises:
        InputError: it is none, or its camera moves.
    """
    path = folder / "detections.npz"
    names = ("frame_index", "boxes_xyxy", "scores", "keypoints", "time_s", "image_wh", "spot_m", "centre_m")
    try:
        arrays = read_npz(path, (*names, "camera_from_world", "focal_px"))
        check_shape("camera_from_world", arrays["camera_from_world"], (len(arrays["time_s"]), 3, 3))
        turn, centre = arrays["camera_from_world"], arrays["centre_m"].astype(np.float64)
        if np.ptp(turn, axis=0).max() > 1e-9 or np.ptp(centre, axis=0).max() > 1e-9:
            raise ValueError("its camera moves")
        ahead = turn[0, 2, [0, 2]] / np.linalg.norm(turn[0, 2, [0, 2]])
        off = arrays["spot_m"].astype(np.float64) - centre[0, [0, 2]]
        width, height = arrays["image_wh"].tolist()
        return LineCrowd(
            name=folder.name,
            frame=arrays["frame_index"],
            boxes_xyxy=arrays["boxes_xyxy"],
            scores=arrays["scores"],
            keypoints=arrays["keypoints"],
            place_m=np.stack([off @ [ahead[1], -ahead[0]], off @ ahead], axis=-1),
            rate_hz=1.0 / float(np.median(np.diff(arrays["time_s"]))),
            size_px=(width, height),
            focal_px=float(arrays["focal_px"]),
            height_m=float(centre[0, 1]),
            tilt_deg=float(np.degrees(np.arcsin(-turn[0, 2, 1]))),
        )
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: no clip of a still camera ({error}); make one: dpmesh-video data crowd-detections --heights"
        ) from error


def run_line(crowd: LineCrowd, output: Path, *, is_focal_given: bool) -> Run:
    """Run the detections through the line, with a video that shows nothing."""
    output.mkdir(parents=True, exist_ok=True)
    video, keypoints = output / f"{crowd.name}.mp4", output / f"{crowd.name}.json"
    width, height = crowd.size_px
    with VideoWriter(video, width, height, Fraction(round(crowd.rate_hz)), crf=45) as writer:
        for _ in range(crowd.place_m.shape[1]):
            writer.write(np.zeros((height, width, 3), np.uint8))
    write_json(keypoints, [
        {"image_id": frame, "category_id": 1, "score": score, "keypoints": points,
         "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
        for frame, box, score, points in zip(
            crowd.frame.tolist(), crowd.boxes_xyxy.round(2).tolist(), crowd.scores.round(4).tolist(),
            crowd.keypoints.reshape(-1, 51).round(3).tolist(), strict=True,
        )
    ])  # fmt: skip
    given = [f"recover.focal_px={crowd.focal_px}"] if is_focal_given else []
    settings = read_settings(
        None,
        {"detect": {"keypoints": str(keypoints), "second_stage": "off"}, "refine": {"mode": "smooth"},
         "overlay": {"is_written": False}, "report": {"is_written": False}},
        given,
    )  # fmt: skip
    result = run_inputs([str(video)], output, settings)[0]
    if result.is_failed:
        raise InputError(f"{crowd.name}: the run failed: {result.problem}")
    return Run(output / crowd.name)


def measure_line(crowd: LineCrowd, run: Run, settings: AnalyticsSettings) -> LineFigures:
    """Return the errors of a run of a crowd."""
    seen = read_people(run.files, run.body, settings, crowd.rate_hz, crowd.size_px)
    if seen is None:
        raise InputError(f"{crowd.name}: nobody was found")
    shapes = Shapes((Shape("zone", "zone", ZONE),), (), AREA)
    study, exact = Study(seen.people, settings, shapes), Study(crowd.tracks(), settings, shapes)
    frames = np.intersect1d(study.frames, exact.frames)
    ours, true = (
        {name: table[name].to_numpy()[np.searchsorted(each.frames, frames)] for name in table.columns if name != "zone"}
        for each in (study, exact)
        for table in (series_tables(each)["zone_series"],)
    )
    count = count_inside(exact.people, ZONE)[frames]
    matched, true_xy, found = _matched(crowd, seen.people)
    off = np.linalg.norm(matched.xy_m - true_xy, axis=1)
    scene = run.scene
    known = scene is not None and scene.is_ground_measured
    return LineFigures(
        people=float(ours["people"].mean() / count.mean() - 1),
        density=float(ours["density_per_m2"].mean() / (count.mean() / ZONE.area) - 1),
        speed=_speed(seen.people, study.frame_step) / _speed(exact.people, exact.frame_step) - 1,
        place_m=_mean(off),
        found=found,
        focal=scene.focal_px / crowd.focal_px - 1 if scene is not None and scene.focal_px else np.nan,
        height_m=(scene.camera_height_m or np.nan) - crowd.height_m if known and scene is not None else np.nan,
        tilt_deg=scene.tilt_deg - crowd.tilt_deg if known and scene is not None else np.nan,
        held={
            "place": _mean(held_places(matched, true_xy)),
            "speed": _mean(held_speeds(matched, true_xy, settings)),
            "distance": _mean(held_distances(matched, true_xy)),
            "people": _held(count, ours, "people"),
            "density": _held(true["density_per_m2"], ours, "density_per_m2"),
        },
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _held(truth: np.ndarray, ours: dict[str, np.ndarray], name: str) -> float:
    low, high = ours[f"{name}_low"], ours[f"{name}_high"]
    known = np.isfinite(low)
    return float(np.mean((truth >= low - 1e-9)[known] & (truth <= high + 1e-9)[known])) if known.any() else np.nan


def _speed(people: Trajectories, frame_step: int) -> float:
    """Return the mean speed of the rows in the zone, m/s."""
    inside = shapely.contains_xy(ZONE, people.xy_m[:, 0], people.xy_m[:, 1])
    return float(np.nanmean(individual_speed(people, frame_step).speed[inside])) if inside.any() else np.nan


def _matched(crowd: LineCrowd, people: Trajectories) -> tuple[Trajectories, np.ndarray, float]:
    """Return people who truly are in the zone as they are found, where they are (K, 2), and which share is found.

    A person of the result is one track on one true person: who is taken for another has no speed between the two.
    """
    rows, who, there = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    index = dict(people.by_frame())
    for frame in range(crowd.place_m.shape[1]):
        true = np.flatnonzero(shapely.contains_xy(ZONE, *crowd.place_m[:, frame].T))
        here = index.get(frame, np.zeros(0, np.int64))
        apart = np.linalg.norm(crowd.place_m[true, frame][:, None] - people.xy_m[here][None], axis=-1)
        first, second = linear_sum_assignment(np.minimum(apart, NEAR_M))
        near = apart[first, second] < NEAR_M
        rows.append(here[second[near]])
        who.append(true[first[near]])
        there += len(true)
    found, truth = np.concatenate(rows), np.concatenate(who)
    both = people.person[found] * len(crowd.place_m) + truth
    order = np.lexsort((people.frame[found], both))
    found, truth = found[order], truth[order]
    columns = {name: getattr(people, name) for name in shapes_of(Trajectories)}
    columns = {name: values[found] for name, values in columns.items() if values is not None}
    matched = replace(people, **columns | {"person": both[order]})
    return matched, crowd.place_m[truth, matched.frame], len(found) / max(there, 1)
