"""Captures: synchronised videos of several calibrated cameras."""

from pipeline.capture.calibration import Calibration, read_calibration
from pipeline.capture.camera import Camera
from pipeline.capture.capture import Capture, find_capture

__all__ = ["Calibration", "Camera", "Capture", "find_capture", "read_calibration"]
