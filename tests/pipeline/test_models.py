"""What a run loads, and when."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.read import override_settings
from configs.schema import DetectSettings, RunSettings
from dpmesh.recovery.recover import PeopleInImages
from pipeline.models import Models

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


@pytest.mark.needs_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_takes_half_precision_packed_channels_last_and_finds_the_bodies_of_full_precision() -> None:
    rng, image = np.random.default_rng(0), np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
    standing = np.stack([np.linspace(90, 160, 17), np.linspace(40, 220, 17), np.full(17, 0.9)], -1)
    people = PeopleInImages(
        image_row=np.zeros(2, np.int64),
        boxes_xyxy=np.tile(np.float32([80, 30, 170, 230]), (2, 1)),
        keypoints=(standing + rng.normal(0, [8, 8, 0], (2, 17, 3))).astype(np.float32),
        focal_px=np.full(2, 300, np.float32),
        principal_px=np.full((2, 2), 128, np.float32),
    )
    found = {}
    for dtype in ("auto", "float32"):
        models = Models(RunSettings.model_validate({"recover": {"dtype": dtype}}), "cuda")
        recovery = models.recovery()
        found[dtype] = recovery.recover([image], people).params
        weight = next(w for w in recovery._network.backbone.unet.parameters() if w.ndim == 4 and w.shape[-1] == 3)
        assert weight.dtype == (torch.float16 if dtype == "auto" else torch.float32)
        assert weight.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found["auto"].pose, found["float32"].pose, atol=0.05)


def test_clips_with_settings_of_their_own_share_what_is_the_same(tmp_path: Path) -> None:
    base = RunSettings(detect=DetectSettings(weights="bundled"))
    models = Models(base, "cpu")
    assert models.for_clip(RunSettings(detect=DetectSettings(weights="bundled"))) is models
    body, detector, prior = models.body(), models.detector(), models.motion_prior()
    (tmp_path / "points.json").write_text("[]")
    keypoints = models.for_clip(override_settings(base, {"detect.keypoints": tmp_path / "points.json"}, []))
    assert keypoints.body() is body and keypoints.motion_prior() is prior and keypoints.detector_weights is None
    part = keypoints.for_clip(override_settings(base, {"decode.end_s": 1.0}, []))
    assert part.detector() is detector and part.body() is body
    other = models.for_clip(override_settings(base, {}, ["detect.score_min=0.2", "refine.prior=none"]))
    assert other.detector() is not detector and other.motion_prior() is None and other.body() is body
