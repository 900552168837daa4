"""How a command ends: with an exit code, and what a user can act on as one line on stderr."""

import signal
import sys
from collections.abc import Callable

from configs.displayable import displayable
from configs.errors import DpmeshVideoError
from configs.failure import describe_failure
from configs.stops import Stopped, StopSignals


def exit_code_of(
    command: Callable[[], int | None], *, word: str = "stopped", advice: str = "give the same command again"
) -> int:
    """Run a command and return its exit code: its own (None is 0), or 1 where it failed.

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
                sys.stderr.write(f"{displayable(describe_failure(error))}\n")
                return 1
            raise
