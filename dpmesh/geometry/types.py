"""The noun of this package; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from configs.checks import check_shape


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera without distortion for each person row."""

    focal_px: np.ndarray  # (R,) float32, above 0
    principal_px: np.ndarray  # (R, 2) float32, where the optical axis meets the image

    def __post_init__(self) -> None:
        check_shape("focal_px", self.focal_px, ("R",))
        check_shape("principal_px", self.principal_px, (len(self.focal_px), 2))
        if not (np.isfinite(self.focal_px).all() and (self.focal_px > 0).all()):
            raise ValueError(f"focal_px: must be finite and above 0, got {self.focal_px}")

    @classmethod
    def of_image(cls, height_px: int, width_px: int, rows: int = 1, focal_px: float | None = None) -> Camera:
        """Return the camera assumed when none is known: focal = image diagonal, axis through the middle."""
        focal = default_focal(height_px, width_px) if focal_px is None else focal_px
        return cls(
            focal_px=np.full(rows, focal, dtype=np.float32),
            principal_px=np.tile(np.array([width_px / 2, height_px / 2], dtype=np.float32), (rows, 1)),
        )


def default_focal(height_px: int, width_px: int) -> float:
    """Return the focal length in pixels assumed for an image: its diagonal (a 53 degree field along it).

    Source: CLIFF (Li et al. 2022) and DPMesh's input `cliff_focal_length`.
    """
    return float(np.hypot(height_px, width_px))
