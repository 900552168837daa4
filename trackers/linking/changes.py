"""Where the looks of a track change: somebody else may have taken over, whom nobody was seen beside."""

import numpy as np

from trackers.linking.usual import likeness, usual_looks

UNLIKE_MIN = 4.0  # evidence that those before and those after are two people; 3 to 6 give the same (docs/figures.md)
LOOKS_MIN, LOOKS_MAX = 3, 10  # on either side that are compared


def find_changes(looks: np.ndarray) -> list[int]:
    """Return at which of the looks (A, D) of a track, in order of time, those of somebody else may begin, in order.

    Source: binary segmentation (Scott and Knott 1974), by the likelihood that two means are one person's.
    """
    found: list[int] = []
    spans = [(0, len(looks))]
    while spans:
        start, stop = spans.pop()
        if stop - start < 2 * LOOKS_MIN:
            continue
        scores = _likeness_of_neighbours(looks[start:stop])
        if scores.min() > -UNLIKE_MIN:
            continue
        change = start + 1 + int(scores.argmin())
        found.append(change)
        spans += [(start, change), (change, stop)]
    return sorted(found)


def _likeness_of_neighbours(looks: np.ndarray) -> np.ndarray:
    """Return the evidence (A - 1,) that looks (A, D) before each but the first are of whom it and later ones show."""
    is_known = np.isfinite(looks)
    counts, sums = (_sums(values) for values in (is_known, np.where(is_known, looks, 0.0)))
    here = np.arange(1, len(looks))
    first, stop = np.maximum(here - LOOKS_MAX, 0), np.minimum(here + LOOKS_MAX, len(looks))
    before, after = counts[here] - counts[first], counts[stop] - counts[here]
    usual = usual_looks(looks.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = ((sums[here] - sums[first]) / before - (sums[stop] - sums[here]) / after) ** 2
        noise = usual.within * (2 * usual.drift + 1 / before + 1 / after)
    squares[(before < LOOKS_MIN) | (after < LOOKS_MIN)] = np.nan
    return likeness(usual, squares, noise, np.broadcast_to(usual.between, looks.shape[1:]))


def _sums(values: np.ndarray) -> np.ndarray:
    """Return the sums (A + 1, D) of the first rows of values (A, D), from none to all."""
    return np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0, dtype=np.float64)])
