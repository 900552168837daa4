"""The DPMesh network: one set of classes, configured as `release`, `paper` or `compact`."""
