"""Commands that make data and train networks."""
