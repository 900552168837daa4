from itertools import combinations

import numpy as np

from pipeline.overlay.palette import dimmed, identity_colours


def test_an_identity_has_one_colour_whoever_else_is_there() -> None:
    np.testing.assert_array_equal(identity_colours(np.array([5, 90, 3]))[1:2], identity_colours(np.array([90])))


def test_the_first_24_people_have_colours_that_differ() -> None:
    colours = identity_colours(np.arange(1, 25)).astype(float)
    assert min(np.linalg.norm(a - b) for a, b in combinations(colours, 2)) > 45


def test_a_filled_in_person_is_greyer_but_keeps_the_hue() -> None:
    colours = identity_colours(np.arange(1, 8))
    grey = dimmed(colours)
    assert np.all(np.ptp(grey, axis=1) < 0.5 * np.ptp(colours, axis=1))
    np.testing.assert_array_equal(grey.argmax(axis=1), colours.argmax(axis=1))


def test_nobody_has_no_colour() -> None:
    assert identity_colours(np.zeros(0, np.int64)).shape == (0, 3)
