"""Settings, presets, the weights catalogue, and the errors a user can act on."""
