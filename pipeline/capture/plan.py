"""A plan drawing of a rig: where its cameras stand and look, from above and from the side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.capture.camera import Camera

PANEL_PX = 720
MARGIN_PX = 70
LOOK_SHARE = 0.15  # of the drawing that a line of sight is long
GRID_M = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
INK, PALE, ZERO, SEEN, UNSEEN = (30, 32, 40), (222, 224, 230), (150, 152, 160), (24, 98, 178), (170, 172, 180)
PERSON = (206, 84, 40)


def write_rig_picture(
    path: Path, cameras: Sequence[Camera], with_video: frozenset[str], bones_m: np.ndarray | None = None
) -> None:
    """Draw the rig into an image, cameras without a video in grey.

    Both views share a scale, which a grid and its label give.

    Args:
        bones_m: (B, 2, 3) ends of the bones of people, in the world; they are drawn, too.
    """
    bones = np.zeros((0, 2, 3)) if bones_m is None else bones_m
    centres = np.array([camera.centre_m for camera in cameras])
    looks = np.array([camera.forward for camera in cameras])
    shown = np.concatenate([centres, bones.reshape(-1, 3)])
    low, high = shown.min(axis=0), shown.max(axis=0)
    low[2] = min(low[2], 0.0)
    middle, side = 0.5 * (low + high), max(float((high - low).max()), 0.5)
    px_per_m = (PANEL_PX - 2 * MARGIN_PX) / side
    grid = next((step for step in GRID_M if step * px_per_m >= 40), GRID_M[-1])
    picture = Image.new("RGB", (2 * PANEL_PX, PANEL_PX), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    for panel, (across, up, title) in enumerate(((0, 1, "from above"), (0, 2, "from the side"))):
        left, half = panel * PANEL_PX, PANEL_PX / 2
        zero, along = np.array([left + half, half]), [across, up]
        spots = zero + (centres - middle)[:, along] * (px_per_m, -px_per_m)
        ends = spots + looks[:, along] * LOOK_SHARE * side * (px_per_m, -px_per_m)
        for axis, is_vertical in ((across, True), (up, False)):
            first = np.ceil((middle[axis] - half / px_per_m) / grid)
            last = np.floor((middle[axis] + half / px_per_m) / grid)
            for line in np.arange(first, last + 1) * grid:
                at = (line - middle[axis]) * px_per_m
                x, y = left + half + at, half - at
                grid_line = (x, 0, x, PANEL_PX) if is_vertical else (left, y, left + PANEL_PX, y)
                draw.line(grid_line, fill=PALE if line else ZERO)
        for (x, y), end in (zero + (bones - middle)[..., along] * (px_per_m, -px_per_m)).tolist():
            draw.line((x, y, *end), fill=PERSON, width=3)
        draw.text((left + 12, 10), f"{title}, one square is {grid:g} m", fill=INK, font=font)
        for camera, (x, y), end in zip(cameras, spots.tolist(), ends.tolist(), strict=True):
            colour = SEEN if camera.name in with_video else UNSEEN
            draw.line((x, y, *end), fill=colour, width=3)
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)
            draw.text((x + 8, y - 8), camera.name, fill=INK, font=font)
    draw.line([(PANEL_PX, 0), (PANEL_PX, PANEL_PX)], fill=INK)
    picture.save(path)
