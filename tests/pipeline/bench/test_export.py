"""The run that the bench exports is one that the command takes."""

from pathlib import Path

from exported_run import scene_of

from dpmesh.body.load import load_body
from pipeline.bench.export import write_run
from pipeline.flow.record import read_finished


def test_the_simulated_run_is_a_finished_run_of_all_people(tmp_path: Path) -> None:
    files = write_run(tmp_path / "run", 30, 2, load_body())
    assert read_finished(files.path).people == 2
    assert [person.count for person in scene_of(files).people] == [30, 30]
