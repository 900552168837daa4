"""Timestamps of a stream -> seconds that always rise."""

from fractions import Fraction


class Clock:
    """Timestamps in seconds from the first frame on, always rising."""

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        self.time_base = time_base
        self.step_s = float(1 / rate)
        self.origin: int | None = None
        self.shift_s = 0.0
        self.last_s: float | None = None

    def start(self, origin: int, last_s: float) -> None:
        """Go on after a frame at `last_s` of a video whose first frame carries the stamp `origin`."""
        self.origin, self.last_s = origin, last_s

    def read(self, pts: int | None) -> float:
        """Return the time of the next frame; a missing stamp counts on, a jump back is closed up."""
        if self.last_s is None:
            self.origin = pts
            self.last_s = 0.0
            return 0.0
        if pts is None:
            self.last_s += self.step_s
            return self.last_s
        if self.origin is None:  # the first frames had no stamp: start counting stamps from here
            self.origin = pts
            self.shift_s = self.last_s + self.step_s
        time_s = float((pts - self.origin) * self.time_base) + self.shift_s
        if time_s <= self.last_s:
            is_jump = self.last_s - time_s > 10 * self.step_s
            wanted_s = self.last_s + (self.step_s if is_jump else self.step_s / 2)  # a doubled stamp: half a step on
            if is_jump:
                self.shift_s += wanted_s - time_s
            time_s = wanted_s
        self.last_s = time_s
        return time_s
