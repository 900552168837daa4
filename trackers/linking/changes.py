"""Where the looks of a track change for good: somebody else may have taken over whom nobody was seen beside."""

import numpy as np

from trackers.linking.usual import likeness, usual_looks

UNLIKE_MIN = 4.0  # evidence that those before and those after are two people; 2 to 6 give the same on rendered clips
LOOKS_MIN = 3  # on either side


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
        scores = _likeness_before_and_after(looks[start:stop])
        if scores.min() > -UNLIKE_MIN:
            continue
        change = start + 1 + int(scores.argmin())
        found.append(change)
        spans += [(start, change), (change, stop)]
    return sorted(found)


def _likeness_before_and_after(looks: np.ndarray) -> np.ndarray:
    """Return the evidence (A - 1,) that looks (A, D) up to each but the last are those of whom the later ones show."""
    is_known = np.isfinite(looks)
    counts = is_known.cumsum(axis=0, dtype=np.float64)
    sums = np.where(is_known, looks, 0.0).cumsum(axis=0, dtype=np.float64)
    before, after = counts[:-1], counts[-1] - counts[:-1]
    usual = usual_looks(looks.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = (sums[:-1] / before - (sums[-1] - sums[:-1]) / after) ** 2
        noise = usual.within * (2 * usual.drift + 1 / before + 1 / after)
    squares[(before < LOOKS_MIN) | (after < LOOKS_MIN)] = np.nan
    return likeness(usual, squares, noise, np.broadcast_to(usual.between, looks.shape[1:]))
