"""What a terminal would obey is shown and not done."""

import logging

import pytest

from configs.displayable import displayable
from configs.log import OneLineFormatter


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("street 01.mp4", "street 01.mp4"),
        ("straße 日本 😀.mp4", "straße 日本 😀.mp4"),
        ("a\nerror: b", "a\\nerror: b"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"),
        ("one\u2028two", "one\\u2028two"),
        ("stra\udcdfe", "stra\\udcdfe"),
        ("[red]x[/red]", "[red]x[/red]"),
    ],
)
def test_a_name_is_one_line_that_no_terminal_obeys(name: str, told: str) -> None:
    assert displayable(name) == told
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s: read", (name,), None)
    assert OneLineFormatter("%(message)s").format(record) == f"{told}: read"
