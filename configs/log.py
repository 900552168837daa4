"""The log of a command: on stderr, one line per message."""

import logging
import sys

from configs.displayable import displayable


class OneLineFormatter(logging.Formatter):
    """Escapes control characters in messages; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message, on one line."""
        return displayable(super().formatMessage(record))


def log_to_stderr(level: int = logging.INFO, line: str = "%(message)s") -> None:
    """Log to stderr from `level` on, unless logging is already configured."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(line))
    logging.basicConfig(level=level, handlers=[handler])
