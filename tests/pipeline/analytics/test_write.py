from pathlib import Path

import numpy as np
import polars
import pytest

from configs.analytics_schema import AnalyticsSettings
from configs.errors import InputError
from pipeline.analytics.analysis import analyze
from pipeline.analytics.series import LongTable
from pipeline.analytics.study import Study
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.analytics.write import read_table, table_path, write_analysis


def test_a_table_that_is_made_in_parts_is_one_file(tmp_path: Path, walkers: Trajectories) -> None:
    found = analyze(Study(walkers, AnalyticsSettings()))
    whole = found.long_tables["positions"].whole()
    parts = [whole[:100], whole[100:101], whole[101:]]
    found.long_tables = {"positions": LongTable(lambda: iter(parts))}
    write_analysis(tmp_path, found, AnalyticsSettings(), "people", lambda paths: None)
    assert whole.equals(read_table(tmp_path, "positions"))
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        table_path(tmp_path, name).name for name in (*found.tables, "positions")
    }


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = table_path(tmp_path, "positions")
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"positions\.parquet: cannot be read"):
        read_table(tmp_path, "positions")


def test_blocks_hold_whole_people_and_everybody() -> None:
    person = np.repeat([3, 5, 8, 9], [4, 1, 7, 2])
    people = sorted_trajectories(person, np.arange(14), np.zeros((14, 2)), 10.0)
    blocks = list(people.blocks(5))
    assert [(each.start, each.stop) for each in blocks] == [(0, 5), (5, 12), (12, 14)]
    assert list(people.blocks()) == [slice(0, 14)]


def test_speeds_by_blocks_are_those_of_all(walkers: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, study = Study(walkers, AnalyticsSettings()).pace, Study(walkers, AnalyticsSettings())
    blocks = list(walkers.blocks(100))
    monkeypatch.setattr(Trajectories, "blocks", lambda self: iter(blocks))
    assert len(blocks) > 1
    np.testing.assert_array_equal(study.pace.steady, whole.steady)
    np.testing.assert_array_equal(study.pace.velocity, whole.velocity)
    assert study.pace.mean_speed == pytest.approx(whole.mean_speed)


def test_a_table_of_text_keeps_its_columns(tmp_path: Path) -> None:
    table_path(tmp_path, "groups").parent.mkdir()
    polars.DataFrame({"kind": ["walking"], "people": ["1 2"]}).write_csv(table_path(tmp_path, "groups"))
    found = read_table(tmp_path, "groups")
    assert found is not None and found.rows() == [("walking", "1 2")] and read_table(tmp_path, "gazes") is None
