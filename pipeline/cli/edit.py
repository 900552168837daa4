"""`dpmesh-video edit`: who is who in a finished run, put right by hand; what depends on it is made again."""

from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

from configs.errors import InputError
from pipeline.cli.commands import FAILED, run_found
from pipeline.cli.tables import print_table, say
from pipeline.flow.inputs import ClipInput
from pipeline.flow.record import check_owner, read_record, read_settings_of
from pipeline.flow.store import ObservationStore
from pipeline.nodes.edits import keep_bytes, people_digest, put_bytes_back, read_edits, write_edits
from pipeline.nodes.group import Span
from pipeline.nodes.numbering import NumberedPeople
from trackers.edits import Edit


def edit(folder: Path, edits: Sequence[Edit], source: Path | None, *, is_cleared: bool) -> int:
    """Add edits to those of a run, then make its motion, files and overlay again; return the exit code.

    Without edits the people of the run are printed.

    Args:
        source: the video, where it is no longer at the path that the run was given.
        is_cleared: whether earlier edits are taken back first.

    Raises:
        InputError: there is no run whose video was read to its end, or the video is gone.
        SettingsError: an edit names somebody who is not there, or makes one person of two in one frame.
        RunError: the video is another one.
    """
    settings, record = read_settings_of(folder), read_record(folder)
    store = ObservationStore(folder / "observations")
    state = store.read_state()
    if state is None or not state[0].is_complete:
        raise InputError(f"{folder}: its video was not read to the end yet; run the clip again, and edit then")
    numbered = NumberedPeople.from_settings(store, settings)
    people = numbered.find_spans()
    if not people and not is_cleared:
        raise InputError(f"{folder}: nobody was found in this run, so there is nobody to edit")
    digest, earlier = ("", ()) if is_cleared else read_edits(folder)
    if earlier and digest != people_digest(people):
        raise InputError(
            f"{folder}: its earlier edits were made for other people, before the clip ran with other settings; "
            "take them back with --clear, and edit again"
        )
    chosen = (*earlier, *edits)
    edited = numbered.edited(chosen).find_spans()  # raises before anything is kept
    if not edits and not is_cleared:
        _print_people(edited, chosen)
        return 0
    path, folder = (source or Path(record.path)).absolute(), folder.absolute()
    if not path.exists():
        raise InputError(f"{path}: the video of this run is not there any more; give it with --input")
    check_owner(folder, path)
    start = record.cwd if Path(record.cwd).is_dir() else "."  # the settings may name files from there
    with _kept_if_done(folder) as codes, chdir(start):
        write_edits(folder, people_digest(people), chosen)
        codes.append(run_found([ClipInput(path, folder.name)], folder.parent, settings))
    if FAILED not in codes:
        _print_people(edited, chosen)
    return codes[0]


@contextmanager
def _kept_if_done(folder: Path) -> Iterator[list[int]]:
    """Put the edits of before back where the run with new ones fails or is stopped: who asks again, asks once.

    The list takes the exit code of the run.
    """
    before, codes = keep_bytes(folder), list[int]()
    try:
        yield codes
    finally:
        if codes in ([], [FAILED]):
            put_bytes_back(folder, before)


def _print_people(spans: Sequence[Span], edits: Sequence[Edit]) -> None:
    rows = [(str(s.track_id), str(s.first_frame), str(s.last_frame), str(s.row_count)) for s in spans]
    print_table([("person", "first frame", "last frame", "frames seen"), *rows])
    if edits:
        say(f"edits: {' '.join(map(str, edits))}")
