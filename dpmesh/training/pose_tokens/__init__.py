"""Training of the pose tokenizer: poses as discrete tokens."""
