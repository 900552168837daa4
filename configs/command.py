"""How a command ends: with an exit code, and what a user can act on as one line on stderr."""

import sys
from collections.abc import Callable

from configs.errors import DpmeshVideoError


def exit_code_of(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code: its own (None is 0), 1 where it failed, 130 where it was interrupted."""
    try:
        return command() or 0
    except DpmeshVideoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n" if error.filename else f"{error}\n")
        return 1
    except KeyboardInterrupt as error:
        sys.stderr.write(f"{str(error) or 'stopped; give the same command again'}\n")
        return 130
