"""How far a training has come."""

from itertools import pairwise

import pytest

from dpmesh.training.engine import schedule
from dpmesh.training.engine.schedule import Schedule, Stopwatch


def test_the_rate_rises_then_falls_to_a_fiftieth() -> None:
    plan = Schedule(0.1, steps=1000, warm_up_steps=100)
    rates = [plan.rate(step, 0.0) for step in range(1001)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == pytest.approx(0.1, rel=0.03)
    assert all(later > earlier for earlier, later in pairwise(rates[:100]))
    assert all(later < earlier for earlier, later in pairwise(rates[100:]))
    assert rates[-1] == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("step", "minutes", "fraction"), [(0, 0.0, 0.0), (50, 1.0, 0.5), (10, 9.0, 0.9), (500, 0.0, 1.0)]
)
def test_whichever_of_steps_and_minutes_is_further_tells_the_share(step: int, minutes: float, fraction: float) -> None:
    assert Schedule(0.1, steps=100, minutes=10.0).fraction(step, minutes) == pytest.approx(fraction)


def test_a_length_of_one_kind_is_enough_and_none_is_refused() -> None:
    assert Schedule(0.1, steps=4).fraction(1, 1e9) == 0.25
    assert Schedule(0.1, minutes=4.0).fraction(10**9, 1.0) == 0.25
    with pytest.raises(ValueError, match="give steps or minutes"):
        Schedule(0.1)


def test_a_stopwatch_goes_on_from_earlier_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now)
    watch = Stopwatch(2.5)
    now += 90.0
    assert watch.here == pytest.approx(1.5)
    assert watch.minutes == pytest.approx(4.0)


def test_the_published_rate_is_constant_and_falls_to_a_tenth_for_the_last_epochs() -> None:
    plan = Schedule(1e-4, steps=300, warm_up_steps=0, drop_at=25 / 30)
    rates = [plan.rate(step, 0.0) for step in range(300)]
    assert set(rates[:250]) == {1e-4}
    assert rates[250:] == pytest.approx([1e-5] * 50)
