"""Training of the recovery network on synthetic crops: `python -m dpmesh.training.recovery`."""
