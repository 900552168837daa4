"""Rotations, cameras, crops and the alignment of point sets."""

from dpmesh.geometry.types import Camera, default_focal

__all__ = ["Camera", "default_focal"]
