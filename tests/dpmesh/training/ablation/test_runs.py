"""The ablation trains each variant as its name says, goes on where it was, and tells what came out."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from dpmesh.network.config import COMPACT, PRESETS, NetworkConfig
from dpmesh.training.ablation.runs import ALL, Ablation
from dpmesh.training.ablation.variants import VARIANTS
from dpmesh.training.commands.ablation import main
from dpmesh.training.engine.checkpoint import CHECKPOINT, read_checkpoint

TINY = NetworkConfig(
    TINY_BACKBONE,
    replace(TINY_REGRESSOR, joint_lift=32, image_lift=4),
)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def ablate(monkeypatch: pytest.MonkeyPatch, crops: Path, output: Path, *more: str) -> int:
    words = ["--crops", str(crops), "--val", str(crops), "--output", str(output), "--config", "tiny"]
    words += ["--batch-rows", "2", "--seeds", "1", "--float32", *more]
    monkeypatch.setattr(sys, "argv", ["ablation", *words])
    return main()


def test_the_variants_differ_in_what_they_are_named_after() -> None:
    configs = {variant.name: variant.config_of(COMPACT) for variant in VARIANTS}
    assert all(config.regressor.joint_lift == 0 for name, config in configs.items() if name != "lifter")
    assert configs["lifter"] == COMPACT
    full = configs["full"].backbone
    assert full == COMPACT.backbone and configs["no-prior"] == configs["no-reasoning"] == configs["full"]
    for name, part in (("no-heatmaps", "heatmaps"), ("no-prompts", "prompts"), ("no-attention-maps", "attention_maps")):
        assert configs[name].backbone == replace(full, left_out=(part,))
    assert configs["cnn"].backbone == replace(full, cnn_width=36)
    assert [v.name for v in VARIANTS if not v.has_prior] == ["no-prior", "cnn", "lifter"]
    assert [v.name for v in VARIANTS if not v.has_reasoning] == ["no-reasoning", "lifter"]


def test_one_command_trains_what_is_asked_for_and_a_second_goes_on(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "ablation"
    assert ablate(monkeypatch, crop_folder, output, "--steps", "2", "--only", "lifter", "no-prior") == 0
    assert read_checkpoint(output / "teacher" / CHECKPOINT)["step"] == 2
    first = (output / "runs" / "no-prior_0" / CHECKPOINT).stat().st_mtime_ns
    (output / "runs" / "lifter_0" / "result.json").unlink()  # as if killed before it was measured
    capsys.readouterr()
    assert ablate(monkeypatch, crop_folder, output, "--steps", "2", "--only", "full", "cnn", "no-prior", "lifter") == 0
    assert (output / "runs" / "no-prior_0" / CHECKPOINT).stat().st_mtime_ns == first
    told = capsys.readouterr().out
    assert "CNN of equal size" in told and "Each network: 2 steps of 2 of 16 crops" in told
    with (output / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {"full", "cnn", "no-prior", "lifter"}
    whole = next(row for row in rows if row["variant"] == "full" and row["level"] == ALL)
    found = json.loads((output / "runs" / "full_0" / "result.json").read_text())
    assert float(whole["pa_mpjpe_mm"]) == pytest.approx(found["errors"][ALL]["pa_mpjpe_mm"], abs=0.01)
    assert int(whole["crops"]) == 16
    assert len(json.loads((output / "table.json").read_text())["runs"]) == 4


@pytest.mark.slow
def test_the_prior_and_the_reasoning_are_in_what_they_should_be(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "ablation"
    assert ablate(monkeypatch, crop_folder, output, "--steps", "1", "--only", "no-reasoning", "lifter") == 0
    assert not (output / "teacher").exists()
    assert ablate(monkeypatch, crop_folder, output, "--steps", "1", "--only", "full", "no-prior") == 0
    names = ("prior", "runs/full_0", "runs/no-reasoning_0", "runs/no-prior_0")
    prior, full, alone, random = (
        read_checkpoint(output / name / CHECKPOINT)["average"]["backbone.unet.mid_block.resnets.0.conv1.weight"]
        for name in names
    )
    for own in (full, alone):
        assert (own - prior).abs().mean() < 0.1 * (random - prior).abs().mean()
    assert not torch.equal(full, alone)


def test_a_folder_of_another_budget_is_refused(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(monkeypatch, crop_folder, tmp_path / "a", "--steps", "1", "--only", "lifter") == 0
    torch.manual_seed(0)
    assert ablate(monkeypatch, crop_folder, tmp_path / "a", "--steps", "2", "--only", "lifter") == 1
    assert "holds data made with another" in capsys.readouterr().err


def test_a_folder_of_other_crops_is_refused(
    crop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Ablation, "result", lambda *_: sys.exit(7))
    words = ("--steps", "1", "--only", "lifter")
    for _ in range(2):
        with pytest.raises(SystemExit, match="7"):
            ablate(monkeypatch, crop_folder, tmp_path / "a", *words)
    shutil.copy(crop_folder / "crops_0000000.npz", crop_folder / "crops_0000001.npz")
    assert ablate(monkeypatch, crop_folder, tmp_path / "a", *words) == 1
    assert "another crops_digest, held_out_digest" in capsys.readouterr().err
