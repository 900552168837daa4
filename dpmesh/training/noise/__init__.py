"""Keypoints with the errors that detectors make."""
