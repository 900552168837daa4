"""Training of the recovery network on synthetic crops: `dpmesh-video train recovery`."""
