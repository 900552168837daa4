"""Text for terminals: on one line, with control characters escaped."""

import re

# Control characters, what reorders text or breaks lines in Unicode, and bytes of file names that are no UTF-8.
_NOT_DISPLAYABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def displayable(text: object) -> str:
    r"""Return text for one line of a terminal or log; other characters are escaped as `\x1b`, `\n`, `\udcdf`."""
    return _NOT_DISPLAYABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def one_line(error: object, chars_max: int = 160) -> str:
    """Return the text of an error on one line of limited length, or its type if it has no text."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return (" ".join(text.split()) or type(error).__name__)[:chars_max]
