"""Tests of `pipeline.engine.status`."""

import io
from dataclasses import replace

import polars
import pytest

from configs.errors import InputError
from pipeline.engine.status import AttemptRow, Cost, read_table, table_bytes

ROW = AttemptRow("clip", "clip-1", 2, 1, "done", seconds=10.0, video_s=5.0, frames=150, people=2, worker="host:1")
BAD = AttemptRow("bad", "", 1, 0, "failed", "row 1: names no clip")


def test_a_table_has_a_line_per_attempt_by_row_of_the_manifest() -> None:
    lost = replace(ROW, status="lost", reason="the worker died")
    data = table_bytes([replace(ROW, attempt=2), lost, BAD])
    table = polars.read_parquet(io.BytesIO(data))
    assert table["row"].to_list() == [1, 2, 2] and table["attempt"].to_list() == [0, 1, 2]
    assert table.schema["seconds"] == polars.Float64 and table.schema["frames"] == polars.Int64
    assert read_table(io.BytesIO(data)) == {"clip-1": [lost, replace(ROW, attempt=2)]}
    assert polars.read_parquet(io.BytesIO(table_bytes([]))).schema == table.schema


def test_a_row_of_another_version_is_read() -> None:
    assert AttemptRow.load(ROW.dump() | {"colour": "red"}) == ROW


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="not a table"):
        read_table(io.BytesIO(b"nothing"))
    buffer = io.BytesIO()
    polars.DataFrame({"name": ["a"]}).write_parquet(buffer)
    with pytest.raises(InputError, match="not a table"):
        read_table(io.BytesIO(buffer.getvalue()))


def test_a_cost_is_per_hour_of_video_and_counts_lost_attempts() -> None:
    rows = [replace(ROW, video_s=1800.0, seconds=100.0), replace(ROW, status="lost", video_s=0.0, seconds=20.0)]
    cost = Cost.of(rows, wall_s=90.0, machines=2, price=4.0)
    assert str(cost) == (
        "1800 s of video in 90 s on 2 machines: 240 s of workers and 360 s of machines per hour of video; "
        "0.20 EUR, 0.40 EUR per hour of video"
    )
    assert "EUR" not in str(Cost.of(rows, 90.0, 2, None))
    assert str(Cost.of([], 3.0, 1, 4.0)) == "no video was done in 3 s"
