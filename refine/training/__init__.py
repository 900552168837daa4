"""Training of the score model of motion."""
