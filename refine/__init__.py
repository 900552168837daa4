"""Bodies to motion: from rows per frame to one continuous motion per person."""
