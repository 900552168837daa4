"""At which frames of a video something is looked at that changes slowly."""

SYNC_S = 10.0  # time is counted anew this often, so that the same frames are looked at wherever reading began before


def is_due(time_s: float, last_s: float, step_s: float) -> bool:
    """Return whether it is time for another look.

    Args:
        last_s: time of the last look; minus infinity: there was none.
    """
    return time_s - last_s >= step_s or time_s // SYNC_S != last_s // SYNC_S
