"""Weights of others made ours and back: the authors' checkpoints, VPoser, the pose tokenizer, LoRA adapters."""
