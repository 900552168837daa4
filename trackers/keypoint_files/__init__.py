"""People from keypoints that other tools computed before: one module per family of files, one that recognises them."""

from trackers.keypoint_files.record import KeypointRecord

__all__ = ["KeypointRecord"]
