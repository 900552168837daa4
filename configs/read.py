"""From presets, files and `--set a.b=c` to one `RunSettings`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from configs.errors import SettingsError
from configs.schema import RunSettings

PRESETS = Path(__file__).with_name("presets")


def preset_names() -> list[str]:
    """Return the presets that come with the program."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_settings(preset: str | None, given: Mapping[str, Any], assignments: Sequence[str]) -> RunSettings:
    """Return the settings; what comes later in the arguments wins.

    Args:
        preset: a name of `preset_names`, or a path to a YAML file of the same form.
        given: values by dotted name, such as {"detect.weights": "a.pt"}; None values are left out.
        assignments: texts of the form `a.b=value`, the value read as YAML.

    Raises:
        SettingsError: an unknown preset, an unknown key or a value that does not fit.
    """
    tree = _read_preset(preset) if preset else {}
    for name, value in given.items():
        if value is not None:
            _put(tree, name, value)
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {text!r} has no '='; write it as --set detect.image_px=960")
        try:
            _put(tree, name.strip(), yaml.safe_load(value))
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {text!r}: the value is not YAML ({error})") from error
    try:
        return RunSettings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError("; ".join(_describe(item) for item in error.errors())) from error


def _read_preset(name: str) -> dict[str, Any]:
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise SettingsError(f"preset {name!r} is not known; choose {', '.join(preset_names())}, or give a .yaml file")
    try:
        tree = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML ({error})") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: holds {type(tree).__name__}, expected sections such as `detect:`")
    return tree


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, key = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{name}: {section} is a value, not a section")
    tree[key] = value


def _describe(item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; `dpmesh-video run --settings` lists them"
    return f"{name}: {item['msg']}, got {item['input']!r}"
