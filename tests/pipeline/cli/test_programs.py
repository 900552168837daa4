"""`train`, `data` and `bench` end as the other commands do."""

import argparse
import importlib

import pytest

from configs.command import exit_code_of
from pipeline.cli.entry import execute
from pipeline.cli.programs import BENCH, DATA, EVALUATE, TRAIN

GROUPS = {"train": TRAIN, "data": DATA, "bench": BENCH, "evaluate": EVALUATE}
COMMANDS = [f"{group} {program.name}" for group, programs in GROUPS.items() for program in programs]


@pytest.mark.parametrize("words", COMMANDS)
def test_help_names_the_command_and_its_options(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        execute([*words.split(), "--help"])
    displayable = capsys.readouterr().out
    assert displayable.startswith(f"usage: dpmesh-video {words} [-h]") and "\noptions:\n" in displayable


@pytest.mark.parametrize("words", COMMANDS)
def test_an_interrupted_command_ends_with_one_line_and_130(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupted)
    assert exit_code_of(lambda: execute(words.split())) == 130
    assert capsys.readouterr().err == "stopped; give the same command again\n"


def test_a_package_of_an_extra_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_accelerate(name: str) -> None:
        raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")

    monkeypatch.setattr(importlib, "import_module", without_accelerate)
    assert execute(["train", "recovery", "--help"]) == 2
    assert "the package accelerate is missing; install the extra" in capsys.readouterr().err
