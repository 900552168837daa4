"""Edits of identities beside the run they belong to, in `edits.json`: every later run of the clip respects them."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from configs.errors import InputError, SettingsError
from configs.json_files import read_json
from configs.schema import RunSettings
from pipeline.flow.atomic import write_bytes, write_json
from pipeline.flow.outputs import RunFolder
from pipeline.nodes.group import Shards, Span
from pipeline.nodes.numbering import NumberedPeople
from trackers.edits import COUNTS, Edit

EDITS_MAX = 10_000
BYTES_MAX = 2**22


def read_edits(folder: Path) -> tuple[str, tuple[Edit, ...]]:
    """Return the edits of a run and for which people they were made (`people_digest`); without a file "" and none.

    Raises:
        InputError: the file is damaged.
    """
    path = RunFolder(folder).edits
    if not path.exists():
        return "", ()
    try:
        data = read_json(path, bytes_max=BYTES_MAX)
        rows = data["edits"]
        if not isinstance(data["people"], str) or not isinstance(rows, list) or len(rows) > EDITS_MAX:
            raise ValueError("'people' is a text, 'edits' a list")
        return data["people"], tuple(_read_edit(row) for row in rows)
    except (KeyError, TypeError, ValueError, SettingsError, InputError) as error:
        why = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: not a list of edits ({why}); take all edits back with `dpmesh-video edit {folder} --clear`"
        ) from error


def write_edits(folder: Path, digest: str, edits: Sequence[Edit]) -> None:
    """Keep edits for later runs; without edits the file goes."""
    path = RunFolder(folder).edits
    if edits:
        write_json(path, {"people": digest, "edits": [asdict(edit) for edit in edits]})
    else:
        path.unlink(missing_ok=True)


def edited_people(folder: Path, store: Shards, settings: RunSettings) -> NumberedPeople:
    """Return who is written of a run: tracks of enough frames, edited as its `edits.json` says.

    Raises:
        InputError: the edits were made for other people than those that were found now, or do not fit them.
    """
    people = NumberedPeople.from_settings(store, settings)
    digest, edits = read_edits(folder)
    if not edits:
        return people
    back = f"take all edits back with `dpmesh-video edit {folder} --clear`"
    if digest != people_digest(people.find_spans()):
        raise InputError(
            f"{RunFolder(folder).edits}: was made for other people than the present settings find; run with the "
            f"settings of before, or {back}"
        )
    edited = people.edited(edits)
    try:
        edited.find_spans()
    except SettingsError as error:  # of a file that was written by hand
        raise InputError(f"{RunFolder(folder).edits}: {error}; or {back}") from error
    return edited


def keep_bytes(folder: Path) -> bytes | None:
    """Return the file of edits as it is; None without one."""
    path = RunFolder(folder).edits
    return path.read_bytes() if path.is_file() else None


def put_bytes_back(folder: Path, data: bytes | None) -> None:
    """Make the file of edits what `keep_bytes` returned."""
    if data is None:
        RunFolder(folder).edits.unlink(missing_ok=True)
    else:
        write_bytes(RunFolder(folder).edits, data)


def people_digest(spans: Sequence[Span]) -> str:
    """Return 16 hexadecimal digits that change when other people are numbered, or the same ones otherwise."""
    text = ";".join(f"{span.track_id}:{span.first_frame}-{span.last_frame}:{span.row_count}" for span in spans)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_edit(row: Any) -> Edit:
    kind, people, frame, time_s = row["kind"], row["people"], row.get("frame"), row.get("time_s")
    if kind not in COUNTS or not all(type(person) is int for person in people):
        raise ValueError(f"{str(row)[:60]!r} is no edit")
    if not (frame is None or type(frame) is int) or not (time_s is None or type(time_s) in (int, float)):
        raise ValueError(f"{str(row)[:60]!r} has no such frame or time")
    return Edit(kind, tuple(people), frame, time_s)
