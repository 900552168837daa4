"""Crowds as detections without images: who goes where, what a camera sees, and what a detector makes of it."""
