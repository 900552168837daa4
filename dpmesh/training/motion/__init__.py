"""Motion as a run sees it: recorded people, placed before a camera, with what recovery makes of their keypoints."""
