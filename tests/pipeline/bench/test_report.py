"""What is measured is a page of people who stand on the floor and walk."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bench.report import main, make_run
from pipeline.view.scene import scene_of_run


def test_the_table_has_a_line_per_run_and_the_page_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--people", "1", "2", "--seconds", "1", "1", "--keep", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("30 of 30") == 2
    assert (tmp_path / "2x1" / "report.html").stat().st_size > 100_000


def test_people_stand_on_the_floor_and_walk(tmp_path: Path) -> None:
    scene = scene_of_run(make_run(tmp_path / "run", 2, 2))
    assert not scene.floor.is_guessed
    for person in scene.people:
        assert 0.5 < np.linalg.norm(np.diff(person.pelvis_m[:, :2], axis=0), axis=1).sum() < 4
        assert person.joints()[:, 15, 2].min() > 1.1, "heads are up"
