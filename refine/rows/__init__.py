"""A person's rows in time: windows, gaps, shape and smoothing."""
