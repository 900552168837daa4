"""The motion prior: a diffusion model of motion, and what it expects of recovered rows."""
