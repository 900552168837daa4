"""Who is who in a finished run, put right by hand; what depends on it is made again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import InputError
from pipeline.flow.inputs import ClipInput
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import check_owner, read_record
from pipeline.flow.store import ObservationStore
from pipeline.nodes.edits import keep_bytes, people_digest, put_bytes_back, read_edits, write_edits
from pipeline.nodes.group import Span
from pipeline.nodes.links_file import LinkedRows
from pipeline.nodes.numbering import NumberedPeople
from trackers.edits import Edit

if TYPE_CHECKING:
    from pipeline.run import ClipResult


@dataclass(frozen=True, slots=True)
class Edited:
    """The people of a run after all its edits."""

    people: tuple[Span, ...]
    edits: tuple[Edit, ...]  # of this call and of earlier ones
    result: "ClipResult | None"  # how motion, files and overlay were made again; None where nothing was edited


def edit_run(
    folder: Path,
    edits: Sequence[Edit],
    source: Path | None = None,
    *,
    is_cleared: bool = False,
    has_progress: bool = True,
    on_done: "Callable[[ClipResult], None]" = lambda result: None,
) -> Edited:
    """Add edits to those of a run, then make its motion, files and overlay again.

    Args:
        edits: without any, and without `is_cleared`, the people are only listed.
        source: the video, where it is no longer at the path that the run was given.
        is_cleared: whether earlier edits are taken back first.

    Raises:
        InputError: there is no run whose video was read to its end, or the video is gone.
        SettingsError: an edit names somebody who is not there, or makes one person of two in one frame.
        RunError: the video is another one.
    """
    record = read_record(folder)
    settings = record.run_settings(folder)
    store = ObservationStore(RunFolder(folder).observations)
    state = store.read_state()
    if state is None or not state[0].is_complete:
        raise InputError(f"{folder}: its video was not read to the end yet; run the clip again, and edit then")
    numbered = NumberedPeople.from_settings(LinkedRows.of(folder), settings)
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
    edited = tuple(numbered.edited(chosen).find_spans())  # raises before anything is kept
    if not edits and not is_cleared:
        return Edited(edited, chosen, None)
    path, folder = (source or Path(record.path)).absolute(), folder.absolute()
    if not path.exists():
        raise InputError(f"{path}: the video of this run is not there any more; give it with --input")
    check_owner(folder, path)
    from pipeline.engine.choose import run_found

    start = record.cwd if Path(record.cwd).is_dir() else "."  # the settings may name files from there
    clip = ClipInput(path, folder.name)
    with _kept_if_done(folder) as results, chdir(start):
        write_edits(folder, people_digest(people), chosen)
        results += run_found([clip], folder.parent, settings, has_progress=has_progress, on_done=on_done)
    return Edited(edited, chosen, results[0])


@contextmanager
def _kept_if_done(folder: Path) -> "Iterator[list[ClipResult]]":
    """Put the edits of before back where the run with new ones fails or is stopped: who asks again, asks once.

    The list takes the result of the run.
    """
    before, results = keep_bytes(folder), list["ClipResult"]()
    try:
        yield results
    finally:
        if not results or results[0].is_failed:
            put_bytes_back(folder, before)
