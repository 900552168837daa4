"""Writes a run's people in the formats that were asked for; a file counts when it was read back and is right."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from configs.version import program_version
from dpmesh.body.structure import BodyStructure
from pipeline.export.formats import Format, load_format
from pipeline.export.people import Placement, ground_height, read_camera, read_people
from pipeline.export.scene import Scene, ScenePerson
from pipeline.flow.atomic import sync_folder
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import VideoRecord

SCRATCH = ".export.part"  # files lie here until they are checked


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What to export, and how."""

    formats: tuple[str, ...]
    people: tuple[int, ...] | None = None  # None: all
    placement: Placement = field(default_factory=Placement)
    unit: str = "m"
    has_ground: bool = False
    blender: str | None = None


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file that is to be written."""

    form: Format
    person: ScenePerson | None  # None: all people
    path: Path


def exported_scene(
    files: RunFolder, settings: RunSettings, body: BodyStructure, source: str, video: VideoRecord, choice: ExportChoice
) -> Scene:
    """Return the people of a run, on one grid of samples. Raises as `read_people` does."""
    rate_hz, people = read_people(files, body, longest_gap_s(settings), choice.placement, choice.people)
    return Scene(
        source=source,
        rate_hz=rate_hz,
        people=people,
        body=body,
        program=f"dpmesh-video {program_version()}",
        camera=read_camera(files, video.width, video.height),
        unit=choice.unit,
        has_ground=choice.has_ground,
        ground_m=ground_height(files),
        blender=choice.blender,
    )


def plan_files(scene: Scene, formats: Sequence[str], place: Callable[[str, str, int | None], Path]) -> list[ExportFile]:
    """Return the files to write.

    Args:
        place: gives the path of a file from its format, its suffix and the number of the person (None: all people).

    Raises:
        SettingsError: a format cannot be written here: a package or a program is missing.
        InputError: a format cannot hold this run.
    """
    planned = []
    for name in formats:
        form = load_format(name)
        form.prepare(scene)
        for person in [None] if form.is_shared else scene.people:
            number = None if person is None else person.number
            planned.append(ExportFile(form, person, place(name, form.suffix, number)))
    return planned


def write_files(
    scene: Scene, planned: Sequence[ExportFile], on_file: Callable[[ExportFile], None] = lambda file: None
) -> list[Path]:
    """Write the files, read each back and put it in its place; return the paths.

    Raises:
        RunError: a file is not what it should be when it is read back; what stood in its place is still there.
    """
    for file in planned:
        folder = file.path.parent
        scratch = folder / SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        clear_scratch(folder)
        scratch.mkdir()
        try:
            made = scratch / file.path.name
            file.form.write(made, scene, file.person)
            file.form.check(made, scene, file.person)
            _sync(made)
            os.replace(made, file.path)
            sync_folder(folder)
        finally:
            clear_scratch(folder)
        release_memory()
        on_file(file)
    return [file.path for file in planned]


def clear_scratch(folder: Path) -> None:
    """Delete what an export that was stopped left in the folder of a format."""
    scratch = folder / SCRATCH
    if scratch.is_symlink():
        scratch.unlink()
    elif scratch.is_dir():
        shutil.rmtree(scratch)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
