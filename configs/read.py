"""From presets, files and `--set a.b=c` to one `RunSettings`."""

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs.errors import SettingsError
from configs.renamed import rename_settings
from configs.schema import RunSettings
from configs.yaml_files import parse_yaml, read_yaml

PRESETS = Path(__file__).with_name("presets")
SHOWN_CHARS = 80  # of a value
SHOWN_FAULTS = 5


def preset_names() -> list[str]:
    """Return the presets that come with the program."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_settings(preset: str | None, values: Mapping[str, Any], assignments: Sequence[str]) -> RunSettings:
    """Return the settings; later arguments override earlier ones.

    Names of the previous version are accepted, see `configs.renamed`.

    Args:
        preset: a name of `preset_names`, or a path to a YAML file of the same form.
        values: values by dotted name, such as {"detect.weights": "a.pt"}; None values are left out.
        assignments: texts of the form `a.b=value`, the value read as YAML.

    Raises:
        SettingsError: an unknown preset, an unknown key or a value that does not fit.
    """
    return _check(_assign(_read_tree(preset, {}), values, assignments))


def _assign(tree: dict[str, Any], values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    for name, value in values.items():
        if value is not None:
            _put(tree, name, value)
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {_short(text)} has no '='; write it as --set detect.image_px=960")
        _put(tree, name.strip(), parse_yaml(value, f"--set {_short(text)}"))
    return tree


def _check(tree: dict[str, Any]) -> RunSettings:
    try:
        return RunSettings.model_validate(tree)
    except ValidationError as error:
        faults = error.errors()
        more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise SettingsError("; ".join([*map(_describe, faults[:SHOWN_FAULTS]), *more])) from error


def as_settings(settings: RunSettings | Mapping[str, Any] | None, preset: str | None = None) -> RunSettings:
    """Return settings given in Python: all of them, or values by dotted name over a preset.

    Raises:
        SettingsError: as of `read_settings`, or a preset is given with all settings.
    """
    if isinstance(settings, RunSettings):
        if preset is not None:
            raise SettingsError(f"preset {_short(preset)}: all settings are given and none is left to it; leave it out")
        return settings
    return _check(_read_tree(preset, settings or {}))


def override_settings(base: RunSettings, values: Mapping[str, Any], assignments: Sequence[str]) -> RunSettings:
    """Return settings with some of them changed; arguments and errors as of `read_settings`."""
    tree = base.model_dump(mode="json", exclude_unset=True)
    return _check(_assign(tree, values, assignments))


def _read_tree(preset: str | None, values: Mapping[str, Any]) -> dict[str, Any]:
    tree = _read_preset(preset) if preset else {}
    for name, value in values.items():
        _put(tree, name, value)
    return tree


def _read_preset(name: str) -> dict[str, Any]:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    elif name in preset_names():
        path = PRESETS / f"{name}.yaml"
    else:
        known = ", ".join(preset_names())
        raise SettingsError(f"preset {_short(name)} is not known; choose {known}, or give a .yaml file")
    tree = read_yaml(path)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: holds {type(tree).__name__}, expected sections such as `detect:`")
    rename_settings(tree)
    return tree


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, key = name.split(".")
    branch = tree
    for section in sections:
        branch = branch.setdefault(section, {})
        if not isinstance(branch, dict):
            raise SettingsError(f"{name}: {section} is a value, not a section")
    branch[key] = value
    rename_settings(tree)


def _describe(item: Any) -> str:
    parts = [str(part) for part in item["loc"]]
    name = ".".join(part if part.isprintable() and len(part) <= SHOWN_CHARS else _short(part) for part in parts)
    if item["type"] == "extra_forbidden":
        alike = difflib.get_close_matches(name, _setting_names(), n=1)
        meant = f"did you mean {alike[0]}? " if alike else ""
        return f"{name}: there is no such setting; {meant}`dpmesh-video run --settings` lists them"
    return f"{name}: {item['msg'].removeprefix('Value error, ')}, got {_short(item['input'])}"


def _setting_names() -> list[str]:
    sections = RunSettings().model_dump()
    return [*sections, *(f"{section}.{key}" for section, keys in sections.items() for key in keys)]


def _short(value: Any) -> str:
    """Return a value in a few characters, however large it is."""
    short = reprlib.Repr()
    short.maxlevel, short.maxdict, short.maxlist = 2, 4, 4
    short.maxstring, short.maxother, short.maxlong = SHOWN_CHARS, SHOWN_CHARS, 20
    text = short.repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."
