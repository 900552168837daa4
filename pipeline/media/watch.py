"""Reports changes of size and time jumps while a video is read."""

from collections.abc import Callable

from pipeline.media.info import VideoInfo

LINES = 3  # of each kind; a call over a bad network changes its size every few seconds
JUMP_S = 600.0  # longer gaps between two frames are reported; motion-triggered cameras make shorter ones


class Watch:
    """Tells where the image changes its size and where time jumps."""

    def __init__(self, info: VideoInfo, tell: Callable[[str], None]) -> None:
        self._info, self._tell = info, tell
        self._size: tuple[int, int] | None = None
        self._time_s: float | None = None
        self._changes = self._jumps = 0

    def see(self, index: int, time_s: float, width: int, height: int) -> None:
        """Note a frame: its place, its time and the upright size of its image before it is fitted."""
        if self._size is not None and (width, height) != self._size:
            self._changes += 1
            self._say(self._changes, self._change(self._size, index, time_s, (width, height)))
        if self._time_s is not None and time_s - self._time_s > JUMP_S:
            self._jumps += 1
            self._say(
                self._jumps,
                f"timestamps jump ahead by {hours(time_s - self._time_s)} at frame {index}; where that is no true "
                "pause, number the frames with --set decode.rate_hz=RATE",
            )
        self._size, self._time_s = (width, height), time_s

    def _change(self, before: tuple[int, int], index: int, time_s: float, now: tuple[int, int]) -> str:
        first = (self._info.width, self._info.height)
        shown = (
            "the first size again"
            if now == first
            else (f"kept at its own proportions, between black bars inside {first[0]}x{first[1]}")
        )
        return (
            f"the picture changes from {before[0]}x{before[1]} to {now[0]}x{now[1]} at frame {index} "
            f"({time_s:.2f} s): {shown}"
        )

    def _say(self, count: int, what: str) -> None:
        if count <= LINES:
            self._tell(f"{self._info.path}: {what}{' (later ones are not reported)' if count == LINES else ''}")


def hours(seconds: float) -> str:
    """Return a time for people to read."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
