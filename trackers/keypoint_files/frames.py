"""Which frame of the video a file name or a number stands for."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.errors import InputError
from trackers.keypoint_files.people import FrameKey
from trackers.keypoint_files.values import read_whole, shortened

log = logging.getLogger(__name__)

DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class FrameNaming:
    """What is known of how a video's frames are called."""

    image_names: Sequence[str] = ()  # file names of the frames, of a video made of images
    first_number: int | None = None  # in a file name that stands for frame 0; None = 1 where names count from 1, else 0


def read_frame_key(value: Any, label: str, key: str) -> FrameKey:
    """Return what an entry says of its frame: a file name, or a frame index from 0."""
    if isinstance(value, str) and not value.isdecimal():
        return value
    return read_whole(value, label, key, "a frame index or a file name") if not isinstance(value, str) else value


def index_frames(keys: Iterable[FrameKey], source: Path, naming: FrameNaming, *, from_one: bool) -> dict[FrameKey, int]:
    """Return the frame index of each key; names without an image are left out where others have one.

    Args:
        from_one: whether the tool counts frames from 1, so that whole numbers do unless one of them is 0.

    Raises:
        InputError: a negative index, a name without a number, or two names of one frame.
    """
    known = list(keys)
    numbers = [key for key in known if isinstance(key, int)]
    names = [key for key in known if isinstance(key, str)]
    if numbers and min(numbers) < 0:
        raise InputError(f"{source}: has frame index {min(numbers)}; frames count from 0")
    first = naming.first_number
    if from_one and first is None and numbers:
        first = 0 if min(numbers) == 0 else 1
    shift = (first or 0) if from_one else 0
    indices: dict[FrameKey, int] = {number: number - shift for number in numbers}
    if numbers and min(numbers) < shift:
        raise InputError(f"{source}: frame {min(numbers)} comes before number {shift}, which was given as the first")
    named = index_names(names, source, naming, from_one=from_one)
    taken = set(indices.values())
    if doubled := next((name for name, index in named.items() if index in taken), None):
        raise InputError(f"{source}: {doubled!r} and a whole number are both frame {named[doubled]}; name frames alike")
    indices.update(named)
    return indices


def index_names(names: Sequence[str], source: Path, naming: FrameNaming, *, from_one: bool = False) -> dict[str, int]:
    """Return the frame index of each file name, by the images' names or by the last number in it."""
    index_of = {_without_ending(image): index for index, image in enumerate(naming.image_names)}
    of_image = {name: index_of[_without_ending(name)] for name in names if _without_ending(name) in index_of}
    if of_image and len(index_of) == len(naming.image_names):
        if missing := sorted(set(names) - set(of_image)):
            log.warning(
                "%s: %d names, e.g. %s, match no image; ignored",
                source, len(missing), shortened(missing[0]),
            )  # fmt: skip
        _refuse_doubles(of_image, source)
        return of_image
    numbers: dict[str, int] = {}
    for name in names:
        number = _find_number(name, source)
        if number is None:
            raise InputError(f"{source}: {shortened(name)} has no number; a frame's file name must end in its number")
        numbers[name] = number
    taken = _refuse_doubles(numbers, source)
    smallest, first = min(taken, default=0), naming.first_number
    if first is None:
        first = 1 if smallest == 1 or (from_one and smallest > 0) else 0
        if first == 1:
            log.info("%s: file names count from 1, so 1 is the first frame", source)
    if smallest < first:
        raise InputError(f"{source}: {taken[smallest]!r} comes before number {first}, which was given as the first")
    return {name: number - first for name, number in numbers.items()}


def _without_ending(name: str) -> str:
    """Return a file name without folder and ending. What holds a digit is no ending, e.g. of my.clip_000012."""
    path = Path(name.replace("\\", "/"))
    return path.name if any(map(str.isdecimal, path.suffix)) else path.stem


def _find_number(name: str, source: Path) -> int | None:
    """Return the last whole number in a file name without its ending, e.g. 12 of walk_000012.jpg."""
    digits = ""
    for character in reversed(_without_ending(name)):
        if character.isdecimal():
            digits = character + digits
            if len(digits) > DIGITS_MAX:
                raise InputError(
                    f"{source}: {shortened(name)} has a number of more than {DIGITS_MAX} digits; name frames by their "
                    "numbers"
                )
        elif digits:
            break
    return int(digits) if digits else None


def _refuse_doubles(numbers: Mapping[str, int], source: Path) -> dict[int, str]:
    """Return the name of each number; raise where two names have the same."""
    taken: dict[int, str] = {}
    for name, number in numbers.items():
        if number in taken:
            raise InputError(
                f"{source}: {taken[number]!r} and {name!r} are both frame {number}; keep one video's files"
            )
        taken[number] = name
    return taken
