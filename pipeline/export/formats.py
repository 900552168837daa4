"""The table of formats, and the interface that each module of a format fills."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import RunError, SettingsError
from pipeline.export.scene import Scene, ScenePerson

EXTRA = "pip install 'dpmesh-video[export]'"


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `write` makes a file, `check` reads it back and raises `RunError` if it is not what it should be."""

    name: str
    suffix: str
    write: Callable[[Path, Scene, ScenePerson | None], None]  # of one person, or of all (None)
    check: Callable[[Path, Scene, ScenePerson | None], None]
    is_shared: bool  # whether one file holds all people
    # Raises what would fail, before anything is written; without a scene (None), what is missing on this machine.
    prepare: Callable[[Scene | None], None] = lambda scene: None


MODULES = {  # of each format of `configs.setting_values.EXPORT_FORMATS`
    "bvh": "pipeline.export.bvh",
    "glb": "pipeline.export.glb",
    "usd": "pipeline.export.usd",
    "trc": "pipeline.export.trc",
    "c3d": "pipeline.export.c3d",
    "csv": "pipeline.export.rows",
    "parquet": "pipeline.export.rows",
    "mot": "pipeline.export.mot",
    "fbx": "pipeline.export.fbx",
}


def load_format(name: str) -> Format:
    """Return a format by name; its module is imported now."""
    formats: dict[str, Format] = importlib.import_module(MODULES[name]).FORMATS
    return formats[name]


def check_formats(names: Sequence[str]) -> None:
    """Refuse formats that cannot be written on this machine, before hours of work.

    Raises:
        SettingsError: a package or a program is missing.
    """
    for name in names:
        load_format(name).prepare(None)


def need_package(module: str, package: str, form: str) -> None:
    """Refuse a format whose package is not installed.

    Raises:
        SettingsError: it cannot be imported.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(f"{form} needs the package {package} ({error}); install the extra: {EXTRA}") from error


def broken(path: Path, what: str) -> RunError:
    """Return the error for a file that is not what was to be written."""
    return RunError(f"{path}: {what} when read back; check the disk, and report it if it happens again")
