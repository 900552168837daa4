"""A command that computes nothing answers before torch is loaded; a run loads no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.demo import DEMO_CLIP

HEAVY = {"torch", "diffusers", "peft", "transformers", "ultralytics", "smplx"}


def imported_by(words: list[str], folder: Path) -> tuple[int, set[str]]:
    """Return the exit code of a command and the modules that it imported, by the interpreter's own list."""
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.cli", *words]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    times = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return ran.returncode, {line.rpartition("|")[2].strip() for line in times}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("run --settings", 0),
        (f"run --plan {DEMO_CLIP} --set detect.image_px=640", 0),
        (f"run --plan {DEMO_CLIP} --set detect.image_px=640 --device cpu --refine published", 0),
        ("run nosuch.mp4", 1),
        ("run --set detect.nosuch=1 nosuch.mp4", 2),
        ("evaluate reprojection nosuch", 1),
        ("inspect nosuch", 1),
        ("weights list", 0),
        ("doctor", 0),
    ],
)
def test_a_command_that_computes_nothing_loads_no_heavy_library(words: str, code: int, tmp_path: Path) -> None:
    found, modules = imported_by(words.split(), tmp_path)
    assert found == code and "pipeline.cli.app" in modules
    assert not modules & HEAVY


def test_a_run_loads_neither_peft_nor_the_compiler_nor_the_parts_of_the_u_net(pose_weights: Path) -> None:
    program = (
        "import sys\n"
        "from configs.process import own_process\n"
        "own_process()\n"
        "from configs.schema import RunSettings\n"
        "from pipeline.models import Models\n"
        "models = Models(RunSettings(), 'cpu')\n"
        "models.recovery(), models.motion_prior(), models.second_stage(), models.detector()\n"
        "Models(RunSettings.model_validate({'detect': {'weights': sys.argv[1]}}), 'cpu').detector()\n"
        "import pipeline.stages.track\n"
        "heavy = 'peft', 'torch._dynamo', 'diffusers.models.unets', 'transformers', 'polars'\n"
        "print(*(name in sys.modules for name in ('diffusers', *heavy)))"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(pose_weights)], capture_output=True, text=True)
    assert ran.stdout.split() == ["True", *["False"] * 5], ran.stderr
