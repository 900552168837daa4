from trackers.sampling import SYNC_S, is_due


def looks(times_s: list[float], step_s: float) -> list[float]:
    found, last_s = [], float("-inf")
    for time_s in times_s:
        if is_due(time_s, last_s, step_s):
            found.append(time_s)
            last_s = time_s
    return found


def test_the_first_frame_is_looked_at_and_then_one_per_step() -> None:
    assert looks([frame / 25 for frame in range(10)], 0.1) == [0.0, 0.12, 0.24, 0.36]


def test_wherever_reading_began_the_same_frames_are_looked_at_from_the_next_sync_on() -> None:
    times_s = [frame / 25 for frame in range(600)]
    whole = looks(times_s, 0.09)
    for first in range(1, 200, 7):
        late = looks(times_s[first:], 0.09)
        assert [time_s for time_s in late if time_s >= SYNC_S] == [time_s for time_s in whole if time_s >= SYNC_S]
