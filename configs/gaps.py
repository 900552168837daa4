"""How long a gap in a track may be that is filled."""

from configs.schema import RunSettings

USUAL_S = 0.5


def longest_gap_s(settings: RunSettings) -> float:
    """Return the setting `link.gap_max_s`, or what it stands for: guided sampling fills as long as tracks wait."""
    if settings.link.gap_max_s is not None:
        return settings.link.gap_max_s
    return max(USUAL_S, settings.track.lost_max_s) if settings.refine.mode == "guided" else USUAL_S
