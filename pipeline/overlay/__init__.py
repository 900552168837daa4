"""Overlay video: bodies drawn over the frames they came from."""
