"""How much alike people look to different cameras, and that they are one person."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np

from pipeline.multiview.views import Node, View
from trackers.linking.evidence import Channel, Sample
from trackers.linking.pieces import summary
from trackers.linking.usual import usual_looks

LIMIT = 2.0  # evidence of looks, either way: light is another one for every camera, and so is a back than a chest
MOMENTS_MAX = 60  # of a capture, whose people say how much looks differ
MOMENT_FRAMES = 12


class LooksOfViews:
    """What people look like in all views.

    How much one person's looks vary, and people's among each other, is told by those whom a view sees at once.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        samples, scatters, pairs = list[Sample](), list[np.ndarray](), list[tuple[int, int]]()
        for view in views:
            for looked_at in _moments(view):
                first = len(samples)
                for rows in looked_at:
                    sample, scatter = _sample(view, rows)
                    samples.append(sample)
                    scatters.append(scatter)
                pairs.extend(combinations(range(first, len(samples)), 2))
        self._channel = None
        if samples:
            usual = usual_looks(len(samples[0].mean))
            known = np.array(pairs, np.int64).reshape(-1, 2)
            self._channel = Channel(usual, samples, np.stack(scatters), known)

    def sample_of(self, nodes: Iterable[Node]) -> Sample | None:
        """Return what somebody looks like in some tracks of some views, all together; None: nobody looked."""
        found = None
        for node in nodes:
            view = self._views[node.view]
            first, stop = np.searchsorted(view.look_rows, (node.rows[0], node.rows[-1] + 1))
            looked_at = first + np.flatnonzero(np.isin(view.look_rows[first:stop], node.rows))
            if len(looked_at):
                sample = _sample(view, looked_at)[0]
                found = sample if found is None else found.joined(sample)
        return found

    def scores(self, one: Sample | None, others: Sequence[Sample | None]) -> np.ndarray:
        """Return the evidence (N,) that somebody is each of N others, at most `LIMIT`; 0 where looks are not known."""
        found = np.zeros(len(others))
        known = [number for number, other in enumerate(others) if other is not None]
        if self._channel is None or one is None or not known:
            return found
        means, counts = (np.stack([getattr(others[number], part) for number in known]) for part in ("mean", "count"))
        found[known] = np.clip(self._channel.scores(one, means, counts), -LIMIT, LIMIT)
        return found


def _moments(view: View) -> Iterator[list[np.ndarray]]:
    """Yield for some moments of a view the places in its looks (A,) of everybody, one array per track."""
    moment = view.rows.frame_index[view.look_rows] // MOMENT_FRAMES
    track = view.rows.track_id[view.look_rows]
    every = np.unique(moment)
    for chosen in every[:: max(1, -(-len(every) // MOMENTS_MAX))]:
        here = np.flatnonzero(moment == chosen)
        yield [here[track[here] == number] for number in np.unique(track[here])]


def _sample(view: View, looked_at: np.ndarray) -> tuple[Sample, np.ndarray]:
    """Return the mean of a view's looks, and their scatter (D,)."""
    mean, count, scatter = summary(view.looks[looked_at], np.ones(len(looked_at)))
    return Sample(mean, count), scatter
