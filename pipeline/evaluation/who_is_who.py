"""Who is who in a capture against its 3D reference.

Rows of the views are compared, not bodies, so that any subset of the cameras of a run is measured in a moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from configs.errors import InputError
from configs.schema import DecodeSettings
from pipeline.capture import Camera, find_capture
from pipeline.capture.capture import check_video
from pipeline.capture.panoptic import frame_numbers
from pipeline.evaluation.capture import find_reference
from pipeline.evaluation.wrong_numbers import with_wrong_numbers
from pipeline.flow.outputs import RunFolder
from pipeline.flow.store import ObservationStore
from pipeline.multiview.people import who_is_who
from pipeline.multiview.views import Footage, View, read_view

SEED = 0  # of the subsets and of the track numbers that are exchanged
SCORE_MIN = 0.3  # of a keypoint that says whom a row shows
NEAR_HEIGHTS = 0.12  # mean distance of keypoints from the reference's, in heights of the box: a row shows them


@dataclass(frozen=True, slots=True)
class Association:
    """How well the rows of several views are told apart."""

    rows_right: float  # share of rows whose person is the one that stands for whom they show, over views and time
    pairs_right: float  # share of the pairs of rows of two views that were made one and are
    pairs_found: float  # share of those that are one and were made one
    people: float  # found, with as many frames as `frames_min`


def read_views(folder: Path, run: Path) -> tuple[list[View], float]:
    """Return what the cameras of a capture saw in a run, clocks taken to be together, and frames per second.

    Raises:
        InputError: no capture, or fewer than two views in the run.
    """
    capture = find_capture(folder)
    views, rates, files = [], [], RunFolder(run)
    for camera in capture.cameras:
        store = ObservationStore(files.view(camera.name).observations)
        if camera.name not in capture.videos or store.read_state() is None:
            continue
        info = check_video(camera, capture.videos[camera.name], DecodeSettings())
        footage = Footage(info, DecodeSettings(), frame_numbers(capture, camera.name))
        views.append(read_view(camera, store, run, footage))
        rates.append(float(info.rate))
    if len(views) < 2:
        raise InputError(f"{run}: {len(views)} views of {folder.name}; run `dpmesh-video multiview {folder}` first")
    return views, max(rates)


def measure_association(
    folder: Path, run: Path, counts: Sequence[int], subsets: int, wrong_ids: float, frames_min: int
) -> list[tuple[int, int, Association]]:
    """Return for each number of cameras how many subsets were measured, and the association over all of them.

    Args:
        subsets: at most so many are drawn.
        wrong_ids: share of every view's track numbers that are exchanged before.
    """
    views, rate_hz = read_views(folder, run)
    reference, _ = find_reference(folder)
    shown = [rows_shown(view, reference) for view in views]
    found, rng = [], np.random.default_rng(SEED)
    for count in counts:
        if count > len(views):
            raise InputError(f"{run}: {count} cameras are asked for; it has {len(views)}")
        total = comb(len(views), count)
        chosen = list(combinations(range(len(views)), count))
        if total > subsets:
            chosen = [chosen[number] for number in sorted(rng.choice(total, subsets, replace=False))]
        tallies = []
        for subset in chosen:
            own = [views[number] for number in subset]
            if wrong_ids:
                own = [with_wrong_numbers(view, wrong_ids, rate_hz, rng) for view in own]
            tallies.append(_tally(own, [shown[number] for number in subset], rate_hz, frames_min))
        right, rows, both, made, true, people = np.sum(tallies, axis=0)
        rows, made, true = (max(whole, 1.0) for whole in (rows, made, true))
        found.append((count, len(chosen), Association(right / rows, both / made, both / true, people / len(chosen))))
    return found


def rows_shown(view: View, joints_m: np.ndarray) -> np.ndarray:
    """Return whom of a reference (P, T, 17, 3) each row (R,) of a view shows; -1: nobody, or somebody unknown."""
    rows, found = view.rows, np.full(len(view.rows.frame_index), -1)
    for frame in np.unique(rows.frame_index):
        if frame >= joints_m.shape[1]:
            break
        here = np.flatnonzero(rows.frame_index == frame)
        cost = _distances(view.camera, rows.keypoints[here], rows.boxes_xyxy[here], joints_m[:, frame])
        for row, person in zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e3)), strict=True):
            if cost[row, person] < NEAR_HEIGHTS:
                found[here[row]] = person
    return found


def _distances(camera: Camera, keypoints: np.ndarray, boxes_xyxy: np.ndarray, joints_m: np.ndarray) -> np.ndarray:
    """Return the mean distance (R, P) of rows' keypoints from people's joints, in heights of the box; inf: unknown."""
    apart = np.linalg.norm(keypoints[:, None, :, :2] - camera.project(joints_m), axis=-1)
    sure = np.where(np.isfinite(apart) & (keypoints[:, None, :, 2] > SCORE_MIN), keypoints[:, None, :, 2], 0.0)
    total = sure.sum(axis=-1)
    mean = (np.nan_to_num(apart) * sure).sum(axis=-1) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, mean / (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])[:, None], np.inf)


def _tally(views: Sequence[View], shown: Sequence[np.ndarray], rate_hz: float, frames_min: int) -> np.ndarray:
    """Return rows that are right and all, pairs that are both, made, and true, and people (6,)."""
    people = [each for each in who_is_who(views, rate_hz) if len(each.frames(views)) >= frames_min]
    owners = [np.full(len(each), -1) for each in shown]
    for number, person in enumerate(people):
        for node in person.nodes:
            owners[node.view][node.rows] = number
    count = max(int(each.max(initial=-1)) for each in shown) + 1
    shared = np.zeros((len(people), count))
    for owner, true in zip(owners, shown, strict=True):
        both = (owner >= 0) & (true >= 0)
        np.add.at(shared, (owner[both], true[both]), 1.0)
    right = shared[linear_sum_assignment(-shared)].sum()
    pairs = np.zeros(3)
    for one, other in combinations(range(len(views)), 2):
        frames = np.intersect1d(views[one].rows.frame_index, views[other].rows.frame_index)
        for frame in frames:
            mine, theirs = (np.flatnonzero(views[k].rows.frame_index == frame) for k in (one, other))
            known = (shown[one][mine, None] >= 0) & (shown[other][theirs] >= 0)
            is_true = known & (shown[one][mine, None] == shown[other][theirs])
            is_made = known & (owners[one][mine, None] == owners[other][theirs]) & (owners[one][mine, None] >= 0)
            pairs += (is_true & is_made).sum(), is_made.sum(), is_true.sum()
    return np.array([right, sum((each >= 0).sum() for each in shown), *pairs, len(people)])
