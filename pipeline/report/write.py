"""Writes the report of a run, and the index of several."""

from pathlib import Path

from configs.errors import InputError, RunError
from configs.lock import locked
from configs.output_schema import ReportSettings
from pipeline.flow.atomic import write_bytes, write_json
from pipeline.flow.outputs import ANALYTICS_NAME, Entry, RunFolder, dump_entries, read_entries, read_hash
from pipeline.flow.record import RunRecord, read_record
from pipeline.report.facts import gather
from pipeline.report.html import link, text
from pipeline.report.page import document, is_report, report_page
from pipeline.results import Run
from pipeline.view.scene import Thinning

NODE = "report"
INDEX_NAME = "index.html"
MEGABYTE = 1_000_000


def write_page(path: Path, run: Run, settings: ReportSettings) -> Thinning:
    """Write the page of a run; return what of its motion is in the scene.

    Raises:
        InputError: a file of the run is damaged.
    """
    facts = gather(run)
    page = report_page(facts, embed_bytes=int(settings.video_embed_mb * MEGABYTE), crowd=_crowd(run.path))
    write_bytes(path, page.encode("utf-8", "backslashreplace"))
    return facts.scene.thinning


def _crowd(folder: Path) -> str:
    if not (folder / ANALYTICS_NAME).is_file():  # without one, its libraries need not be loaded
        return ""
    try:
        from pipeline.analytics.section import crowd_section
    except ModuleNotFoundError:
        return ""
    return crowd_section(folder)


def report_run(folder: Path) -> Path:
    """Write the report of a finished run anew; return the file.

    Raises:
        InputError: there is no finished run, or a file of it is damaged.
        RunError: another run has the folder, or a file of that name is somebody else's.
    """
    run = Run(folder)
    path = RunFolder(folder).report
    with locked(folder):
        entries = read_entries(folder)
        known = {} if entries is None else {name for entry in entries.values() for name in entry.files}
        if path.name not in known and path.exists() and not is_report(path):
            raise RunError(f"{path}: no run made this file; move it away, then ask for the report again")
        write_page(path, run, _settings_of(run))
        if entries is not None:
            # Without a fingerprint the next run makes it anew: what it showed may be older than the rest by then.
            entries[NODE] = Entry(files={path.name: path.stat().st_size}, hashes={path.name: read_hash(path)})
            write_json(RunFolder(folder).nodes, dump_entries(entries))
    return path


def _settings_of(run: Run) -> ReportSettings:
    try:
        return run.settings.report
    except InputError:  # a run of another version; what it found can be shown all the same
        return ReportSettings()


def report_folder(folder: Path) -> list[Path]:
    """Write the report of a run, or those of all runs in a folder and their index; return the files.

    Raises:
        InputError: there is no finished run.
        RunError: as of `report_run`, or the index would overwrite somebody else's file.
    """
    runs = [] if RunFolder(folder).record.is_file() else find_runs(folder)
    if not runs:
        return [report_run(folder)]
    made = [report_run(run) for run in runs if read_record(run).status in ("done", "partial")]
    index = write_index(folder)
    if index is None:
        raise RunError(f"{folder / INDEX_NAME}: no run made this file; move it away, then ask for the report again")
    return [*made, index]


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder, by name."""
    return sorted(record.parent for record in folder.glob("*/run.json"))


def write_index(folder: Path) -> Path | None:
    """Write a page that lists the runs in a folder; return it, or None where a file of that name is somebody else's."""
    path = folder / INDEX_NAME
    if path.exists() and not is_report(path):
        return None
    rows = "".join(_index_row(run) for run in find_runs(folder))
    heads = "".join(f'<th scope="col">{title}</th>' for title in ("clip", "people", "frames", "state"))
    body = f"""<header><h1>{text(folder.resolve().name)}</h1></header><main><div class="box facts">
<table><tr>{heads}</tr>{rows}</table></div></main>"""
    write_bytes(path, document(f"{folder.resolve().name}: runs", body).encode("utf-8", "backslashreplace"))
    return path


def _index_row(folder: Path) -> str:
    try:
        record = read_record(folder)
    except InputError as error:
        return f"<tr><td>{text(folder.name)}</td><td></td><td></td><td>{text(error)}</td></tr>"
    name = f"{folder.name}/{RunFolder(folder).report.name}"
    title = link(name, folder.name) if (folder / RunFolder(folder).report.name).is_file() else text(folder.name)
    return f"<tr><td>{title}</td><td>{record.people}</td><td>{record.frames}</td><td>{_state(record)}</td></tr>"


def _state(record: RunRecord) -> str:
    return text(f"{record.status}: {record.problem}" if record.problem else record.status)
