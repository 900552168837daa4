"""Tracks are cut where the tracker may have gone astray: in each piece, somebody is taken to be one person."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from trackers.linking.changes import find_changes
from trackers.linking.contact import CONTACT_MIN

GAP_S = 0.2  # unseen for longer: who comes back may be somebody else
CONTACT_EVERY_S = 0.06  # where two stay together, a piece ends at most this often
JUMP_SHARE = 0.3  # of the smaller of two boxes in a row: less of it in the other one is a jump
END_S = 0.4  # place and speed at an end are those of this long
HALF_MIN = 3  # looks in each half of a piece that says how looks drift
SPEED_MAX = 4.0  # m/s; a fitted speed above it is noise


@dataclass(frozen=True, slots=True)
class TrackRows(Shaped):
    """One track of the tracker, in order of time."""

    frame_index: Annotated[np.ndarray, "T"]  # int64
    time_s: Annotated[np.ndarray, "T"]  # float64
    boxes_xyxy: Annotated[np.ndarray, "T", 4]  # pixels
    places_m: Annotated[np.ndarray, "T", 3]  # in camera axes, metres
    betas: Annotated[np.ndarray, "T", 10]
    weights: Annotated[np.ndarray, "T"]  # of the betas, 0 to 1
    contact: Annotated[np.ndarray, "T"]  # as of `Contacts`
    is_clear: Annotated[np.ndarray, "T"]  # bool, likewise
    look_frames: Annotated[np.ndarray, "A"]  # int64, at which the person was looked at
    looks: Annotated[np.ndarray, "A", "D"]  # float32, NaN where a part was not seen


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a track that is one person, and what is known of that person."""

    track_id: int
    first_frame: int
    last_frame: int
    first_s: float
    last_s: float
    frames: np.ndarray  # (T,) int64, in which the person was seen
    boxes_xyxy: np.ndarray  # (T, 4) float32
    shot: int  # number of the shot
    begins: str  # why: "track", "unseen", "contact", "jump" or "looks"
    places_m: np.ndarray  # (2, 3) at both ends, camera axes
    speeds_m_s: np.ndarray  # (2, 3)
    contact: np.ndarray  # (2,) closest there, as of `Contacts`
    first_contact: float  # in the first frame
    look: np.ndarray  # (D,) mean; NaN where nothing was seen
    look_count: np.ndarray  # (D,) how often each was seen
    look_scatter: np.ndarray  # (D,) sum of squares about the mean
    look_drift: np.ndarray  # (D,) variance that the mean has from one half of the piece to the other; NaN: not known
    shape: np.ndarray  # (10,) weighted mean of the betas
    shape_count: float  # sum of the weights
    shape_scatter: np.ndarray  # (10,)
    clear_count: int  # frames in which the person was clear of others


def cut_track(track: TrackRows) -> list[tuple[int, str]]:
    """Return the rows at which pieces of a track begin, and why, in order; the first is row 0."""
    steps_s, boxes = np.diff(track.time_s), track.boxes_xyxy
    low, high = np.maximum(boxes[1:, :2], boxes[:-1, :2]), np.minimum(boxes[1:, 2:], boxes[:-1, 2:])
    smaller = np.minimum(_areas(boxes[1:]), _areas(boxes[:-1]))
    is_jump = np.maximum(high - low, 0).prod(axis=1) < JUMP_SHARE * smaller
    begins = {0: "track"}
    begins |= {row + 1: "jump" for row in np.flatnonzero(is_jump).tolist()}
    begins |= {row: "contact" for row in _peaks(track.contact, track.time_s)}
    begins |= {row + 1: "unseen" for row in np.flatnonzero(steps_s > GAP_S).tolist()}
    look_rows = np.searchsorted(track.frame_index, track.look_frames)
    for looks in np.split(np.arange(len(look_rows)), np.searchsorted(look_rows, sorted(begins))):
        begins |= {int(look_rows[looks[change]]): "looks" for change in find_changes(track.looks[looks])}
    return sorted(begins.items())


def pieces_of(track_id: int, track: TrackRows, cut_frames: np.ndarray) -> Iterator[Piece]:
    """Yield the pieces of a track in order.

    Args:
        cut_frames: (C,) rising frames at which a new shot begins.
    """
    begins = cut_track(track)
    stops = [row for row, _ in begins[1:]] + [len(track.frame_index)]
    for (start, reason), stop in zip(begins, stops, strict=True):
        part = slice(start, stop)
        first, last = int(track.frame_index[start]), int(track.frame_index[stop - 1])
        is_mine = (track.look_frames >= first) & (track.look_frames <= last)
        look, look_count, look_scatter = summary(track.looks[is_mine], np.ones(int(is_mine.sum())))
        shape, shape_count, shape_scatter = summary(track.betas[part], track.weights[part])
        ends = [_end(track, part, is_first=is_first) for is_first in (True, False)]
        contact = [track.contact[part][near].max() for near in _near_ends(track.time_s[part])]
        yield Piece(
            track_id=track_id,
            first_frame=first,
            last_frame=last,
            first_s=float(track.time_s[start]),
            last_s=float(track.time_s[stop - 1]),
            frames=track.frame_index[part],
            boxes_xyxy=track.boxes_xyxy[part].astype(np.float32),
            shot=int(np.searchsorted(cut_frames, first, side="right")),
            begins=reason,
            places_m=np.stack([place for place, _ in ends]),
            speeds_m_s=np.stack([speed for _, speed in ends]),
            contact=np.array(contact),
            first_contact=float(track.contact[start]),
            look=look,
            look_count=look_count,
            look_scatter=look_scatter,
            look_drift=_drift(track.looks[is_mine], look_count, look_scatter),
            shape=shape,
            shape_count=float(shape_count.mean()),
            shape_scatter=shape_scatter,
            clear_count=int(track.is_clear[part].sum()),
        )


def _peaks(contact: np.ndarray, time_s: np.ndarray) -> list[int]:
    """Return the rows where contact is closest, each farther from the next than pieces last at least; row 0 is none."""
    found: list[int] = []
    is_near = np.zeros(len(contact), bool)
    first = np.searchsorted(time_s, time_s - CONTACT_EVERY_S, side="right").tolist()
    stop = np.searchsorted(time_s, time_s + CONTACT_EVERY_S, side="left").tolist()
    for row in np.argsort(-contact, kind="stable").tolist():
        if contact[row] < CONTACT_MIN:
            break
        if row and not is_near[row]:
            found.append(row)
            is_near[first[row] : stop[row]] = True
    return found


def _end(track: TrackRows, part: slice, *, is_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return place (3,) and speed (3,) at an end of a part, by a line through its rows near that end."""
    times, places = track.time_s[part], track.places_m[part].astype(np.float64)
    end_s, is_near = times[0 if is_first else -1], _near_ends(times)[0 if is_first else 1]
    times, places = times[is_near] - end_s, places[is_near]
    if len(times) < 4 or np.ptp(times) < 0.5 * END_S:
        return np.median(places, axis=0), np.zeros(3)
    centred = times - times.mean()
    speed = centred @ (places - places.mean(axis=0)) / (centred @ centred)
    speed *= min(1.0, SPEED_MAX / max(float(np.linalg.norm(speed)), 1e-9))
    return places.mean(axis=0) - times.mean() * speed, speed


def _near_ends(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows (T,) are near the first one, and which near the last one."""
    return times_s - times_s[0] <= END_S, times_s[-1] - times_s <= END_S


def summary(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, count and scatter (D,) of values (A, D) that may be NaN, with weights (A,)."""
    is_known = np.isfinite(values)
    mass = np.where(is_known, weights[:, None], 0.0)
    known = np.where(is_known, values, 0.0).astype(np.float64)
    count = mass.sum(axis=0)
    mean = (mass * known).sum(axis=0) / np.maximum(count, 1e-9)
    scatter = (mass * (known - mean) ** 2).sum(axis=0)
    return np.where(count > 0, mean, np.nan), count, scatter


def _drift(values: np.ndarray, count: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """Return how much more (D,) the means of both halves of values (A, D) differ than their scatter makes them."""
    half = len(values) // 2
    if half < HALF_MIN:
        return np.full(values.shape[1], np.nan)
    first, second = (summary(part, np.ones(len(part)))[0] for part in (values[:half], values[half:]))
    return np.asarray(0.5 * (first - second) ** 2 - scatter / np.maximum(count - 1, 1) / half)


def _areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0).prod(axis=1))
