"""Whose process this is: the command's own, or that of a program which imports the package."""

_owners: list[str] = []


def own_process() -> None:
    """Say that this process runs one command and nothing else."""
    _owners.append("command")


def is_own_process() -> bool:
    """Return whether this process runs one command and nothing else."""
    return bool(_owners)
