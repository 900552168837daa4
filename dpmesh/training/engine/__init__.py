"""What every training shares: the loop, schedules, checkpoints, shards and seeded random numbers."""
