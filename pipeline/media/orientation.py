"""How a decoded image is turned, as its display matrix says."""

import struct
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame


def orientation_of(frame: VideoFrame) -> tuple[int, bool]:
    """Return the counter-clockwise turn (0, 90, 180, 270) and whether a left-right flip follows it.

    Source: display matrix of ISO/IEC 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y, with y down.
    """
    held = cast("Mapping[SideDataType, Any]", frame.side_data)
    data = held.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return 0, False
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    is_mirrored = a * d - b * c < 0
    quarters = round(float(np.arctan2(-b, -a if is_mirrored else a)) / (np.pi / 2)) % 4
    return quarters * 90, is_mirrored
