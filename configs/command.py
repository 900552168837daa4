"""How a command reads its options and ends: what a user can act on is one line on stderr, with its exit code."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from configs.displayable import displayable
from configs.errors import DpmeshVideoError, SettingsError
from configs.failure import describe_failure
from configs.stops import Stopped, StopSignals


class OptionParser(argparse.ArgumentParser):
    """Parses the options of a command; a wrong option is a `SettingsError`, so one line without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise SettingsError(f"{message}; see {self.prog} --help")


def exit_code_of(
    command: Callable[[], int | None], *, word: str = "stopped", advice: str = "give the same command again"
) -> int:
    """Run a command and return its exit code: its own (None is 0), 2 for wrong usage, or 1 where it failed.

    A command that a signal stopped gives 128 and the signal's number: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
    What else comes out of it goes up.

    Args:
        word, advice: what is said of a command that was stopped, where it does not say so itself.
    """
    with StopSignals() as stops:
        try:
            code = command() or 0
            stops.finish()
            return code
        except SystemExit:
            stops.finish()
            raise
        except BaseException as error:
            stops.finish()
            is_stopped = stops.number is not None or isinstance(error, KeyboardInterrupt)
            if is_stopped:  # whatever was made of it on its way here
                number = stops.number or (error.number if isinstance(error, Stopped) else signal.SIGINT)
                by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
                own = str(error) if isinstance(error, KeyboardInterrupt) else ""
                sys.stderr.write(f"{displayable(own) or f'{word}{by}; {advice}'}\n")
                return 128 + number
            if isinstance(error, DpmeshVideoError | OSError):
                sys.stderr.write(f"error: {displayable(describe_failure(error))}\n")
                return 2 if isinstance(error, SettingsError) else 1
            raise
