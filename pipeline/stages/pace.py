"""The pace of detection: in which frames people are looked for; in those between, motion fills them in."""

from fractions import Fraction
from typing import Literal

LOOKS_PER_S = 24  # that "auto" leaves at least: every second frame of 50 or 60 per second, every frame of 30


def choose_every(wanted: int | Literal["auto"], rate: Fraction) -> int:
    """Return how many frames lie between one look and the next."""
    return max(1, rate // LOOKS_PER_S) if wanted == "auto" else wanted


def is_looked_at(frame_index: int, every: int) -> bool:
    """Return whether people are looked for in a frame; where a run was resumed makes no difference."""
    return frame_index % every == 0
