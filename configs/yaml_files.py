"""YAML from outside, read in one place: small, without references, every key once, numbers that fit 64 bits."""

import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from configs.displayable import one_line
from configs.errors import SettingsError
from configs.json_files import INTEGER_DIGITS_MAX

YAML_BYTES_MAX = 2**18
DEPTH_MAX = 32
NODES_MAX = 4000  # all settings are about a hundred


def read_yaml(path: Path) -> Any:
    """Return what a YAML file in UTF-8 holds; None for an empty one.

    Raises:
        SettingsError: not a regular file, too large, not readable, not UTF-8, or as of `parse_yaml`.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise SettingsError(f"{path}: not a regular file; give a YAML file")
        if state.st_size > YAML_BYTES_MAX:
            raise SettingsError(f"{path}: has {state.st_size} bytes, settings at most {YAML_BYTES_MAX}; check the path")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not YAML in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Return the value of YAML text.

    Raises:
        SettingsError: it is no YAML, nested deeper than 32, of more than 4000 values, has aliases (`*name`: a few
            lines of them stand for gigabytes), a key twice, a tag of its own, or an integer of more than 18 digits.
    """
    if len(text) > YAML_BYTES_MAX:
        raise SettingsError(f"{name}: has {len(text)} characters, settings at most {YAML_BYTES_MAX}")
    try:
        _check_events(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1} column {mark.column + 1}" if mark else ""
        problem = one_line(error.problem or error.context or "")
        raise SettingsError(f"{name}: not YAML ({problem}{where}); correct it") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{name}: not YAML ({one_line(error)}); correct it") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # What PyYAML raises for values that do not fit their tag, such as a date of month 13.
        raise SettingsError(f"{name}: not YAML ({one_line(error)}); correct it") from error


class _Loader(yaml.SafeLoader):
    """Refuses keys that occur twice, tags and long integers."""


def _check_events(text: str) -> None:
    """Raise `ValueError` for nesting and references before anything is built of them; the parser does not recurse."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        if number > NODES_MAX:
            raise ValueError(f"more than {NODES_MAX} values")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"*{str(event.anchor)[:40]} is an alias; write the value itself")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                raise ValueError(f"nested deeper than {DEPTH_MAX}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise ValueError(f"{str(tag)[:40]} is a tag; write the value without")


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            _refuse(f"a key is no plain word (line {key_node.start_mark.line + 1})")
        if key in found:
            _refuse(f"{str(key)[:40]!r} is there twice (line {key_node.start_mark.line + 1})")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    if len(node.value) > INTEGER_DIGITS_MAX + 1:
        _refuse(f"the integer {node.value[:20]}... has more than {INTEGER_DIGITS_MAX} digits")
    return int(loader.construct_yaml_int(node))


def _refuse(problem: str) -> NoReturn:
    raise ValueError(problem)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
