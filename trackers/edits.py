"""Who is who, put right by hand: people of a finished run merged, swapped, split and dropped.

People go by the numbers that a run without edits gives them, which are those of its files and of the overlay. An edit
never renumbers anybody: who was merged into another leaves a gap, and a split makes the next number.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from configs.errors import SettingsError

EditKind = Literal["merge", "swap", "split", "drop"]
NOBODY = 0  # number of rows that are written for nobody
FORMS: dict[EditKind, str] = {"merge": "2,5", "swap": "3,4@120", "split": "3@120", "drop": "6"}
COUNTS: dict[EditKind, tuple[int, int]] = {"merge": (2, 99), "swap": (2, 2), "split": (1, 1), "drop": (1, 99)}
TIMED: tuple[EditKind, ...] = ("swap", "split")
NUMBER_MAX = 10**9
PATTERN = re.compile(r"\s*(\d{1,9}(?:\s*,\s*\d{1,9})*)\s*(?:@\s*(?:(\d{1,12})|(\d{1,9}(?:\.\d{0,9})?)s))?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of identities.

    merge: all people become the first one. swap: two people change places from a frame on. split: one person becomes
    somebody new from a frame on. drop: people are left out.
    """

    kind: EditKind
    people: tuple[int, ...]  # numbers, from 1
    frame: int | None = None  # first frame of a swap or split, as `frame_index` counts; None: `time_s` says it
    time_s: float | None = None  # the same as a time in the video

    def __post_init__(self) -> None:
        low, high = COUNTS[self.kind]
        if not low <= len(self.people) <= high or len(set(self.people)) != len(self.people):
            raise SettingsError(f"{self}: {_needs(self.kind)}")
        if any(not 1 <= person <= NUMBER_MAX for person in self.people):
            raise SettingsError(f"{self}: people are numbered from 1, as in person_001.npz")
        if (self.kind in TIMED) != ((self.frame is None) != (self.time_s is None)):
            raise SettingsError(f"{self}: {_needs(self.kind)}")

    def __str__(self) -> str:
        text = f"--{self.kind} {','.join(map(str, self.people))}"
        if self.frame is not None:
            return f"{text}@{self.frame}"
        return text if self.time_s is None else f"{text}@{self.time_s:g}s"


def parse_edits(texts: Mapping[EditKind, Sequence[str] | None]) -> list[Edit]:
    """Return the edits of all kinds, in the order of the kinds; raises as `parse_edit`."""
    return [parse_edit(kind, text) for kind, some in texts.items() for text in some or ()]


def parse_edit(kind: EditKind, text: str) -> Edit:
    """Return an edit from what follows its option: `2,5`, `3,4@120` (a frame) or `3@4.8s` (a time).

    Raises:
        SettingsError: the text is not of that form.
    """
    matched = PATTERN.fullmatch(text)
    if matched is None:
        raise SettingsError(f"--{kind} {text[:40]!r}: {_needs(kind)}")
    people, frame, time_s = matched.groups()
    return Edit(
        kind,
        tuple(int(person) for person in people.split(",")),
        None if frame is None else int(frame),
        None if time_s is None else float(time_s),
    )


def apply_edits(
    edits: Sequence[Edit], people: np.ndarray, frame_index: np.ndarray, time_s: np.ndarray, numbers: Collection[int]
) -> np.ndarray:
    """Return the numbers of the people that rows belong to after the edits, in the order they were made.

    Args:
        people: (R,) int64 numbers before, `NOBODY` for rows of nobody.
        frame_index: (R,) int64.
        time_s: (R,) float64 seconds in the video.
        numbers: of everybody before the edits; the first split makes the number after the largest.

    Raises:
        SettingsError: an edit names somebody who is not there.
    """
    result = np.array(people, np.int64)
    known, newest = set(numbers), max(numbers, default=0)
    for edit in edits:
        if missing := [person for person in edit.people if person not in known]:
            have = ", ".join(map(str, sorted(known))) if len(known) <= 20 else f"1 to {max(known)}"
            raise SettingsError(f"{edit}: there is no person {missing[0]}; people here: {have or 'none'}")
        first, *others = edit.people
        is_after = _is_from(edit, frame_index, time_s)
        if edit.kind == "merge":
            result[np.isin(result, others)] = first
            known -= set(others)
        elif edit.kind == "swap":
            is_one, is_other = is_after & (result == first), is_after & (result == others[0])
            result[is_one], result[is_other] = others[0], first
        elif edit.kind == "split":
            newest += 1
            result[is_after & (result == first)] = newest
            known.add(newest)
        else:
            result[np.isin(result, edit.people)] = NOBODY
            known -= set(edit.people)
    return result


def _is_from(edit: Edit, frame_index: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    if edit.frame is not None:
        return frame_index >= edit.frame
    if edit.time_s is not None:
        return time_s >= edit.time_s
    return np.ones(len(frame_index), bool)


def _needs(kind: EditKind) -> str:
    when = " from a frame on (@120) or a time on (@4.8s)" if kind in TIMED else ""
    low, high = COUNTS[kind]
    people = {(2, 2): "two people", (1, 1): "one person"}.get((low, high), f"{low} or more people")
    return f"names {people}, each once{when}; for example --{kind} {FORMS[kind]}"
