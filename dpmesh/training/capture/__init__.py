"""Rendered captures: people in a room full of calibrated cameras, in the layout of CMU Panoptic."""
