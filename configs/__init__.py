"""What a run can be told: settings, presets, the weights catalogue, and the errors a user can act on."""
