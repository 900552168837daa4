"""One colour per identity, the same in every frame and every run."""

import numpy as np

# The first seven differ for any common colour-vision deficiency; black is left out, as it hides the shading.
# Source: Okabe and Ito, "Color Universal Design" (2008). Each further one is the colour of medium lightness that lies
# farthest from all before it, by the smaller of two distances in OKLab: as it is, and as it looks with deuteranopia.
COLOURS = np.array(
    [
        *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
        *((204, 121, 167), (135, 30, 75), (255, 195, 255), (0, 0, 255), (210, 30, 255), (15, 240, 150)),
        *((105, 105, 0), (105, 15, 165), (180, 45, 135), (150, 180, 120), (135, 120, 195), (0, 210, 195)),
        *((165, 255, 195), (150, 30, 240), (90, 75, 135), (120, 60, 0), (180, 195, 255), (60, 240, 0)),
    ],
    np.uint8,
)
GREY = 150.0


def identity_colours(track_ids: np.ndarray) -> np.ndarray:
    """Return the colours (N, 3) uint8 RGB of identities (N,) from 1; the 25th has that of the first again."""
    return COLOURS[(np.asarray(track_ids, np.int64) - 1) % len(COLOURS)]


def dimmed(colours: np.ndarray) -> np.ndarray:
    """Return colours (N, 3) uint8 that say "not seen here, filled in": the same hue, mostly grey."""
    return np.round(0.35 * colours.astype(np.float32) + 0.65 * GREY).astype(np.uint8)
