"""People to train on: bodies and poses, and crops with their labels."""
