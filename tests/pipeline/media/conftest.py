"""Small videos of many kinds, made on the spot."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

ClipMaker = Callable[..., Path]


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Return a moving pattern whose mean brightness tells `number` (up to 100) apart from its neighbours."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = (x * 3 + number * 5) % 64 + number
    image[..., 1] = (y * 3 + number * 7) % 64 + number
    image[..., 2] = (x + y) % 32 + number
    return image


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    """Return a function that encodes `picture(0), picture(1), ...` and gives the file's path."""

    def make(
        name: str = "clip.mp4",
        *,
        frames: int = 60,
        codec: str = "libx264",
        group: int = 10,
        size: tuple[int, int] = (64, 48),
        pixel_format: str = "yuv420p",
        ticks: list[int] | None = None,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        prepare: Callable[[av.VideoStream], None] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = pixel_format
            stream.gop_size = group
            stream.options = {**(options or {})}
            if ticks is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if prepare is not None:
                prepare(stream)
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
                frame.pts = number if ticks is None else ticks[number]
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
