"""Fills `settings.md` from the models of `configs/schema.py` when the site is built (a hook of mkdocs.yml)."""

import types
import typing
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs.schema import RunSettings

MARKER = "<!-- settings -->"
BOUNDS = (
    ("Ge", "ge", "≥ {}"),
    ("Gt", "gt", "> {}"),
    ("Le", "le", "≤ {}"),
    ("Lt", "lt", "< {}"),
    ("MultipleOf", "multiple_of", "multiple of {}"),
)
WORDS: dict[Any, str] = {
    bool: "`true` `false`",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    Fraction: "rate",
    type(None): "`null`",
}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the tables instead of the marker."""
    return markdown.replace(MARKER, settings_tables()) if page.file.src_uri == "settings.md" else markdown


def settings_tables() -> str:
    """Return a section with a table for every group of settings."""
    groups = []
    for name, field in RunSettings.model_fields.items():
        group = typing.cast(type[BaseModel], field.annotation)
        summary = (group.__doc__ or "").strip().replace("\n\n", "\n").replace("\n    ", "\n")
        rows = "".join(_row(f"{name}.{key}", each) for key, each in group.model_fields.items())
        groups.append(f"## {name}\n\n{summary}\n\n| setting | default | values | meaning |\n|---|---|---|---|\n{rows}")
    return "\n".join(groups)


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", f"`{_shown(field.default)}`", _values(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _values(field: FieldInfo) -> str:
    bounds = [
        text.format(f"{getattr(each, attribute):g}")
        for each in field.metadata
        for kind, attribute, text in BOUNDS
        if type(each).__name__ == kind
    ]
    return ", ".join([_kind(field.annotation), *bounds])


def _kind(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is typing.Literal:
        return " ".join(f"`{each}`" for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return ", ".join(_kind(each) for each in arguments)
    if origin is tuple and typing.get_origin(arguments[0]) is typing.Literal:
        return f"some of {_kind(arguments[0])}"
    if origin is tuple:
        return "numbers, such as `1,3`"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
