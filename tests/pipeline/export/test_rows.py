"""CSV and Parquet, read by polars."""

from pathlib import Path

import numpy as np
import polars
import pytest

from configs.errors import RunError
from configs.skeletons import SMPL24
from pipeline.export import rows
from pipeline.export.scene import Scene


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_row_per_person_and_sample(tmp_path: Path, scene: Scene, wanted: dict[int, np.ndarray], name: str) -> None:
    path, form = tmp_path / f"people.{name}", rows.FORMATS[name]
    form.write(path, scene, None)
    form.check(path, scene, None)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    table = polars.read_csv(path) if name == "csv" else polars.read_parquet(path)
    assert table["person"].unique(maintain_order=True).to_list() == [1, 2, 4]
    for person in scene.people:
        mine = table.filter(polars.col("person") == person.number)
        found = mine.select(rows.JOINT_COLUMNS).to_numpy().reshape(-1, 24, 3)
        assert np.linalg.norm(found - wanted[person.number], axis=-1).max() < 0.001
        np.testing.assert_allclose(mine["time_s"], (person.first_sample + np.arange(person.count)) / 30, atol=1e-5)
    assert mine["is_observed"].to_list() == [row not in (20, 21) for row in range(40)]
    assert mine["head_confidence"][0] == pytest.approx(np.linspace(0.2, 0.9, 24)[SMPL24.index("head")], abs=1e-4)


def test_parquet_has_the_quality_of_each_track(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.parquet"
    rows.write_parquet(path, scene, None)
    good = polars.scan_parquet(path).filter(polars.col("track_length_s") > 2).select("person").unique().collect()
    assert sorted(good["person"].to_list()) == [1, 2]
    assert polars.read_parquet(path)["track_reprojection_px"].null_count() == 200  # nothing was detected


def test_a_lost_row_is_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.csv"
    rows.write_csv(path, scene, None)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match="the number of rows is 199 instead of 200 when read back"):
        rows.check_csv(path, scene, None)
