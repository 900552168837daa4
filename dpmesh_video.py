"""Video of many people to 3D human motion: the functions and nouns to use from Python.

    import dpmesh_video as dv

    run = dv.run("clip.mp4", "out")
    for person in run:
        print(person, run.joints(person, "smpl24").shape)

Nothing heavy is imported before it is used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from configs.clash import check_packages
except ModuleNotFoundError as error:
    import configs

    raise ImportError(f"{configs.__file__}: another package called configs hides that of dpmesh-video") from error

check_packages()

if TYPE_CHECKING:
    import numpy as np

    from configs.errors import DpmeshVideoError
    from configs.schema import RunSettings
    from dpmesh.recovery.recover import RecoveredBodies
    from pipeline.results import Person, Run
    from pipeline.run import ClipResult

__all__ = [
    "ClipResult",
    "DpmeshVideoError",
    "Person",
    "RecoveredBodies",
    "Run",
    "RunSettings",
    "__version__",
    "edit",
    "open_run",
    "recover",
    "run",
    "run_many",
]

__version__: str

_HOMES = {
    "ClipResult": "pipeline.run",
    "DpmeshVideoError": "configs.errors",
    "Person": "pipeline.results",
    "RecoveredBodies": "dpmesh.recovery.recover",
    "Run": "pipeline.results",
    "RunSettings": "configs.schema",
}


def run(
    source: str | Path,
    output: str | Path = "out",
    *,
    settings: "RunSettings | Mapping[str, Any] | None" = None,
    preset: str | None = None,
    progress: bool = True,
) -> "Run":
    """Process one clip, as `dpmesh-video run` does, and return its result; what is there already is not made again.

    Args:
        source: a video, or a folder of images.
        output: the results go into a folder in here that is named after the clip.
        settings: values by dotted name, as {"refine.mode": "smooth"}, or all of them.
        preset: named settings ("accurate", "fast") or a .yaml file, below `settings`.
        progress: whether a bar is shown in a terminal or a notebook.

    Raises:
        DpmeshVideoError: the input cannot be read, a setting or a model is wrong, or the folder is another clip's.
    """
    from configs.errors import SettingsError

    results = run_many([source], output, settings=settings, preset=preset, progress=progress)
    if len(results) != 1:
        raise SettingsError(f"{source}: holds {len(results)} clips and run takes one; use run_many")
    return results[0].open()


def run_many(
    sources: Sequence[str | Path],
    output: str | Path = "out",
    *,
    settings: "RunSettings | Mapping[str, Any] | None" = None,
    preset: str | None = None,
    progress: bool = True,
) -> "list[ClipResult]":
    """Process clips, folders of clips and globs; return how each ended. A clip that fails costs only itself.

    Args:
        sources: as on the command line. The others are those of `run`.

    Raises:
        DpmeshVideoError: an input is not there, or what would fail for every clip: a setting, a model.
    """
    from configs.read import as_settings
    from pipeline.flow.inputs import find_inputs

    chosen = as_settings(settings, preset)
    clips = find_inputs([str(source) for source in sources], chosen)
    from pipeline.engine.choose import run_found  # after what is wrong with the inputs was found without its libraries

    return run_found(clips, Path(output), chosen, has_progress=progress)


def open_run(path: str | Path) -> "Run":
    """Return a finished run from its folder, as `out/clip`.

    Raises:
        InputError: there is no run, its record is damaged, or it failed or did not end.
    """
    from pipeline.results import Run

    return Run(path)


def recover(
    images: "Sequence[np.ndarray]",
    keypoints: "Sequence[np.ndarray]",
    *,
    settings: "RunSettings | Mapping[str, Any] | None" = None,
) -> "list[RecoveredBodies]":
    """Return the bodies of the people in each image, in camera axes (x right, y down, z forward, metres).

    Args:
        images: (H, W, 3) uint8 RGB each.
        keypoints: for each image (N, 17, 3): x and y in its pixels, and confidence, in the order of COCO.
        settings: those of `recover`, `body` and `runtime` are used.

    Raises:
        ValueError: an array has another shape.
        DpmeshVideoError: a setting or a model is wrong.
    """
    from configs.read import as_settings
    from pipeline.stills import recover_stills

    return recover_stills(images, keypoints, as_settings(settings))


def edit(
    path: str | Path,
    *,
    swap: Sequence[str] = (),
    split: Sequence[str] = (),
    merge: Sequence[str] = (),
    drop: Sequence[str] = (),
    clear: bool = False,
    source: str | Path | None = None,
) -> "Run":
    """Correct identities in a run, as `dpmesh-video edit` does, and return it; what depends on it is made again.

    Args:
        path: the run's folder, as `out/clip`.
        swap: as "3,4@120" or "3,4@4.8s": from that frame or time on they are swapped.
        split: as "3@200"; merge: as "2,5"; drop: as "6".
        clear: whether earlier edits are taken back first.
        source: the video, where it was moved.

    Raises:
        DpmeshVideoError: there is no such run or person, or the video is gone.
    """
    from pipeline.editing import edit_run
    from trackers.edits import parse_edits

    edits = parse_edits({"swap": swap, "split": split, "merge": merge, "drop": drop})
    done = edit_run(Path(path), edits, None if source is None else Path(source), is_cleared=clear)
    return open_run(path) if done.result is None else done.result.open()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from configs.version import program_version

        return program_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
