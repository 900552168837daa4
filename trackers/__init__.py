"""Who is where: detection, 2D keypoints, tracking and shot cuts."""

DISTRIBUTION = "dpmesh-video"  # tells this package from the registry's `trackers` (configs/clash.py)
