import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from configs.errors import InputError, RunError
from configs.renamed import RENAMED
from configs.schema import RunSettings
from pipeline.cli.app import app
from pipeline.flow.atomic import write_json
from pipeline.flow.identity import video_identity
from pipeline.flow.record import check_owner, describe_input, read_finished, read_record

SETTINGS = RunSettings().model_dump(mode="json")
DAMAGED = [
    "",
    "{",
    "[]",
    "{}",
    json.dumps({"status": "done", "video": {}}),
    json.dumps({"status": "done", "settings": {}}),
    json.dumps({"status": "done", "settings": SETTINGS, "video": None}),
    json.dumps({"status": "asleep", "settings": SETTINGS}),
    "\udcff",
]


@pytest.mark.parametrize("text", DAMAGED)
@pytest.mark.parametrize("words", [["inspect"], ["evaluate", "reprojection"]])
def test_a_damaged_record_is_refused_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    error = CliRunner().invoke(app, [*words, str(tmp_path)]).exception
    assert isinstance(error, InputError) and "\n" not in str(error)
    assert str(error).startswith(f"{tmp_path / 'run.json'}: not the record of a run (") and "run the clip" in str(error)


def test_settings_of_another_version_are_no_damage(tmp_path: Path) -> None:
    settings = {"body": {"source": "open", "colour": "red"}, "sound": {"volume": 3}}
    (tmp_path / "run.json").write_text(json.dumps({"status": "done", "settings": settings, "people": 2}))
    assert (read_finished(tmp_path).people, read_record(tmp_path).body.source) == (2, "open")


def test_a_run_that_did_not_end_is_shown_as_such_and_not_measured(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"status": "running", "settings": SETTINGS}))
    assert "not finished, the run goes on or was stopped" in CliRunner().invoke(app, ["inspect", str(tmp_path)]).output
    with pytest.raises(InputError, match="the run there goes on or was stopped"):
        read_finished(tmp_path)


def write_owner(folder: Path, source: Path, status: str = "done") -> None:
    said = {"status": status, "settings": SETTINGS, "content": video_identity(source)}
    write_json(folder / "run.json", describe_input(source) | said)


def make_video(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_folder_belongs_to_one_path_or_one_content(tmp_path: Path) -> None:
    first, folder = make_video(tmp_path / "cam1" / "clip.mp4", "first"), tmp_path / "out" / "clip"
    check_owner(folder, first)
    write_owner(folder, first)
    check_owner(folder, first)
    check_owner(folder, make_video(first, "edited in place"))
    check_owner(folder, make_video(tmp_path / "moved" / "clip.mp4", "first"))
    with pytest.raises(RunError, match=r"out/clip: holds the run of .*cam1/clip\.mp4, and .*cam2/clip\.mp4 is another"):
        check_owner(folder, make_video(tmp_path / "cam2" / "clip.mp4", "second"))


def test_a_run_that_made_nothing_owns_nothing(tmp_path: Path) -> None:
    write_owner(tmp_path, make_video(tmp_path / "a" / "clip.mp4", "first"), "failed")
    second = make_video(tmp_path / "b" / "clip.mp4", "second")
    check_owner(tmp_path, second)
    (tmp_path / "nodes.json").write_text("{}")
    with pytest.raises(RunError, match="holds the run of"):
        check_owner(tmp_path, second)


def test_a_record_without_a_path_belongs_to_its_file_name(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"status": "done", "settings": SETTINGS, "input": "clip.mp4"})
    check_owner(tmp_path, make_video(tmp_path / "a" / "clip.mp4", "x"))
    with pytest.raises(RunError, match=r"holds the run of clip\.mp4"):
        check_owner(tmp_path, make_video(tmp_path / "a" / "clip.mov", "x"))


def test_a_name_that_is_no_utf_8_can_be_read_back(tmp_path: Path) -> None:
    source = make_video(tmp_path / "stra\udcdfe.mp4", "x")
    write_owner(tmp_path, source)
    assert read_record(tmp_path).input == "stra\\xdfe.mp4"
    check_owner(tmp_path, source)
    write_json(tmp_path / "run.json", {"status": "done", "settings": SETTINGS, "problem": str(source)})
    assert read_record(tmp_path).problem.endswith("stra\\udcdfe.mp4")


def test_an_input_that_cannot_be_read_is_no_owner_of_what_another_made(tmp_path: Path) -> None:
    write_owner(tmp_path, make_video(tmp_path / "a" / "clip.mp4", "first"))
    with pytest.raises(RunError, match=r"b/clip\.mp4: cannot be read"):
        check_owner(tmp_path, tmp_path / "b" / "clip.mp4")


def test_settings_recorded_by_the_previous_version_are_read_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = RunSettings().model_dump(mode="json")
    wanted = settings["refine"]["shape_sigma"] = 0.7
    for new, old in {new: old for old, new in RENAMED.items()}.items():  # one setting had two names before
        section, key = old.split(".")
        settings[section][key] = settings[section].pop(new.split(".")[1])
    (tmp_path / "run.json").write_text(json.dumps({"status": "done", "settings": settings}))
    with caplog.at_level(logging.WARNING):
        assert read_record(tmp_path).run_settings(tmp_path).refine.shape_sigma == wanted
    assert not caplog.records


def test_settings_of_another_version_name_the_record_they_stand_in(tmp_path: Path) -> None:
    settings = {"body": {"source": "open"}, "sound": {"volume": 3}}
    (tmp_path / "run.json").write_text(json.dumps({"status": "done", "settings": settings}))
    with pytest.raises(InputError) as caught:
        read_record(tmp_path).run_settings(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'run.json'}: not the settings of this version (sound: ")
