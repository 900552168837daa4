"""Errors that a user can act on.

DpmeshVideoError
    InputError         a file the user gave cannot be used
      TruncatedError     it ends early: the frames before the damage are good
    SettingsError      wrong usage: an unknown or contradictory setting
    WeightsError       a model file is missing, corrupt or of the wrong kind
    RunError           an output folder does not fit what was asked
    InstallationError  another package takes the place of one of this program
"""


class DpmeshVideoError(Exception):
    """What was wrong, with what value, and what to do, in one line."""


class InputError(DpmeshVideoError):
    """An input file of the user cannot be used."""


class TruncatedError(InputError):
    """A video ends early; the frames before the damage were delivered."""


class SettingsError(DpmeshVideoError):
    """Wrong usage: an unknown or contradictory setting."""


class WeightsError(DpmeshVideoError):
    """A model file is missing, corrupt or of the wrong kind."""


class RunError(DpmeshVideoError):
    """An output folder cannot be used for this run."""


class InstallationError(DpmeshVideoError, ImportError):
    """Another package takes the place of one of this program, or a part of it is missing."""


def missing_package(error: ModuleNotFoundError, extra: str) -> SettingsError:
    """Return what to raise where a package of an extra of this program is not installed."""
    return SettingsError(f"the package {error.name} is missing; install the extra: pip install 'dpmesh-video[{extra}]'")
