"""Guided sampling as ScoreHMR publishes it."""
