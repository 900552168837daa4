"""Track numbers of one view, put right where people exchange them without moving.

A tracker that confuses people gives one the number of another from one frame to the next. The number then jumps to
another place in the image, where another number has just been.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from configs.skeletons import MIRRORED_17
from pipeline.multiview.views import View

SCORE_MIN = 0.3
JOINTS_MIN = 4  # seen before and after
BEFORE_S = 0.2  # how long ago somebody was seen last
JUMP, SPEED_PER_S = 0.08, 1.2  # of the body's height in the image: farther within the time is no movement
NEARER = 0.5  # of the jump: somebody else's last place has to be as near
ROWS_AT_ONCE = 4096  # bounds memory
OWN_BONUS = 0.05  # of the height by which another number has to fit better


def steady_numbers(view: View, rate_hz: float) -> np.ndarray:
    """Return track numbers (R,) that do not jump from one person to another and back.

    Where it is not clear who is who, as where people stand before one another, numbers stay as they are.
    """
    frames, tracks = view.rows.frame_index, np.asarray(view.rows.track_id)
    before = _row_before(frames, tracks)
    reach = max(1, round(BEFORE_S * rate_hz))
    is_near = (before >= 0) & (frames - frames[before] <= reach)
    jump = np.full(len(frames), np.nan)
    for rows in np.split(np.flatnonzero(is_near), range(ROWS_AT_ONCE, is_near.sum(), ROWS_AT_ONCE)):
        jump[rows] = _distances(view, rows, before[rows])
    limit = JUMP + SPEED_PER_S * (frames - frames[before]) / rate_hz
    changes = np.unique(frames[np.nan_to_num(jump) > limit])
    now = {int(track): int(track) for track in np.unique(tracks)}
    numbers, done = np.empty_like(tracks), 0
    fresh = int(tracks.max(initial=0)) + 1
    for frame in changes.tolist():
        start, stop = np.searchsorted(frames, (frame, frame + 1))
        numbers[done:start] = [now[track] for track in tracks[done:start].tolist()]
        done = int(start)
        here = np.arange(start, stop)
        recent = np.arange(np.searchsorted(frames, frame - reach), start)
        last = {int(track): int(row) for track, row in zip(tracks[recent], recent, strict=True)}
        moved = _continued(view, here, last, jump[here], limit[here])
        given = {track: now[source] for track, source in moved.items()}
        taken = set(given.values())
        for track in tracks[here].tolist():
            if track not in given and now[track] in taken:
                given[track], fresh = fresh, fresh + 1
        now |= given
    numbers[done:] = [now[track] for track in tracks[done:].tolist()]
    return numbers


def _row_before(frames: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Return the row (R,) before each of the same track; -1 for its first."""
    order = np.lexsort((frames, tracks))
    before = np.full(len(frames), -1)
    is_same = tracks[order[1:]] == tracks[order[:-1]]
    before[order[1:][is_same]] = order[:-1][is_same]
    return before


def _continued(
    view: View, here: np.ndarray, last: dict[int, int], jump: np.ndarray, limit: np.ndarray
) -> dict[int, int]:
    """Return of which track each that jumps is the continuation, where this is clear.

    Args:
        here: (N,) the rows of a frame.
        last: the last row of each track shortly before.
        jump: (N,) how far each is from the last row of its own track; NaN: it has none, or cannot be told.
        limit: (N,) how far is no movement.
    """
    sources, rows = np.array(list(last), int), np.array(list(last.values()), int)
    pairs = np.repeat(here, len(rows)), np.tile(rows, len(here))
    apart = np.nan_to_num(_distances(view, *pairs), nan=np.inf).reshape(len(here), len(sources))
    tracks = view.rows.track_id[here]
    worth = np.where(tracks[:, None] == sources, apart - OWN_BONUS, apart)
    found = {}
    for row, source in zip(*linear_sum_assignment(np.minimum(worth, 10.0)), strict=True):
        is_clear = jump[row] > limit[row] and apart[row, source] < min(NEARER * jump[row], limit[row])
        if sources[source] != tracks[row] and is_clear:
            found[int(tracks[row])] = int(sources[source])
    return found


def _distances(view: View, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how far the joints of rows (N,) lie from those of others (N,) on average, in heights of the box.

    NaN where too few joints are seen in both. The nearer of left with left and left with right, as detectors confuse
    them.
    """
    one, other = view.rows.keypoints[rows], view.rows.keypoints[others]
    boxes = view.rows.boxes_xyxy
    height = np.maximum(boxes[rows, 3] - boxes[rows, 1], boxes[others, 3] - boxes[others, 1]).clip(min=1.0)
    found = []
    for order in (slice(None), list(MIRRORED_17)):
        turned = other[:, order]
        is_seen = (one[..., 2] >= SCORE_MIN) & (turned[..., 2] >= SCORE_MIN)
        apart = np.linalg.norm(one[..., :2] - turned[..., :2], axis=-1)
        count = is_seen.sum(axis=1)
        mean = np.where(is_seen, apart, 0.0).sum(axis=1) / np.maximum(count, 1)
        found.append(np.where(count >= JOINTS_MIN, mean / height, np.nan))
    return np.fmin(*found)
