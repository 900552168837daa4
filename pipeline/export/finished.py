"""Exports a run that is finished: into its own folder, where the run knows of it, or elsewhere."""

from collections.abc import Callable
from pathlib import Path

from configs.errors import InputError
from configs.lock import locked
from dpmesh.body.load import find_body, read_structure
from pipeline.export.write import ExportChoice, ExportFile, exported_scene, plan_files, write_files
from pipeline.flow.atomic import write_json
from pipeline.flow.graph import FORMATS_NODE, Graph
from pipeline.flow.outputs import RunFolder, describe_files, exported_name
from pipeline.flow.record import read_finished


def export_run(
    folder: Path,
    choice: ExportChoice,
    output: Path | None = None,
    on_file: Callable[[ExportFile], None] = lambda file: None,
) -> list[Path]:
    """Write the people of a finished run in other formats; return the files.

    Args:
        output: where each format gets a folder; None: the run's own `export/`, and `run.json` lists the files.

    Raises:
        InputError: there is no finished run, nobody to export, or a format cannot hold the run.
        SettingsError: a format cannot be written here.
        RunError: a file that no run made is in the way, or a file could not be written right.
    """
    record = read_finished(folder)
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output}: is no folder; give a folder for --output")
    files = RunFolder(folder)
    body = read_structure(find_body(record.body.source, record.body.gender), gender=record.body.gender)
    scene = exported_scene(files, record.run_settings(folder), body, record.input, record.video, choice)
    if output is not None:
        planned = plan_files(scene, choice.formats, lambda *name: output / exported_name(*name))
        return write_files(scene, planned, on_file)
    planned = plan_files(scene, choice.formats, files.exported)
    with locked(folder):
        Graph(folder, []).add(
            FORMATS_NODE, [file.path for file in planned], lambda: write_files(scene, planned, on_file)
        )
        record = record.model_copy(update={"files": describe_files(folder)})
        write_json(files.record, record.dump())
    return [file.path for file in planned]
