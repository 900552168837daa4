"""Ways to refine that are compared: a mode, or a mode with a motion prior of its own."""

from collections.abc import Sequence

from configs.gaps import longest_gap_s
from configs.schema import RunSettings


def with_gaps(settings: RunSettings, modes: Sequence[str]) -> RunSettings:
    """Return settings in which all ways to refine fill the same gaps: those that one of them fills."""
    longest_s = max(longest_gap_s(with_mode(settings, mode)) for mode in modes)
    return settings.model_copy(update={"link": settings.link.model_copy(update={"gap_max_s": longest_s})})


def with_mode(settings: RunSettings, mode: str) -> RunSettings:
    """Return settings with another way to refine: a mode, or a mode and its motion prior, as in `fit:none`."""
    return settings.model_copy(update={"refine": settings.refine.model_copy(update=mode_settings(mode))})


def mode_settings(mode: str) -> dict[str, str]:
    """Return the settings of `refine` that a way to refine stands for: a mode, or `MODE:PRIOR`."""
    name, _, prior = mode.partition(":")
    return {"mode": name} | ({"prior": prior} if prior else {})
