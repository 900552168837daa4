"""Every `python -m` of the repository ends as a command should."""

import argparse
import runpy
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GUARD = 'if __name__ == "__main__":'
COMMANDS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("configs", "dpmesh", "refine", "pipeline")
    for path in sorted((ROOT / package).rglob("*.py"))
    if GUARD in path.read_text()
]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_an_interrupted_command_ends_with_one_line_and_130(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", [name, "update"])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupted)
    monkeypatch.setattr(yaml, "safe_load", interrupted)  # `configs.weights` parses no options
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; give the same command again\n"
