"""CSV and Parquet: one row per person and sample, the joints in metres, in the upright world (z up)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.skeletons import SMPL24
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson
from pipeline.flow.memory import release_memory

if TYPE_CHECKING:
    import polars

JOINT_COLUMNS = [f"{name}_{axis}_m" for name in SMPL24 for axis in "xyz"]


def tables(scene: Scene) -> Iterator["polars.DataFrame"]:
    """Yield the rows of one person after the other, a few thousand at a time."""
    import polars

    for person in scene.people:
        motion = person.load()
        for rows in motion.blocks():
            joints = motion.joints(rows).astype(np.float32)
            sample = motion.first_sample + np.arange(rows.start, rows.stop)
            columns: dict[str, Any] = {
                "person": np.full(len(sample), person.number, np.int32),
                "sample": sample.astype(np.int32),
                "time_s": sample / scene.rate_hz,
                "frame": motion.frame_index[rows].astype(np.int32),
                "is_observed": motion.is_observed[rows],
                "is_refined": motion.is_refined[rows],
                "confidence": motion.confidence[rows].mean(axis=1).astype(np.float32),
            }
            columns |= dict(zip(JOINT_COLUMNS, joints.reshape(-1, 72).T, strict=True))
            columns |= {
                f"{name}_confidence": values.astype(np.float32)
                for name, values in zip(SMPL24, motion.confidence[rows].T, strict=True)
            }
            yield polars.DataFrame(columns)
        del motion
        release_memory()


def write_csv(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people as text with five decimals."""
    with open(path, "wb") as file:
        for number, table in enumerate(tables(scene)):
            table.write_csv(file, include_header=number == 0, float_precision=5)


def write_parquet(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people; the quality of each track stands in columns that begin with `track_`."""
    from polars.io.plugins import register_io_source

    def rows(columns, predicate, count_max, batch_rows) -> Iterator["polars.DataFrame"]:  # type: ignore[no-untyped-def]
        for table in tables(scene):
            yield _with_quality(table, scene)

    schema = _with_quality(next(tables(scene)), scene).schema
    register_io_source(rows, schema=schema).sink_parquet(path, row_group_size=8192)


def _with_quality(table: "polars.DataFrame", scene: Scene) -> "polars.DataFrame":
    import polars

    number = table["person"][0]
    quality = next(person.quality for person in scene.people if person.number == number)
    return table.with_columns(
        polars.lit(value, polars.Float64).alias(f"track_{name}") for name, value in quality.items() if name != "person"
    )


def check_csv(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the table again."""
    with open(path, encoding="ascii") as file:
        check_count(path, "the number of rows", sum(1 for _ in file) - 1, sum(each.count for each in scene.people))
        file.seek(0)
        names = next(file, "").rstrip("\n").split(",")
        first = names.index(JOINT_COLUMNS[0]) if JOINT_COLUMNS[0] in names else 0
        if names[first : first + len(JOINT_COLUMNS)] != JOINT_COLUMNS:
            raise broken(path, "its columns have other names")
        for each in scene.people:
            rows = checked_rows(each.count)
            wanted, found = set(rows.tolist()), []
            for row, line in enumerate(islice(file, each.count)):
                if row in wanted:
                    found.append([float(word) for word in line.split(",")[first : first + len(JOINT_COLUMNS)]])
            check_joints(path, np.array(found).reshape(-1, 24, 3), each.load().joints(rows))


def check_parquet(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the table again."""
    import polars

    table = polars.scan_parquet(path)
    wanted_rows = sum(person.count for person in scene.people)
    check_count(path, "the number of rows", table.select(polars.len()).collect().item(), wanted_rows)
    start = 0
    for each in scene.people:
        rows = checked_rows(each.count)
        found = [table.slice(start + row, 1).select(JOINT_COLUMNS).collect().to_numpy() for row in rows.tolist()]
        check_joints(path, np.concatenate(found).reshape(-1, 24, 3), each.load().joints(rows))
        start += each.count


FORMATS = {
    "csv": Format("csv", "csv", write_csv, check_csv, is_shared=True),
    "parquet": Format("parquet", "parquet", write_parquet, check_parquet, is_shared=True),
}
