"""Files of weights: the cache, checkpoints as tensors, and VPoser."""
