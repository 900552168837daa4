"""Images of bodies: rasteriser, clothing, light, scenes, backgrounds, occluders and the camera's faults."""
