"""The stages of the line: thin adapters between chunks and the model packages."""
