"""What a run loads, and when."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, pipeline.run
from configs.errors import WeightsError
from configs.schema import RunSettings
from pipeline.models import Models
assert "torch" not in sys.modules
try:
    Models(RunSettings.model_validate({"refine": {"prior": sys.argv[1]}}), "cpu").motion_prior()
except WeightsError as error:
    print(error, "diffusers" in sys.modules)
"""


def test_a_score_model_of_impossible_size_is_refused_before_the_networks_are_imported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "MotionPrior", "width": 4_000_000}))
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True)
    assert "width is 4000000" in ran.stdout and ran.stdout.strip().endswith("False"), ran.stderr
