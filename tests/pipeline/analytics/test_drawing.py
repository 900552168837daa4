import numpy as np
import pytest

from pipeline.analytics.drawing import POINTS_MAX, Series, nice_top, plot


@pytest.mark.parametrize("value, top", [(0.0, 1.0), (0.7, 1.0), (1.2, 2.0), (2.2, 2.5), (26, 50), (float("nan"), 1.0)])
def test_an_axis_ends_at_a_round_number_above_the_values(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)


def test_a_line_breaks_where_there_is_no_value_and_says_its_mean() -> None:
    figure = plot("Speed", "s", "m/s", [Series("a<b", np.arange(5), np.array([1, 1, np.nan, 2, 2.0]))])
    assert figure.count("M") - figure.count('d="M48 ') == 2  # the line begins twice; the others are the axes'
    assert "a&lt;b: mean 1.5, at most 2" in figure


def test_nothing_is_drawn_of_nothing_and_long_lines_are_thinned() -> None:
    assert plot("t", "x", "y", [Series("a", np.arange(3), np.full(3, np.nan))]) == ""
    long = plot("t", "x", "y", [Series("a", np.arange(10_000), np.ones(10_000))])
    assert long.count("L") <= POINTS_MAX
