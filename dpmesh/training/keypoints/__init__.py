"""Training of the keypoint reader."""
