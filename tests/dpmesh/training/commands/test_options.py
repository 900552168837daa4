"""What a user may get wrong at the commands of the trainings is told in one line."""

import argparse
import importlib
import math
import sys
from pathlib import Path

import pytest

from configs import option_types
from configs.command import OptionParser
from configs.errors import SettingsError
from dpmesh.training.commands import options as command
from dpmesh.training.commands.options import (
    STEPS,
    add_image_options,
    add_loop_options,
    image_settings,
    run_command,
    start_process,
)
from dpmesh.training.engine.shards import write_arrays
from dpmesh.training.people.crops import Crops
from pipeline.cli.programs import DATA, EVALUATE, TRAIN

COMMANDS = [program.module for program in (*TRAIN, *DATA, *EVALUATE) if program.name != "open-body"]


class _Seen(Exception):
    """The options of a command are known."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_no_number_unchecked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[argparse.ArgumentParser] = []

    def look(parser: argparse.ArgumentParser, *_: object) -> None:
        seen.append(parser)
        raise _Seen

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", look)
    with pytest.raises(_Seen):
        importlib.import_module(name).main()
    assert not [action.dest for action in seen[0]._actions if action.type in (int, float)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("positive_int", "0"),
        ("positive_int", "-3"),
        ("positive_int", "1.5"),
        ("whole", "-1"),
        ("positive_float", "0"),
        ("positive_float", "-1e-3"),
        ("positive_float", "nan"),
        ("positive_float", "inf"),
        ("positive_float", "long"),
        ("fraction", "1.1"),
        ("fraction", "nan"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(kind: str, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        getattr(option_types, kind)(text)


def test_numbers_that_are_meant_are_taken() -> None:
    assert option_types.positive_int("7") == 7 and option_types.whole("0") == 0
    assert option_types.positive_float("1e-3") == 0.001 and option_types.fraction("0") == 0.0


def test_no_steps_are_not_the_usual_length() -> None:
    parser = OptionParser()
    parser.set_defaults(device="cpu")
    add_loop_options(parser, batch_rows=4, learning_rate=1e-3)
    with pytest.raises(SettingsError, match="--steps: 0 is too small; give a whole number above 0"):
        parser.parse_args(["--output", "run", "--steps", "0"])
    options = parser.parse_args(["--output", "run", "--threads", "1"])
    assert start_process(options).steps == STEPS and math.isinf(options.pause_after)
    assert start_process(parser.parse_args(["--output", "run", "--minutes", "2", "--threads", "1"])).steps is None


def test_weights_are_not_written_before_anything_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--output", str(tmp_path / "run"), "--export", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["recovery", *words])
    assert importlib.import_module("dpmesh.training.commands.train_recovery").main() == 1
    assert "checkpoint.pt: no such checkpoint; give the checkpoint.pt that" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_command_that_is_stopped_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    assert run_command(argparse.Namespace, stop) == 130
    assert capsys.readouterr().err == "stopped; give the same command again\n"


def test_a_folder_is_not_claimed_by_a_command_without_poses_or_backgrounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--poses", str(tmp_path / "pose.npz"), "--backgrounds", str(tmp_path), "--count", "1"]
    monkeypatch.setattr(sys, "argv", ["crops", *words, "--output", str(tmp_path / "out")])
    assert importlib.import_module("dpmesh.training.commands.make_crops").main() == 1
    assert "pose.npz: no pose bank there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pictures_of_other_backgrounds_are_other_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "check_bank", lambda _: None)
    (tmp_path / "poses.npz").write_bytes(b"poses")
    parser = argparse.ArgumentParser()
    add_image_options(parser)
    parser.set_defaults(image_px=128)
    options = parser.parse_args(["--poses", str(tmp_path / "poses.npz"), "--backgrounds", str(tmp_path)])
    found = []
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(b"x")
        found.append(image_settings(options)["backgrounds"])
    (tmp_path / "0.png").write_bytes(b"xy")
    found.append(image_settings(options)["backgrounds"])
    assert len(set(found)) > 5 and found[-1] != found[-2]


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("diffusion", "--autoencoder a.pt", "nothing to train on; give --crops or --poses and --backgrounds"),
        ("autoencoder", "--poses p.npz", "--poses: needs --backgrounds"),
        ("recovery", "--crops c --controlnet c", "--controlnet: needs --stable-diffusion"),
    ],
)
def test_options_that_need_another_say_so(
    name: str, words: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--output", "run", *words.split()])
    assert importlib.import_module(f"dpmesh.training.commands.train_{name}").main() == 2
    assert told in capsys.readouterr().err


def test_a_device_and_a_file_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: argparse.Namespace(device="cuda:99"), lambda _: None) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: device 'cuda:99' cannot be used (") and err.count("\n") == 1
    path = tmp_path / "absent" / "file"
    assert run_command(argparse.Namespace, lambda _: path.write_text("")) == 1
    assert capsys.readouterr().err == f"error: {path}: No such file or directory\n"


def test_weights_that_are_not_there_are_one_line(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["crops", str(tmp_path / "absent"), "--crops", str(crop_folder)])
    assert importlib.import_module("dpmesh.training.commands.evaluate_crops").main() == 1
    err = capsys.readouterr().err
    assert "absent" in err and err.count("\n") == 1


def _train_autoencoder(crops: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    words = ["--crops", str(crops), "--output", str(output), "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["autoencoder", *words])
    return int(importlib.import_module("dpmesh.training.commands.train_autoencoder").main())


def test_crops_of_another_size_are_refused(
    crop_batch: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: getattr(crop_batch, name) for name in crop_batch.__slots__}
    small = Crops(**columns | {"image": crop_batch.image[..., :64, :64].contiguous()})
    write_arrays(tmp_path / "crops_0000000.npz", small)
    assert _train_autoencoder(tmp_path, tmp_path / "run", monkeypatch) == 1
    assert "the crops have 64 px, the network takes 128" in capsys.readouterr().err


def test_a_folder_without_crops_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train_autoencoder(tmp_path, tmp_path / "run", monkeypatch) == 1
    assert f"error: {tmp_path}: no shards" in capsys.readouterr().err
