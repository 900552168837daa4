"""Who is where: detection, 2D keypoints, tracking and shot cuts."""
