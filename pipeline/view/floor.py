"""Where the floor of a scene is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FOOT_ABOVE_FLOOR_M = 0.05  # the lowest joint of somebody who stands: toe joints lie inside the shoe
SLACK_M = 0.35  # feet this near to z = 0 stand there
LOW_PERCENT = 20  # of a person's lowest joints: jumps and wild frames do not move the floor


@dataclass(frozen=True, slots=True)
class Floor:
    """The horizontal plane that people stand on."""

    z_m: float = 0.0
    is_guessed: bool = False  # whether it was put under the feet, because they are not near z = 0


def find_floor(lowest_m: Sequence[np.ndarray]) -> Floor:
    """Return the floor: z = 0 of the world axes, or where the feet are if that is far from there.

    Args:
        lowest_m: for each person the height of the lowest joint at some samples.
    """
    heights = [float(np.percentile(each, LOW_PERCENT)) for each in lowest_m if len(each)]
    if not heights:
        return Floor()
    feet = float(np.median(heights)) - FOOT_ABOVE_FLOOR_M
    return Floor() if abs(feet) <= SLACK_M else Floor(round(feet, 3), True)
