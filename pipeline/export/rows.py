"""CSV and Parquet: one row per person and sample, the joints in metres, in the upright world (z up)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.skeletons import SMPL24
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson

if TYPE_CHECKING:
    import polars

ROWS_PER_WRITE = 4096
JOINT_COLUMNS = [f"{name}_{axis}_m" for name in SMPL24 for axis in "xyz"]


def tables(scene: Scene) -> Iterator["polars.DataFrame"]:
    """Yield the rows of one person after the other, a few thousand at a time."""
    import polars

    for person in scene.people:
        motion = person.load()
        joints = motion.joints().astype(np.float32)
        for start in range(0, len(motion), ROWS_PER_WRITE):
            rows = slice(start, min(start + ROWS_PER_WRITE, len(motion)))
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
            columns |= dict(zip(JOINT_COLUMNS, joints[rows].reshape(-1, 72).T, strict=True))
            columns |= {
                f"{name}_confidence": values.astype(np.float32)
                for name, values in zip(SMPL24, motion.confidence[rows].T, strict=True)
            }
            yield polars.DataFrame(columns)


def write_csv(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people as text with five decimals."""
    with open(path, "wb") as file:
        for number, table in enumerate(tables(scene)):
            table.write_csv(file, include_header=number == 0, float_precision=5)


def write_parquet(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people; the quality of each track stands in columns that begin with `track_`."""
    import polars

    parts = []
    for number, table in enumerate(tables(scene)):  # so that not all rows are in memory at one time
        parts.append(path.with_name(f"part_{number:06d}.parquet"))
        _with_quality(table, scene).write_parquet(parts[-1])
    polars.scan_parquet(parts).sink_parquet(path)
    for part in parts:
        part.unlink()


def _with_quality(table: "polars.DataFrame", scene: Scene) -> "polars.DataFrame":
    import polars

    number = table["person"][0]
    quality = next(person.quality for person in scene.people if person.number == number)
    return table.with_columns(
        polars.lit(value, polars.Float64).alias(f"track_{name}") for name, value in quality.items() if name != "person"
    )


def check_csv(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the table again."""
    import polars

    _check(path, scene, polars.scan_csv(path))


def check_parquet(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the table again."""
    import polars

    _check(path, scene, polars.scan_parquet(path))


def _check(path: Path, scene: Scene, table: "polars.LazyFrame") -> None:
    import polars

    wanted_rows = sum(person.count for person in scene.people)
    check_count(path, "the number of rows", table.select(polars.len()).collect().item(), wanted_rows)
    for person in scene.people:
        rows = checked_rows(person.count)
        chosen = polars.col("sample").is_in((person.first_sample + rows).tolist())
        found = table.filter((polars.col("person") == person.number) & chosen).select(JOINT_COLUMNS).collect()
        if len(found) != len(rows):
            raise broken(path, f"samples of {person.name} are missing")
        joints = found.to_numpy().reshape(-1, 24, 3)
        check_joints(path, joints, person.load().joints()[rows])


FORMATS = {
    "csv": Format("csv", "csv", write_csv, check_csv, is_shared=True),
    "parquet": Format("parquet", "parquet", write_parquet, check_parquet, is_shared=True),
}
