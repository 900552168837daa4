"""Video to files: media, stages, the line, the graph, the store, and the command line."""
