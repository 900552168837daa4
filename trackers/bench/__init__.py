"""Trackers beside each other on the same detections: `python -m trackers.bench`."""
