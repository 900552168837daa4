"""Training of the bundled detector from scratch on rendered images: `python -m trackers.training`."""
