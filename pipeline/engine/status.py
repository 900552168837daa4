"""What became of each unit, attempt by attempt: rows, their table, and what all of it cost."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, BinaryIO, Literal

from configs.errors import InputError

NAME = "status.parquet"
HOUR_S = 3600.0
Status = Literal["done", "partial", "failed", "lost", "machine lost", "split"]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt at one unit."""

    name: str  # of the clip
    unit: str  # its key; empty for a row of the manifest that is none
    row: int  # of the manifest, from 1
    attempt: int  # from 1; 0 = it was never tried
    # lost: the worker died, or the whole machine, which is hardly the unit's fault; split: segments come first
    status: Status
    reason: str = ""  # why it failed, or what its result lacks
    seconds: float = 0.0  # of the worker, with fetching and uploading
    video_s: float = 0.0  # of video that was read
    frames: int = 0
    people: int = 0
    worker: str = ""  # host and process
    folder: str = ""  # of the result

    def dump(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def load(cls, found: dict[str, Any]) -> "AttemptRow":
        """Return a row from JSON values, of this version or another."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})


def table_bytes(rows: Iterable[AttemptRow]) -> bytes:
    """Return the table as Parquet: one line per attempt, by row of the manifest."""
    import polars

    ordered = sorted(rows, key=lambda row: (row.row, row.name, row.unit, row.attempt))
    schema: dict[str, Any] = {field.name: polars.String for field in fields(AttemptRow)}
    schema |= dict.fromkeys(("row", "attempt", "frames", "people"), polars.Int64)
    schema |= dict.fromkeys(("seconds", "video_s"), polars.Float64)
    columns = {name: [getattr(row, name) for row in ordered] for name in schema}
    buffer = io.BytesIO()
    polars.DataFrame(columns, schema=schema).write_parquet(buffer)
    return buffer.getvalue()


def read_table(file: BinaryIO) -> dict[str, list[AttemptRow]]:
    """Return the attempts of such a table by unit, in order.

    Raises:
        InputError: it is no such table.
    """
    import polars
    from polars.exceptions import PolarsError

    try:
        table = polars.read_parquet(file)
        rows = [AttemptRow.load(found) for found in table.iter_rows(named=True)]
    except (PolarsError, OSError, TypeError) as error:
        raise InputError(f"{NAME}: not a table of this program ({str(error).partition(chr(10))[0]})") from error
    by_unit: dict[str, list[AttemptRow]] = {}
    for row in rows:
        if row.unit:
            by_unit.setdefault(row.unit, []).append(row)
    return by_unit


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run cost."""

    video_s: float  # of video that was done
    worker_s: float  # that workers were busy, lost attempts included
    wall_s: float
    machines: int
    price: float | None  # euros per hour of one machine

    @classmethod
    def of(cls, rows: Sequence[AttemptRow], wall_s: float, machines: int, price: float | None) -> "Cost":
        """Return the cost of the attempts of one run."""
        done = sum(row.video_s for row in rows if row.status in ("done", "partial"))
        return cls(done, sum(row.seconds for row in rows), wall_s, machines, price)

    def __str__(self) -> str:
        if not self.video_s:
            return f"no video was done in {self.wall_s:.0f} s"
        hours = self.video_s / HOUR_S
        text = (
            f"{self.video_s:.0f} s of video in {self.wall_s:.0f} s on {self.machines} machine"
            f"{'s' if self.machines > 1 else ''}: {self.worker_s / hours:.0f} s of workers and "
            f"{self.wall_s * self.machines / hours:.0f} s of machines per hour of video"
        )
        if self.price is None:
            return text
        euros = self.wall_s * self.machines / HOUR_S * self.price
        return f"{text}; {euros:.2f} EUR, {euros / hours:.2f} EUR per hour of video"
