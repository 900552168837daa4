"""People in one scene: contact with the ground and with each other."""
