"""Overlay video: bodies drawn over the frames they came from."""

from pipeline.overlay.renderer import BodyRenderer, Rendering
from pipeline.overlay.write import OverlayPainter, PeopleInFrame, people_in, write_overlay

__all__ = ["BodyRenderer", "OverlayPainter", "PeopleInFrame", "Rendering", "people_in", "write_overlay"]
