"""Nodes of the graph: what is done with the rows of a run once they are observed."""
