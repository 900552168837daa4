import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.cli.app import app
from pipeline.record import read_finished, read_record

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
    assert (read_finished(tmp_path).people, read_record(tmp_path).settings.body.source) == (2, "open")


def test_a_run_that_did_not_end_is_shown_as_such_and_not_measured(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"status": "running", "settings": SETTINGS}))
    assert "not finished, the run goes on or was stopped" in CliRunner().invoke(app, ["inspect", str(tmp_path)]).output
    with pytest.raises(InputError, match="the run there goes on or was stopped"):
        read_finished(tmp_path)
