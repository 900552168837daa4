"""Rotations, cameras, crops and the alignment of point sets."""

from dpmesh.geometry.types import default_focal

__all__ = ["default_focal"]
