"""Ablations of the recovery network: one part left out at a time, equally long trainings, one table of the errors."""
