"""A run's people in the formats of other tools: each format a module, behind one interface (`formats.py`)."""
