"""One colour per identity, the same in every frame and every run."""

import colorsys

import numpy as np

# Colours that people with any common colour-vision deficiency tell apart; black is left out as it hides the shading.
# Source: Okabe and Ito, "Color Universal Design" (2008), jfly.uni-koeln.de/color.
FIRST_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
GOLDEN_RATIO = 0.6180339887498949  # consecutive hues this far apart never come close to each other
LIGHTNESS = (0.68, 0.42, 0.55)  # neighbours also differ in lightness, which needs no colour vision


def identity_colour(track_id: int) -> np.ndarray:
    """Return the colour (3,) uint8 RGB of an identity; the first seven are the most distinct."""
    place = (track_id - 1) % 997 if track_id > 0 else -track_id
    if place < len(FIRST_COLOURS):
        return np.array(FIRST_COLOURS[place], np.uint8)
    step = place - len(FIRST_COLOURS)
    red, green, blue = colorsys.hls_to_rgb((0.93 + step * GOLDEN_RATIO) % 1.0, LIGHTNESS[step % 3], 0.75)
    return np.round(255 * np.array([red, green, blue])).astype(np.uint8)


def identity_colours(track_ids: np.ndarray) -> np.ndarray:
    """Return the colours (N, 3) uint8 RGB of identities (N,)."""
    return np.array([identity_colour(int(i)) for i in track_ids], np.uint8).reshape(-1, 3)


def dimmed(colours: np.ndarray) -> np.ndarray:
    """Return colours (N, 3) uint8 that say "not seen here, filled in": the same hue, mostly grey."""
    return np.round(0.35 * colours.astype(np.float32) + 0.65 * 150.0).astype(np.uint8)
