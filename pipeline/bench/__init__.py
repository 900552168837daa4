"""Benchmarks: commands that print figures. `make bench` runs the first and lists the others."""
