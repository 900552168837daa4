"""Text and data of strangers in a page: always escaped."""

import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from string import Template
from typing import Any
from urllib.parse import quote


@cache
def asset(name: str) -> str:
    """Return a file of the page's own code."""
    return (resources.files("pipeline") / "data" / "report" / name).read_text(encoding="utf-8")


def filled(name: str, **parts: str) -> str:
    """Return a template of the page with its parts, which are HTML."""
    return Template(asset(name)).substitute(parts)


def text(value: object) -> str:
    """Return a value as it can stand in the text of a page or within the quotes of an attribute."""
    return html.escape(str(value), quote=True)


def script_json(name: str, value: Any) -> str:
    """Return a block of data for scripts; nothing in it can end the block."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for letter in "<>&":
        content = content.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{text(name)}">{content}</script>'


def link(name: str, label: str | None = None) -> str:
    """Return a link to a file beside the page."""
    return f'<a href="{text(quote(name))}">{text(name if label is None else label)}</a>'


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Return rows of a heading and a value, both already HTML."""
    lines = "".join(f'<tr><th scope="row">{head}</th><td>{value}</td></tr>' for head, value in rows)
    return f"<table>{lines}</table>"


def chip(colour: Sequence[int]) -> str:
    """Return a small square in a colour, silent for readers of the screen."""
    return (
        f'<span class="chip" style="background:rgb({",".join(str(int(v)) for v in colour)})" aria-hidden="true"></span>'
    )


def stamp(seconds: float) -> str:
    """Return a time as minutes and seconds."""
    tenths = round(max(0.0, seconds) * 10)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"
