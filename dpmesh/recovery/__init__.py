"""One SMPL body for every crop, from its pixels and its 2D keypoints."""
