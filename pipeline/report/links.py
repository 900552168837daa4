"""Where pieces of one person were joined, from `links.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError
from pipeline.report.objects import read_object


@dataclass(frozen=True, slots=True)
class Join:
    """Two pieces of one person that were put together."""

    time_s: float
    reason: str


def read_joins(path: Path, people: Mapping[tuple[int, int], int], rate_hz: float) -> dict[int, list[Join]]:
    """Return the joins by person, in order of time; none where the run has no such file.

    Args:
        people: number of everybody in the result, by first and last frame. The file has identities before they were
            numbered and edited; who does not begin and end with one of them was edited since.

    Raises:
        InputError: the file is damaged.
    """
    found: dict[int, list[Join]] = {}
    links = read_object(path)
    if links is None:
        return found
    try:
        spans: dict[int, tuple[int, int]] = {}
        for _, first, last, person in links["assigned"]:
            known = spans.get(person, (first, last))
            spans[person] = (min(known[0], first), max(known[1], last))
        for each in links["decisions"]:
            number = people.get(spans.get(each["people"][0], (-1, -1)))
            if each["kind"] == "return":  # in a capture, whose people are numbered already
                number = int(each["people"][0])
            if each["kind"] in ("join", "return") and number is not None:
                found.setdefault(number, []).append(Join(each["frames"][1] / rate_hz, str(each["reason"])))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not the links of a run ({error!r}); run the clip again") from error
    return found
