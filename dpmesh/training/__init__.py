"""Data and recipes that make the weights; imported by nothing outside training."""
