"""The streaming line, the graph of artifacts and their files; knows no model."""
