"""The loop of all trainings: checkpoints that go on, frozen parts, curves, several processes."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from configs.errors import InputError, RunError
from configs.lock import locked
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.checkpoint import read_checkpoint, take_over
from dpmesh.training.engine.curves import draw_curves
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.schedule import Schedule


class Draws:
    """Numbers whose sum is wanted."""

    def batch(self, size: int, step: int) -> Tensor:
        return torch.randn(size, 4, generator=torch.Generator().manual_seed(step))


class Sums(Loop[nn.Sequential, Tensor, Tensor]):
    """Learns to sum."""

    unit = "sums"

    def losses(self, batch: Tensor, turn: int) -> dict[str, Tensor]:
        return {"error": (self.running(batch)[:, 0] - batch.sum(1)).square().mean()}

    @torch.no_grad()
    def measure(self, network: nn.Sequential, held: Tensor) -> dict[str, float]:
        return {"held_error": float((network(held)[:, 0] - held.sum(1)).abs().mean())}

    def sample_image(self, network: nn.Sequential, held: Tensor) -> Tensor:
        return torch.zeros(3, 4, 4)


def sums(output: Path, steps: int, rows: int = 16) -> Sums:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))
    network[1].requires_grad_(False)
    schedule = Schedule(0.05, steps, warm_up_steps=2)
    return Sums(network, LoopPlan(schedule, rows, average_decay=0.9, is_bfloat16=False, report_steps=10), output)


def test_a_training_learns_and_leaves_log_curves_and_samples(tmp_path: Path) -> None:
    training = sums(tmp_path, 80)
    training.train(Draws(), torch.randn(64, 4))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(10, 90, 10), 80]
    assert lines[-2]["error"] < 0.1 * lines[0]["error"] and lines[-1]["held_error"] < 0.5
    assert "sums_per_s" in lines[0]
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["step_0000080.png"]


def test_frozen_weights_are_not_kept_twice_and_stay(tmp_path: Path) -> None:
    training = sums(tmp_path, 3)
    before = training.network[1].weight.clone()
    training.train(Draws(), None)
    averaged = training.averaged()
    assert torch.equal(averaged[1].weight, before)
    assert not torch.equal(averaged[0].weight, training.network[0].weight)
    stored = read_checkpoint(tmp_path / "checkpoint.pt")
    assert stored["average"]["1.weight"].data_ptr() == stored["network"]["1.weight"].data_ptr()


def test_a_checkpoint_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Such a one has no config and no losses."""
    sums(tmp_path, 2).train(Draws(), None)
    state = read_checkpoint(tmp_path / "checkpoint.pt")
    torch.save({name: state[name] for name in state if name not in ("config", "published")}, tmp_path / "checkpoint.pt")
    again = sums(tmp_path, 3)
    assert again.resume() and again.step == 2


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def _forget_the_step(path: Path) -> None:
    state = read_checkpoint(path)
    torch.save({name: state[name] for name in state if name != "step"}, path)


def _train_another(path: Path) -> None:
    state = read_checkpoint(path)
    torch.save(state | {"network": {"weight": torch.zeros(3)}}, path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_cut, "not a whole checkpoint"),
        (lambda path: path.write_bytes(b""), "not a whole checkpoint"),
        (lambda path: path.write_text("no checkpoint at all"), "not a whole checkpoint"),
        (lambda path: torch.save([1, 2], path), "not the checkpoint of a training"),
        (_forget_the_step, "not the checkpoint of a training"),
        (_train_another, "is of another training; give another --output"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_from_is_named(
    tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    sums(tmp_path, 2).train(Draws(), None)
    damage(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match=rf"checkpoint\.pt: {told}"):
        sums(tmp_path, 3).resume()


def test_a_part_that_the_network_has_not_is_refused(tmp_path: Path) -> None:
    training = sums(tmp_path, 1)
    training.save()
    with pytest.raises(InputError, match="this network has no pose_prior"):
        take_over(training.network, tmp_path / "checkpoint.pt", "pose_prior")


def test_curves_are_drawn_of_numbers_that_only_some_lines_have(tmp_path: Path) -> None:
    torn = '{"step": 3, "minu'
    (tmp_path / "log.jsonl").write_text('{"step": 1, "minutes": 0, "a": 1}\n{"step": 2, "minutes": 0, "b": 2}\n' + torn)
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["curves.png", "log.jsonl"]


class _Interrupted(Draws):
    """Batches during one of which a signal comes, twice as `timeout` sends it."""

    def __init__(self, name: signal.Signals) -> None:
        self._name = name

    def batch(self, size: int, step: int) -> Tensor:
        if step == 3:
            signal.raise_signal(self._name)
            signal.raise_signal(self._name)
        return super().batch(size, step)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_that_is_stopped_finishes_its_step_and_goes_on_later(
    tmp_path: Path, name: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = signal.default_int_handler if name == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(name, usual)  # the suite itself may run under `nohup`
    try:
        code = run_command(argparse.Namespace, lambda _: sums(tmp_path, 9).train(_Interrupted(name), torch.randn(8, 4)))
        assert signal.getsignal(name) is usual
    finally:
        signal.signal(name, before)
    assert code == 128 + name and capsys.readouterr().err == "stopped at step 4; give the same command again\n"
    again = sums(tmp_path, 9)
    assert again.resume() and again.step == 4


def test_two_trainings_cannot_write_into_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match="another run is writing here; wait for it, or choose anoth"):
        sums(tmp_path, 2).train(Draws(), None)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    sums(tmp_path, 2).train(Draws(), None)
    with locked(tmp_path):
        assert sums(tmp_path, 2).resume()  # so that weights can be exported while a training runs


def test_a_checkpoint_is_written_after_some_minutes_as_well(tmp_path: Path) -> None:
    training = sums(tmp_path, 2)
    training.plan = replace(training.plan, checkpoint_minutes=0.0)
    steps: list[int] = []
    training.save = lambda: steps.append(training.step)  # type: ignore[method-assign]
    training.train(Draws(), None)
    assert steps == [1, 2, 2]


class _Broken(Draws):
    """Batches that are no numbers from a step on."""

    def batch(self, size: int, step: int) -> Tensor:
        return super().batch(size, step) if step < 10 else torch.full((size, 4), torch.nan)


def test_a_training_that_diverged_ends_and_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    sums(tmp_path, 5).train(Draws(), None)
    training = sums(tmp_path, 500)
    assert training.resume()
    with pytest.raises(RunError, match=r"step 29: the last 20 gradients were not finite; .*checkpoint.pt is as"):
        training.train(_Broken(), None)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 5
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [("error" in line) for line in lines] == [True, True, False]


def test_weights_that_are_no_numbers_are_neither_saved_nor_given_away(tmp_path: Path) -> None:
    training = sums(tmp_path, 5)
    training.save()
    training._average["0.bias"][0] = torch.nan
    with pytest.raises(RunError, match=r"not finite, 0\.bias among them"):
        training.save()
    with pytest.raises(RunError, match="lower --learning-rate"):
        training.averaged()
    assert read_checkpoint(tmp_path / "checkpoint.pt")["average"]["0.bias"].isfinite().all()


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_with_both_their_batches(tmp_path: Path) -> None:
    class Both:
        def batch(self, size: int, step: int) -> Tensor:
            return torch.cat([Draws().batch(size // 2, 2 * step + process) for process in (0, 1)])

    alone = sums(tmp_path / "alone", 5, rows=32)
    alone.train(Both(), None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    words = [sys.executable, __file__, str(tmp_path / "two")]
    running = [
        subprocess.Popen(words, env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    wanted, found = (read_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("alone", "two"))
    assert found["step"] == 5
    for name, value in wanted["average"].items():
        torch.testing.assert_close(found["average"][name], value, rtol=0, atol=1e-5)


if __name__ == "__main__":
    sums(Path(sys.argv[1]), 5).train(Draws(), None)
