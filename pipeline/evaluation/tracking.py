"""Who was followed for how long: HOTA, IDF1, MOTA and identity switches against true boxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from configs.checks import Shaped
from configs.errors import InputError, InstallationError
from configs.files import check_regular
from pipeline.results import Run
from pipeline.types import MotionTrack

MATCH_MIN = 0.5  # IoU from which a box is somebody's, as in the MOTChallenge
VISIBLE_MIN = 0.25  # share of a person that is to be seen, to count as visible
PEDESTRIAN = 1  # class of the MOTChallenge
COLUMNS = ("frame", "id", "left", "top", "width", "height")
BYTES_MAX = 2**29
HEAD = ("truth", "people", "found", "boxes", "HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches")


@dataclass(frozen=True, slots=True)
class MotRows(Shaped):
    """Boxes of people over time, as a file of the MOTChallenge holds them, ordered by frame."""

    frames: Annotated[np.ndarray, "R"]  # int64, from 1
    ids: Annotated[np.ndarray, "R"]  # int64
    boxes_xyxy: Annotated[np.ndarray, "R", 4]  # float64, pixels of the full image
    is_counted: Annotated[np.ndarray, "R"]  # bool; False: neither found nor missed, as a reflection
    visibility: Annotated[np.ndarray, "R"]  # 0 to 1; 1 where the file does not say


def read_mot(path: Path) -> MotRows:
    """Read a text file of the MOTChallenge: frame, id, left, top, width, height[, counted, class, visibility].

    Source: MOTChallenge, https://motchallenge.net/instructions; rows of ground truth count where the seventh column is
    not 0 and the class is a pedestrian, and results have a score there.

    Raises:
        InputError: the file is missing, or a line is none of such a file.
    """
    check_regular(path, "a text file of the MOTChallenge", bytes_max=BYTES_MAX)
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.replace(",", " ").split()]
            if len(values) < len(COLUMNS) or not np.isfinite(values).all():
                raise ValueError(f"{len(values)} numbers, expected {', '.join(COLUMNS)} and more")
            if values[0] < 1 or values[0] != int(values[0]):
                raise ValueError(f"frame {values[0]:g}, expected a whole number from 1")
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not of the MOTChallenge: {error}") from error
        rows.append([*values, *(1.0, -1.0, 1.0)[max(0, len(values) - len(COLUMNS)) :]][:9])
    table = np.array(rows, np.float64).reshape(-1, 9)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    if len(table) and (np.diff(table[:, :2], axis=0) == 0).all(axis=1).any():
        raise InputError(f"{path}: somebody is in one frame twice; ids must differ within a frame")
    is_person = (table[:, 7] < 0) | (table[:, 7] == PEDESTRIAN)
    return MotRows(
        frames=table[:, 0].astype(np.int64),
        ids=table[:, 1].astype(np.int64),
        boxes_xyxy=np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1),
        is_counted=(table[:, 6] != 0) & is_person,
        visibility=np.where(table[:, 8] < 0, 1.0, table[:, 8]),
    )


def rows_of_people(tracks: Iterable[MotionTrack], frame_scale: float = 1.0) -> MotRows:
    """Return the boxes of the people of a run, also where they were filled in.

    Args:
        frame_scale: how much smaller than the video's the frames were that the run read.
    """
    parts = [(track.frame_index + 1, track.track_id, track.boxes_xyxy / frame_scale) for track in tracks]
    frames = np.concatenate([np.zeros(0, np.int64), *(frames for frames, _, _ in parts)])
    ids = np.concatenate([np.zeros(0, np.int64), *(np.full(len(frames), number) for frames, number, _ in parts)])
    boxes = np.concatenate([np.zeros((0, 4)), *(boxes for _, _, boxes in parts)])
    order, whole = np.lexsort((ids, frames)), np.ones(len(frames))
    return MotRows(frames[order], ids[order], boxes[order].astype(np.float64), whole.astype(bool), whole)


def rows_of_run(folder: Path) -> MotRows:
    """Return the boxes of a run's people in pixels of its video, also where they were filled in.

    Raises:
        InputError: there is no finished run, or it is of several cameras.
    """
    run = Run(folder)
    if run.files.views():
        raise InputError(f"{folder}: is of several cameras; give the run of one of them, in {folder / 'views'}")
    video, side_px = run.video, run.settings.decode.max_side_px
    longer_px = max(video.width or 1, video.height or 1)
    return rows_of_people(run.tracks(), 1.0 if side_px is None else min(1.0, side_px / longer_px))


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """How people were followed, over one kind of truth. Fractions are from 0 to 1, MOTA at most 1."""

    truth: str
    people: int
    found: int  # identities that were given
    boxes: int  # of the truth
    hota: float
    deta: float
    assa: float
    idf1: float
    mota: float
    switches: int

    def row(self) -> tuple[str, ...]:
        """Return the row under `HEAD`, fractions in percent."""
        shares = (self.hota, self.deta, self.assa, self.idf1, self.mota)
        counts = (str(self.people), str(self.found), str(self.boxes))
        return (self.truth, *counts, *(f"{100 * share:.1f}" for share in shares), str(self.switches))


def measure_tracking(truth: MotRows, found: MotRows, visible_min: float = VISIBLE_MIN) -> list[TrackingReport]:
    """Return how well people were followed: of those who are visible, and of all, hidden ones with them.

    Boxes that lie on somebody who does not count there are neither right nor wrong.

    Raises:
        InputError: the truth holds nobody who counts.
        InstallationError: TrackEval is not installed.
    """
    if not truth.is_counted.any():
        raise InputError("the truth holds nobody who counts: its seventh column is 0, or the class is no pedestrian")
    is_visible = truth.is_counted & (truth.visibility >= visible_min)
    kinds = [("visible people", is_visible), ("all people", truth.is_counted)]
    return [_measure(name, truth, found, counts) for name, counts in kinds if counts.any()]


def _measure(name: str, truth: MotRows, found: MotRows, is_counted: np.ndarray) -> TrackingReport:
    metrics = _metrics()
    people, true_rank = np.unique(truth.ids[is_counted], return_inverse=True)
    rank_of = np.full(len(truth.ids), -1)
    rank_of[is_counted] = true_rank
    identities, found_rank = np.unique(found.ids, return_inverse=True)
    true_ids, found_ids, alike = [], [], []
    for frame in np.unique(np.concatenate([truth.frames, found.frames])):
        mine, theirs = (slice(*np.searchsorted(rows.frames, [frame, frame + 1]).tolist()) for rows in (truth, found))
        overlaps = _overlaps(truth.boxes_xyxy[mine], found.boxes_xyxy[theirs])
        counts = is_counted[mine]
        kept = ~_on_others(overlaps, counts)
        true_ids.append(rank_of[mine][counts])
        found_ids.append(found_rank[theirs][kept])
        alike.append(overlaps[counts][:, kept])
    data: dict[str, Any] = {
        "num_timesteps": len(alike),
        "num_gt_ids": len(people),
        "num_tracker_ids": len(identities),
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": alike,
    }
    values = {key: value for metric in metrics for key, value in metric.eval_sequence(data).items()}
    return TrackingReport(
        truth=name,
        people=len(people),
        found=len({number for ids in found_ids for number in ids.tolist()}),
        boxes=data["num_gt_dets"],
        hota=float(np.mean(values["HOTA"])),
        deta=float(np.mean(values["DetA"])),
        assa=float(np.mean(values["AssA"])),
        idf1=float(values.get("IDF1", 0.0)),
        mota=float(values.get("MOTA", 0.0)),
        switches=int(values["IDSW"]),
    )


def _metrics() -> Sequence[Any]:
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ModuleNotFoundError as error:
        raise InstallationError(
            "TrackEval is not installed; install it with: pip install 'dpmesh-video[tracking]'"
        ) from error
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": MATCH_MIN}
    return HOTA(), CLEAR(quiet), Identity(quiet)


def _on_others(overlaps: np.ndarray, is_counted: np.ndarray) -> np.ndarray:
    """Return which boxes (N,) lie on somebody who does not count, of the overlaps (M, N) with M true people.

    Source: as the MOTChallenge's development kit leaves out boxes on distractors, by assignment.
    """
    found = np.zeros(overlaps.shape[1], bool)
    rows, columns = linear_sum_assignment(-np.where(overlaps >= MATCH_MIN, overlaps, 0.0))
    is_match = overlaps[rows, columns] >= MATCH_MIN
    found[columns[is_match & ~is_counted[rows]]] = True
    return found


def _overlaps(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    shared = np.maximum(np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:]) - low, 0).prod(axis=-1)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1) for boxes in (first_xyxy, second_xyxy)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9))
