"""The log of a command: on stderr, one line for each message whatever names are in it."""

import logging
import sys

from configs.displayable import displayable


class OneLineFormatter(logging.Formatter):
    """Shows what names in a message hold besides text; a traceback below the message keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message, on one line."""
        return displayable(super().formatMessage(record))


def log_to_stderr(level: int = logging.INFO, line: str = "%(message)s") -> None:
    """Show what is logged from `level` on; where somebody has configured the log before, it stays so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(line))
    logging.basicConfig(level=level, handlers=[handler])
