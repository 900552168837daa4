"""Views whose tracker confuses people: their track numbers are exchanged for moments at a time."""

from dataclasses import replace

import numpy as np

from pipeline.multiview.views import View

SPELL_S = (0.2, 1.0)  # how long an exchange lasts


def with_wrong_numbers(view: View, share: float, rate_hz: float, rng: np.random.Generator) -> View:
    """Return a view in which about a share of the rows have the track number of somebody else in view.

    In spells of time everybody in a frame has the number of the next one, in an order that is drawn per spell. Somebody
    who is alone keeps theirs.

    Args:
        share: 0 to 1, of the rows of frames with several people.

    Raises:
        ValueError: `share` is not between 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share {share}: give a number from 0 to 1")
    frames, numbers = view.rows.frame_index, np.array(view.rows.track_id)
    if not len(frames):
        return view
    rank, starts = rng.permutation(int(numbers.max()) + 1), np.flatnonzero(np.diff(frames, prepend=frames[0] - 1))
    groups = [rows for rows in np.split(np.arange(len(frames)), starts[1:]) if len(rows) > 1]
    wanted, done, place = share * sum(len(rows) for rows in groups), 0, 0
    order = _spells(len(groups), rate_hz, rng)
    while done < wanted and place < len(order):
        rank = rng.permutation(rank)
        for group in order[place]:
            rows = groups[group][np.argsort(rank[numbers[groups[group]]])]
            numbers[rows] = np.roll(numbers[rows], 1)
            done += len(rows)
        place += 1
    return replace(view, rows=replace(view.rows, track_id=numbers))


def _spells(count: int, rate_hz: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return `count` frames cut into spells, in the order in which they are confused."""
    lengths = np.maximum(1, (rng.uniform(*SPELL_S, size=count) * rate_hz).astype(int))
    cuts = np.cumsum(lengths)
    spells = np.split(np.arange(count), cuts[cuts < count])
    return [spells[number] for number in rng.permutation(len(spells))]
