"""Guided diffusion sampling of motion: the motion prior's samples, drawn towards what cameras saw at every step."""
