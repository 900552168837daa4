"""`dpmesh-video edit`: who is who in a finished run, put right by hand; what depends on it is made again."""

from collections.abc import Sequence
from pathlib import Path

from configs.errors import InputError
from pipeline.cli.commands import run_found
from pipeline.cli.tables import print_table, say
from pipeline.edits import people_digest, read_edits, write_edits
from pipeline.inputs import ClipInput
from pipeline.record import read_record, read_settings_of
from pipeline.stages.link import Span, find_spans
from pipeline.stages.numbering import NumberedPeople
from pipeline.store import ObservationStore
from trackers.edits import Edit


def edit(folder: Path, edits: Sequence[Edit], source: Path | None, *, is_cleared: bool) -> int:
    """Add edits to those of a run, then make its motion, files and overlay again; return the exit code.

    Without edits the people of the run are printed.

    Args:
        source: the video, where it is no longer at the path that the run was given.
        is_cleared: whether earlier edits are taken back first.

    Raises:
        InputError: there is no run with observations, or its video is gone.
        SettingsError: an edit names somebody who is not there, or makes one person of two in one frame.
    """
    settings, record = read_settings_of(folder), read_record(folder)
    store, frames_min = ObservationStore(folder / "observations"), settings.link.frames_min
    people = find_spans(NumberedPeople(store, frames_min))
    if not people:
        raise InputError(f"{folder}: nobody was found in this run, so there is nobody to edit")
    digest, earlier = read_edits(folder)
    if earlier and digest != people_digest(people) and not is_cleared:
        raise InputError(
            f"{folder}: its earlier edits were made for other people, before the clip ran with other settings; "
            "take them back with --clear, and edit again"
        )
    chosen = (*(() if is_cleared else earlier), *edits)
    edited = find_spans(NumberedPeople(store, frames_min, chosen))  # raises before anything is kept
    if not edits and not is_cleared:
        _print_people(edited, chosen)
        return 0
    path = source or Path(record.path)
    if not path.exists():
        raise InputError(f"{path}: the video of this run is not there any more; give it with --input")
    write_edits(folder, people_digest(people), chosen)
    code = run_found([ClipInput(path.absolute(), folder.absolute().name)], folder.absolute().parent, settings)
    _print_people(edited, chosen)
    return code


def _print_people(spans: Sequence[Span], edits: Sequence[Edit]) -> None:
    rows = [(str(s.track_id), str(s.first_frame), str(s.last_frame), str(s.row_count)) for s in spans]
    print_table([("person", "first frame", "last frame", "frames seen"), *rows])
    if edits:
        say(f"edits: {' '.join(map(str, edits))}")
