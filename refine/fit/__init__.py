"""The solver: poses and translations that meet the keypoints and move smoothly, and the acceptance test."""
