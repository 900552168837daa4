"""Where pieces of one person were joined, from `links.json`."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.report.objects import read_object


@dataclass(frozen=True, slots=True)
class Join:
    """Two pieces of one person that were put together."""

    time_s: float
    reason: str


def read_joins(path: Path, rate_hz: float) -> dict[int, list[Join]]:
    """Return the joins by person, in order; none where the run has no such file."""
    found: dict[int, list[Join]] = {}
    for each in (read_object(path) or {}).get("joins", []):
        found.setdefault(int(each["person"]), []).append(Join(int(each["frame"]) / rate_hz, str(each["reason"])))
    return found
