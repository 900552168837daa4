"""Whose process this is: the command's own, or that of a program which imports the package."""

import gc

COLLECTED_AFTER = (10_000, 20, 20)  # new objects; Python's own (700, 10, 10) takes a tenth of the time of loading
_owners: list[str] = []


def own_process() -> None:
    """Say that this process runs one command and nothing else; it looks for garbage less often."""
    _owners.append("command")
    gc.set_threshold(*COLLECTED_AFTER)


def is_own_process() -> bool:
    """Return whether this process runs one command and nothing else."""
    return bool(_owners)
