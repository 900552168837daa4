from pathlib import Path

from exported_run import make_run, turning_and_lying

from configs.schema import RunSettings
from dpmesh.body.load import load_body, read_structure
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import VideoRecord
from pipeline.nodes.formats import write_formats


def test_files_are_claimed_before_they_are_written(tmp_path: Path) -> None:
    files = make_run(tmp_path / "clip", [turning_and_lying(1, 0, 10, 30.0)], load_body())
    settings = RunSettings.model_validate({"export": {"formats": "csv,bvh"}})
    claimed: list[Path] = []

    def claim(paths: list[Path]) -> None:
        assert not any(path.exists() for path in paths)
        claimed.extend(paths)

    done: list[int] = []
    video = VideoRecord(width=640, height=360)
    paths = write_formats(files, settings, read_structure(), "clip.mp4", video, claim, lambda: done.append(1))  # type: ignore[arg-type]
    assert claimed == list(paths) == [files.exported("bvh", "bvh", 1), files.exported("csv", "csv")]
    assert len(done) == 2 and all(path.is_file() for path in paths)


def test_where_nobody_was_found_nothing_is_written(tmp_path: Path) -> None:
    settings = RunSettings.model_validate({"export": {"formats": "all"}})
    assert not write_formats(RunFolder(tmp_path), settings, read_structure(), "", VideoRecord(), lambda paths: None)
