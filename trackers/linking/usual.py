"""What is known of people's looks and build before a clip is seen, and what two values say by it."""

from dataclasses import dataclass

import numpy as np

LIMIT = 6.0  # no channel says more than this, either way
STRANGERS_LIMIT = 0.8  # nor clothes for one person, where nobody is seen beside another: many wear black
STRANGERS_BUILD = 0.0  # nor build: while somebody stands still it scatters less than strangers differ
PART_OUTLIERS = 0.1  # share of groups of numbers that are
PART_LIKE = 0.1  # share of strangers who wear the same there: black trousers, white shoes


@dataclass(frozen=True, slots=True)
class Usual:
    """What is known of a channel before a clip is seen: variances, and how many of its numbers are independent."""

    within: np.ndarray | float  # of one person's values
    between: np.ndarray | float  # of different people's
    independent: float
    drift: float  # variance of a person's mean from one piece to the next, over `within`
    limit: float = LIMIT
    strangers_limit: float = LIMIT  # of what says "one person", where nobody is seen beside another
    groups: int = 1  # equal groups of numbers that go wrong together: a logo, a hood, a bag


# Variances of CIELAB's L, a and b, as rendered people have them; a head is hair from behind and a face from ahead.
_HEAD, _CLOTHES = np.tile([150.0, 30.0, 40.0], 3), np.tile([60.0, 12.0, 16.0], 9)
COLOURS = Usual(
    np.concatenate([_HEAD, _CLOTHES]), np.tile([350.0, 80.0, 160.0], 12), 12.0, 2.0, LIMIT, STRANGERS_LIMIT, 4
)
SHAPES = Usual(0.1, 0.05, 1.0, 1.0, limit=1.0, strangers_limit=STRANGERS_BUILD)


def usual_looks(size: int) -> Usual:
    """Return what is known of looks of `size` numbers: colours of parts, or a network's vectors of length 1."""
    if size == len(np.atleast_1d(COLOURS.within)):
        return COLOURS
    # Cosine distances of 0.15 within a person and 0.5 between people, spread evenly over the numbers.
    return Usual(0.15 / max(size, 1), 0.35 / max(size, 1), 28.0, 1.0)


def likeness(usual: Usual, squares: np.ndarray, noise: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Return the evidence (B,) that two means are one person's, without limits, of their squared differences (B, D).

    What some of the numbers say counts for as much as their share of all numbers; a NaN says nothing.

    Args:
        noise: (B, D) variance of the difference of two means of one person.
        between: (D,) variance of people.

    Source: Prince and Elder, Probabilistic Linear Discriminant Analysis (ICCV 2007), equation for two observations.
    """
    apart = noise + 2 * between
    with np.errstate(invalid="ignore"):
        terms = 0.5 * (squares / apart - squares / noise + np.log(apart / noise))
    terms = np.where(np.isfinite(terms), terms, 0.0).reshape(
        len(squares), usual.groups, squares.shape[1] // usual.groups
    )
    parts = usual.independent / usual.groups * terms.mean(axis=2)
    if usual.groups > 1:
        unlike = np.logaddexp(parts, np.log(PART_OUTLIERS)) - np.log1p(PART_OUTLIERS)
        alike = np.log1p(PART_LIKE) - np.logaddexp(-parts, np.log(PART_LIKE))
        parts = np.where(parts < 0, unlike, alike)
    return np.asarray(parts.sum(axis=1))
