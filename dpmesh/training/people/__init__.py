"""People to train on: bodies and poses, crops and scenes with their labels."""
