"""How far a training has come, in steps or in minutes of computing, over all the calls that took part in it."""

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """The duration of a training and its learning rate schedule."""

    learning_rate: float
    steps: int | None = None
    minutes: float | None = None
    """Of computing, summed over the calls; whichever of steps and minutes comes first ends the training."""
    warm_up_steps: int = 200
    drop_at: float | None = None
    """Share of the training after which the rate falls to a tenth, and is constant otherwise; None: half a cosine."""

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ValueError("a schedule needs a length; give steps or minutes")

    def rate(self, step: int, minutes: float) -> float:
        """Return the learning rate: a linear rise, then half a cosine down to a fiftieth, or a step down to a tenth."""
        if step < self.warm_up_steps:
            return self.learning_rate * (step + 1) / self.warm_up_steps
        fraction = self.fraction(step, minutes)
        if self.drop_at is not None:
            return self.learning_rate * (1.0 if fraction < self.drop_at else 0.1)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fraction)))

    def fraction(self, step: int, minutes: float) -> float:
        """Return how much of the training is done, 0 to 1."""
        by_step = 0.0 if self.steps is None else step / self.steps
        by_time = 0.0 if self.minutes is None else minutes / self.minutes
        return min(1.0, max(by_step, by_time))


class Stopwatch:
    """Minutes spent, on top of those of earlier calls."""

    def __init__(self, before: float = 0.0) -> None:
        self._before, self._start = before, time.monotonic()

    @property
    def here(self) -> float:
        """Return the minutes of this call."""
        return (time.monotonic() - self._start) / 60

    @property
    def minutes(self) -> float:
        """Return the minutes of all calls."""
        return self._before + self.here
