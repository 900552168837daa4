"""The focal length of a camera that nothing is known of; imports no torch."""

import numpy as np


def default_focal(height_px: int, width_px: int) -> float:
    """Return the focal length in pixels assumed for an image: its diagonal (a 53 degree field along it).

    Source: CLIFF (Li et al. 2022) and DPMesh's input `cliff_focal_length`.
    """
    return float(np.hypot(height_px, width_px))
