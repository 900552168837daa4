"""Lines of sight over time: where the joints of each track lie from its camera, at any instant, and how they turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.multiview.clock import find_between, usual_step_s
from pipeline.multiview.triangulation import directions
from pipeline.multiview.views import View

BODY = tuple(range(5, 17))  # of COCO-17; a face is not seen from behind
SCORE_MIN = 0.3
SPAN_S, BIN_S = 90.0, 10.0


@dataclass(frozen=True, slots=True)
class Lines(Shaped):
    """The joints of one track as a camera sees them, in order of time."""

    time_s: Annotated[np.ndarray, "R"]  # float64, of the camera's own video
    toward: Annotated[np.ndarray, "R", "J", 3]  # float64, directions in the world, of length 1; NaN: not seen
    step_s: float  # usual time between frames

    def at(self, wanted_s: np.ndarray) -> np.ndarray:
        """Return the directions (T, J, 3) at instants (T,) of the camera's video; NaN where none are known."""
        place = find_between(self.time_s, wanted_s, self.step_s)
        share = place.share[:, None, None]
        after = self.toward[np.minimum(place.index + 1, len(self.time_s) - 1)]
        found = np.where(share > 0, (1 - share) * self.toward[place.index] + share * after, self.toward[place.index])
        return np.where(place.is_given[:, None, None], found, np.nan)


def lines_of_all(views: Sequence[View]) -> tuple[dict[int, Lines], ...]:
    """Return the lines of sight of each track of each view, in the `SPAN_S` of a long capture that show most people."""
    times = np.concatenate([view.rows.time_s for view in views])
    start = 0.0
    if len(times) and float(times.max()) > SPAN_S:
        shown = np.bincount((times // BIN_S).astype(np.int64))
        start = BIN_S * float(np.convolve(shown, np.ones(round(SPAN_S / BIN_S)), mode="valid").argmax())
    return tuple(lines_of(view, start, start + SPAN_S) for view in views)


def lines_of(view: View, start_s: float, end_s: float) -> dict[int, Lines]:
    """Return the lines of sight of each track of a view in a part of its video; none where it has a single frame."""
    first, stop = np.searchsorted(view.rows.time_s, (start_s, end_s))
    view = View(view.camera, view.rows.take(slice(first, stop)), view.rays[first:stop])
    rows = view.rows
    step = usual_step_s(rows.time_s)
    if not step:
        return {}
    seen = rows.keypoints[:, BODY, 2:] >= SCORE_MIN
    toward = np.where(seen, directions(view.camera, view.rays[:, BODY]), np.nan)
    tracks = {}
    for track in np.unique(rows.track_id):
        mine = rows.track_id == track
        tracks[int(track)] = Lines(rows.time_s[mine], toward[mine], step)
    return tracks
