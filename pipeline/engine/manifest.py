"""Manifests: a table with a clip in each row, as CSV or Parquet. A row that is wrong costs only itself."""

import hashlib
import io
import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DpmeshVideoError, InputError, SettingsError
from configs.read import override_settings
from configs.schema import RunSettings
from pipeline.engine.places import expand, is_url, local_path, name_in, read_place
from pipeline.flow.inputs import NAME_BYTES_MAX, find_inputs, folder_name

if TYPE_CHECKING:
    import polars

SUFFIXES = (".csv", ".parquet")
BYTES_MAX = 2**31
SOURCE_COLUMNS = ("path", "url", "video", "file")  # the first of them that is there has the clips
COLUMNS = ("name", "start", "end", "keypoints", "settings", "sha256")  # the others that are read
RESERVED = frozenset({"_store", "status.parquet", "index.html"})  # names in an output that are no clip's


@dataclass(frozen=True, slots=True)
class Row:
    """A clip as a user named it, alone or in a manifest; its own settings are small, and built when they are needed."""

    number: int  # of the row, from 1
    name: str  # of its results
    source: str  # path or URL
    keypoints: str = ""  # path or URL of a keypoint file; empty: a detector looks for people
    values: Mapping[str, Any] = field(default_factory=dict)  # settings by dotted name
    assignments: tuple[str, ...] = ()  # more of them, as a.b=c
    sha256: str = ""  # of the content of `source`, where the user knows it

    def settings(self, base: RunSettings) -> RunSettings:
        """Return the settings of this clip, over those of the run; they name the keypoint file as it is here."""
        values = dict(self.values) | ({"detect.keypoints": self.keypoints} if self.keypoints else {})
        return override_settings(base, values, self.assignments) if values or self.assignments else base


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be run, and why."""

    number: int
    name: str
    source: str
    reason: str


def is_manifest(text: str) -> bool:
    """Return whether an input is named as a manifest."""
    return name_in(text).lower().endswith(SUFFIXES)


def read_manifest(place: str, base: RunSettings) -> list[Row | BadRow]:
    """Return the rows of a manifest, in order.

    Columns: `path` (or `url`, `video`, `file`), and where wanted `name`, `start` and `end` in seconds, `keypoints`
    (path or URL), `settings` (words as `detect.image_px=960 refine.mode=smooth`) and `sha256` of the clip. Others are
    ignored.

    Args:
        place: path or URL of a .csv or .parquet.
        base: the settings of the run, to check those of the rows against.

    Raises:
        InputError: it cannot be read, has no column of clips, or no rows.
    """
    table = _read_table(place)
    by_name = {name.strip().lower(): name for name in table.columns}
    source_column = next((by_name[name] for name in SOURCE_COLUMNS if name in by_name), None)
    if source_column is None:
        raise InputError(
            f"{place}: has no column named {', '.join(SOURCE_COLUMNS[:-1])} or {SOURCE_COLUMNS[-1]} but "
            f"{', '.join(table.columns[:8])}; name the column with the clips `path`"
        )
    if not len(table):
        raise InputError(f"{place}: has no rows; give one clip per row")
    kept = {name: by_name[name] for name in COLUMNS if name in by_name}
    rows = []
    for number, cells in enumerate(table.select([source_column, *kept.values()]).iter_rows(), 1):
        texts = ["" if cell is None else str(cell).strip() for cell in cells]
        named = dict(zip(kept, texts[1:], strict=True))
        source, points = (_beside(place, text) for text in (texts[0], named.get("keypoints", "")))
        rows.append((_read_row(number, source, named | {"keypoints": points}, base), bool(named.get("name"))))
    return list(_with_names(rows))


def find_rows(inputs: Sequence[str], settings: RunSettings) -> list[Row | BadRow]:
    """Return the clips that a user named: manifests, URLs with or without `*`, and what `find_inputs` takes.

    Raises:
        InputError, SettingsError: a manifest cannot be read, nothing is there, or what is there cannot be named.
    """
    if len(inputs) == 1 and is_manifest(inputs[0]):
        return read_manifest(inputs[0], settings)
    if any(is_manifest(text) for text in inputs):
        raise SettingsError(f"{len(inputs)} inputs with a manifest among them; give one manifest and nothing else")
    urls = [url for text in inputs if is_url(text) for url in expand(text)]
    paths = [text for text in inputs if not is_url(text)]
    points = settings.detect.keypoints
    rows: list[tuple[Row | BadRow, bool]] = []
    for clip in find_inputs(paths, settings) if paths else []:
        keypoints = str(points.absolute()) if points else ""
        rows.append((Row(len(rows) + 1, clip.name, str(clip.path), keypoints), True))
    for url in urls:
        rows.append((_read_row(len(rows) + 1, url, {}, settings), False))
    if points is not None and len(rows) > 1:
        raise SettingsError(
            f"{points}: a keypoint file belongs to one clip, and these are {len(rows)}; give a manifest"
        )
    return list(_with_names(rows))


def _read_table(place: str) -> "polars.DataFrame":
    import polars
    from polars.exceptions import PolarsError

    data = read_place(place, BYTES_MAX)
    try:
        if place.lower().endswith(".parquet"):
            return polars.read_parquet(io.BytesIO(data))
        data.decode("utf-8-sig")
        return polars.read_csv(io.BytesIO(data), infer_schema=False, truncate_ragged_lines=True)
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: byte {error.start} is no UTF-8; save the table as UTF-8") from error
    except (PolarsError, OSError) as error:
        why = str(error).strip().partition("\n")[0]
        raise InputError(f"{place}: not readable as a table ({why}); write it as CSV with a header, or Parquet") from (
            error
        )


def _beside(place: str, text: str) -> str:
    """Return a path or URL of a manifest in full: a relative path counts from the folder of the manifest."""
    if not text or is_url(text) or Path(text).expanduser().is_absolute():
        return text
    if is_url(place) and local_path(place) is None:
        return f"{place.rpartition('/')[0]}/{text}"
    return str((local_path(place) or Path(place)).absolute().parent / text)


def _read_row(number: int, source: str, cells: Mapping[str, str], base: RunSettings) -> Row | BadRow:
    given = cells.get("name", "")
    name = given or (folder_name(name_in(source).rpartition(".")[0] or name_in(source)) if source else f"row{number}")
    try:
        if not given and base.privacy.is_anonymous:
            name = f"clip_{_digest(source)}"
        if not source:
            raise InputError(f"row {number}: names no clip; fill the column or delete the row")
        if given and (folder_name(given) != given or given in RESERVED):
            raise SettingsError(
                f"row {number}: name {given[:80]!r} cannot name a folder; use at most {NAME_BYTES_MAX} bytes without /"
            )
        values: dict[str, Any] = {}
        for column, setting in (("start", "decode.start_s"), ("end", "decode.end_s")):
            if cells.get(column):
                values[setting] = _seconds(number, column, cells[column])
        if len(values) == 2 and values["decode.end_s"] <= values["decode.start_s"]:
            raise SettingsError(f"row {number}: end {cells['end']} is not after start {cells['start']}")
        row = Row(
            number,
            name,
            source,
            keypoints=cells.get("keypoints", ""),
            values=values,
            assignments=_assignments(number, cells.get("settings", "")),
            sha256=cells.get("sha256", "").lower(),
        )
        row.settings(base)  # says now what is wrong with them
        return row
    except DpmeshVideoError as error:
        reason = str(error)
        return BadRow(number, name, source, reason if reason.startswith("row ") else f"row {number}: {reason}")


def _seconds(number: int, column: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise SettingsError(f"row {number}: {column} is {text[:80]!r}, which is no number of seconds")
    return seconds


def _assignments(number: int, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise SettingsError(f"row {number}: settings are {text[:80]!r} ({error}); write section.name=value") from error
    if any(word.startswith("detect.keypoints=") for word in words):
        raise SettingsError(f"row {number}: settings name detect.keypoints; give the file in the column keypoints")
    return words


def _with_names(rows: Sequence[tuple[Row | BadRow, bool]]) -> Iterator[Row | BadRow]:
    """Yield the rows with names that tell them apart.

    Of rows that were given no name, those of equal file names get a hash of their path into it. Of several with the
    same name all but the first are bad: their results would lie in one place.

    Args:
        rows: each with whether it was given its name.
    """
    counts = Counter(row.name for row, _ in rows if isinstance(row, Row))
    first: dict[str, int] = {}
    for row, is_given in rows:
        if isinstance(row, Row) and counts[row.name] > 1 and not is_given:
            row = replace(row, name=folder_name(f"{row.name}_{_digest(row.source)}"))
        if isinstance(row, Row) and (other := first.setdefault(row.name, row.number)) != row.number:
            reason = f"row {row.number}: name {row.name!r} is that of row {other}; give each its own in a column `name`"
            yield BadRow(row.number, row.name, row.source, reason)
        else:
            yield row


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
