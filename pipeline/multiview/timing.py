"""Which offset each camera of a capture gets: as told in a file, as found, or none; and what is said of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.errors import InputError
from configs.json_files import read_json
from pipeline.capture import Camera
from pipeline.flow.capture_record import ClockRecord
from pipeline.multiview.clock import on_common_clock
from pipeline.multiview.synchronise import Lag, find_lags
from pipeline.multiview.views import View, view_of, with_looks

LEAST_FRAMES = 0.2  # less is left alone
SIGMAS = 3.0  # that an offset has to differ from 0
SIGMA_MAX_FRAMES = 0.5  # of an offset that is told
OFFSET_MAX_S = 1e5
UNITS = ("frames", "seconds")


@dataclass(frozen=True, slots=True)
class CameraTiming:
    """The clock of one camera."""

    camera: str
    offset_s: float  # what happens at this time of its video happens at 0 of the common clock
    found: Lag | None  # None: it was not looked for
    said: str  # where the offset is from, or why there is none
    is_told: bool = True  # False: it was looked for in vain


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks of a capture's cameras."""

    rate_hz: float  # of the common clock
    cameras: tuple[CameraTiming, ...]

    def place(self, views: Sequence[View]) -> list[View]:
        """Return what cameras, in the same order, saw at the frames of the common clock."""
        return [self._placed(view, each.offset_s) for view, each in zip(views, self.cameras, strict=True)]

    def _placed(self, view: View, offset_s: float) -> View:
        rows = view.rows
        is_there = (rows.frame_index == np.rint(rows.time_s * self.rate_hz)).all()
        if is_there and not offset_s:
            return view  # as it lies on disk
        placed = view_of(view.camera, on_common_clock(rows, offset_s, self.rate_hz))
        times_s = rows.time_s[view.look_rows] - offset_s
        return with_looks(
            placed, view.looks, np.rint(times_s * self.rate_hz).astype(np.int64), rows.track_id[view.look_rows]
        )

    @property
    def lines(self) -> list[str]:
        """What to tell the user, a line for each camera that is moved or cannot be judged."""
        return [f"camera {each.camera}: {each.said}" for each in self.cameras if each.offset_s or not each.is_told]

    def records(self) -> dict[str, ClockRecord]:
        """Return what `run.json` says, by camera."""
        found = {}
        for each in self.cameras:
            is_known = each.found is not None and math.isfinite(each.found.sigma_s)
            found[each.camera] = ClockRecord(
                offset_s=each.offset_s,
                offset_frames=each.offset_s * self.rate_hz,
                found_s=each.found.offset_s if each.found is not None and is_known else None,
                sigma_s=each.found.sigma_s if each.found is not None and is_known else None,
                said=each.said,
            )
        return found


def time_cameras(views: Sequence[View], rates_hz: Sequence[float], sync: str) -> Timing:
    """Return the clocks of cameras; the common one has the rate of the fastest.

    Args:
        views: with the times of their own videos.
        rates_hz: of each video.
        sync: the setting `capture.sync`.

    Raises:
        InputError: it names a file that is none, or not of this form.
    """
    rate = max(rates_hz)
    if sync == "auto":
        lags = find_lags(views)
        chosen = [_judge(view.camera.name, lag, rate) for view, lag in zip(views, lags, strict=True)]
    elif sync == "off":
        chosen = [CameraTiming(view.camera.name, 0.0, None, "taken as it is") for view in views]
    else:
        told = read_offsets(Path(sync), {view.camera.name: hz for view, hz in zip(views, rates_hz, strict=True)})
        chosen = [
            CameraTiming(view.camera.name, offset, None, f"{offset * rate:+.2f} frames ({offset:+.4f} s), as told")
            for view in views
            for offset in (told.get(view.camera.name, 0.0),)
        ]
    return Timing(rate, tuple(chosen))


def _judge(camera: str, lag: Lag, rate_hz: float) -> CameraTiming:
    """Return the clock of a camera: moved where it is surely off, and by enough to matter."""
    frames, sigma = lag.offset_s * rate_hz, lag.sigma_s * rate_hz
    if lag.why:
        return CameraTiming(camera, 0.0, lag, f"its offset cannot be told: {lag.why}; taken as it is", False)
    found = f"{frames:+.2f} frames ({lag.offset_s:+.4f} s), sure to {sigma:.2f} frames"
    if not frames:
        return CameraTiming(camera, 0.0, lag, "in time (the others are measured against it)")
    if sigma > SIGMA_MAX_FRAMES:
        return CameraTiming(camera, 0.0, lag, f"its offset cannot be told ({found}); taken as it is", False)
    if abs(frames) < max(LEAST_FRAMES, SIGMAS * sigma):
        return CameraTiming(camera, 0.0, lag, f"in time ({found})")
    return CameraTiming(camera, lag.offset_s, lag, found)


def check_offsets(sync: str, cameras: Sequence[Camera]) -> None:
    """Refuse a file of offsets before hours of work.

    Raises:
        InputError: as of `time_cameras`.
    """
    if sync not in ("auto", "off") and not read_offsets(Path(sync), {camera.name: 1.0 for camera in cameras}):
        raise InputError(f"{sync}: names none of the cameras ({', '.join(camera.name for camera in cameras)})")


def read_offsets(path: Path, rates_hz: Mapping[str, float]) -> dict[str, float]:
    """Return the offsets in seconds by camera, as a JSON file tells them: {"cam02": {"frames": 7}, ...}.

    Args:
        rates_hz: of each camera's video, for offsets in frames; a camera that is not used may be named, too.

    Raises:
        InputError: it cannot be read, or is not of this form.
    """
    found = read_json(path)
    form = 'give {"CAMERA": {"frames": 7}} or {"CAMERA": {"seconds": 0.25}}'
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: not a table of offsets; {form}")
    offsets = {}
    for camera, value in found.items():
        unit, number = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
        if unit not in UNITS or isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"{path}: offset of {camera} is {value!r}; {form}")
        seconds = number / rates_hz.get(camera, 1.0) if unit == "frames" else float(number)
        if not abs(seconds) <= OFFSET_MAX_S:  # also with a rate that is not known
            raise InputError(f"{path}: offset of {camera} is {number:g} {unit}, too much; {form}")
        offsets[camera] = seconds
    return {camera: offset for camera, offset in offsets.items() if camera in rates_hz}
