"""Which joints a picture shows, by depth."""

from __future__ import annotations

import numpy as np

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2

# Joints of the 30-set lie inside the body: how far, in metres, the skin before a joint may be while the joint still
# counts as seen. About the limb's half thickness plus loose cloth.
DEPTH_INSIDE_M = np.array(
    [
        *(0.20, 0.17, 0.17, 0.22, 0.11, 0.11, 0.22, 0.09, 0.09, 0.22, 0.08, 0.08),
        *(0.13, 0.14, 0.14, 0.15, 0.13, 0.13, 0.09, 0.09, 0.08, 0.08, 0.07, 0.07),
        *(0.05, 0.05, 0.05, 0.07, 0.07, 0.12),
    ]
)


def joint_visibility(
    pixels: np.ndarray,
    depths: np.ndarray,
    inside_m: np.ndarray,
    row: int,
    picture_rows: np.ndarray,
    picture_depth: np.ndarray,
    own_depth: np.ndarray,
    cover: np.ndarray,
    scale: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return visibility (J,) uint8 (OUTSIDE, HIDDEN, VISIBLE), and which joints another thing hides (J,) bool.

    Args:
        pixels: (J, 2) joints in the picture; NaN counts as outside.
        depths: (J,) metres.
        inside_m: (J,) how far inside the body each joint lies, as in `DEPTH_INSIDE_M`.
        row: whose joints they are.
        picture_rows, picture_depth: (sH, sW) who is seen and how far away, at `scale` subpixels a pixel.
        own_depth: (sH, sW) of this person alone.
        cover: (H, W) float32, how much an occluder hides, before everybody.
    """
    height, width = cover.shape
    with np.errstate(invalid="ignore"):
        inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=-1)
    safe = np.where(inside[:, None], pixels, 0.0)
    column, line = safe.astype(np.int64).T
    fine_column, fine_line = (safe * scale).astype(np.int64).T
    other = picture_rows[fine_line, fine_column] != row
    by_person = other & (picture_depth[fine_line, fine_column] < depths)
    by_cover = cover[line, column] > 0.5
    by_self = own_depth[fine_line, fine_column] < depths - inside_m
    by_other = inside & (by_person | by_cover)
    seen = np.where(by_other | by_self, HIDDEN, VISIBLE)
    return np.where(inside, seen, OUTSIDE).astype(np.uint8), by_other
