"""Linking after tracking: which tracks are one person, and which are several."""
