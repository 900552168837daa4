"""Tests of `pipeline.cli.store_command`, as the command line has it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from forked_command import preload, run_forked

from configs.schema import RunSettings
from pipeline.cli.store_command import Engine, is_for_store, run_into_store


@pytest.fixture(scope="module", autouse=True)
def _preloaded() -> None:
    preload()


@pytest.mark.parametrize(
    ("inputs", "output", "engine", "answer"),
    [
        (["a.mp4"], "out", "local", False),
        (["a.mp4"], "out", "ray", True),
        (["clips.csv"], "out", "local", True),
        (["s3://bucket/clips.PARQUET"], "out", "local", True),
        (["s3://bucket/a.mp4"], "out", "local", True),
        (["a.mp4"], "s3://bucket/out", "local", True),
    ],
)
def test_results_go_into_a_store_where_a_folder_on_this_machine_is_not_enough(
    inputs: list[str], output: str, engine: str, answer: bool
) -> None:
    assert is_for_store(inputs, output, Engine(engine)) is answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clips.csv",), "clips.csv: cannot be read"),
        (("clips.csv", "--address", "auto"), "--address auto: only --engine ray has a cluster; add it"),
        (("clips.csv", "--plan"), "clips.csv: cannot be read"),
        (("a.mp4", "--output", "nosuch://out"), "nosuch://out: "),
        (("a.mp4", "--engine", "spark"), "'spark' is not one of"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "a.mp4").touch()
    outcome = run_forked(("run", *arguments), tmp_path)
    assert outcome.code in (1, 2) and len(outcome.error_lines) == 1, outcome
    assert message in outcome.error_lines[0]


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed here")
def test_a_cluster_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    outcome = run_forked(("run", "a.mp4", "--engine", "ray"), tmp_path)
    assert outcome.code == 2 and "pip install 'dpmesh-video[cluster]'" in outcome.error_lines[0]


def test_a_manifest_of_bad_rows_alone_fails_without_a_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips.csv").write_text("path\nnone.mp4\n,\n")
    inputs, output = [str(tmp_path / "clips.csv")], str(tmp_path / "out")
    code = run_into_store(inputs, output, RunSettings(), engine=Engine.LOCAL, address=None, is_retrying=False)
    told = capsys.readouterr()
    assert code == 1 and told.out == ""
    assert ["none.mp4: no such file" in line for line in told.err.splitlines()] == [True, False]
    assert (tmp_path / "out" / "status.parquet").is_file()


def test_the_plan_of_a_manifest_says_what_is_to_do_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "clips.csv").write_text("path\nnone.mp4\na.mp4\n")
    command = [sys.executable, "-m", "pipeline.cli", "run", "clips.csv", "--plan"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3 and "error" not in done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.startswith("none  failed: row 1: ") and "none.mp4: no such file" in first
    assert second == "a  to do" and last.endswith("out: 1 failed, 1 to do")
    assert not (tmp_path / "out").exists()
