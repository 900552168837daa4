"""The stages that compute with networks, on each device beside float32 on the CPU."""

from itertools import islice

import numpy as np
import pytest
import torch

from configs.schema import RunSettings, TrackSettings
from pipeline.demo import DEMO_CLIP
from pipeline.media import read_frames
from pipeline.models import Models
from pipeline.nodes.refine import refine_rows
from pipeline.stages.detect import DetectStage
from pipeline.stages.recover import RecoverStage
from pipeline.stages.track import TrackStage
from pipeline.types import Chunk, Observations
from refine.rows.types import TrackRows, ViewRows

needs_cuda = [
    pytest.mark.needs_cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def observed(device: str, dtype: str) -> Observations:
    settings = RunSettings.model_validate({"detect": {"weights": "bundled"}, "recover": {"dtype": dtype}})
    models = Models(settings, device)
    chunk = Chunk(0, tuple(islice(read_frames(DEMO_CLIP), 2)))
    stages = [
        DetectStage(models.people_finder, models.second_stage),
        TrackStage(TrackSettings()),
        RecoverStage(models.recovery, settings.recover, None),
    ]
    for stage in stages:
        stage.open()
        chunk = stage.process(chunk)
    assert chunk.observations is not None
    return chunk.observations


@pytest.mark.parametrize(
    "device", [pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=needs_cuda)]
)
def test_detection_second_stage_and_recovery_agree_with_float32_on_the_cpu(device: str) -> None:
    exact, found = observed("cpu", "float32"), observed(device, "auto")
    np.testing.assert_array_equal(found.frame_index, exact.frame_index)
    apart = np.linalg.norm(found.keypoints[..., :2] - exact.keypoints[..., :2], axis=-1)
    sure = (found.keypoints[..., 2] > 0.5) & (exact.keypoints[..., 2] > 0.5)
    assert sure.any() and np.median(apart[sure]) < 1.0
    assert np.median(np.abs(found.boxes_xyxy - exact.boxes_xyxy)) < 1.0
    assert np.median(np.abs(found.pose - exact.pose)) < 0.05


@pytest.mark.parametrize("mode", ["fit", "guided"])
@pytest.mark.parametrize(
    "device", [pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=needs_cuda)]
)
def test_refinement_agrees_with_the_cpu(device: str, mode: str) -> None:
    rows, frames, rng = observed("cpu", "float32"), 24, np.random.default_rng(0)
    one = rows.take(np.zeros(frames, int))
    noise = np.concatenate([rng.normal(0, 2, (frames, 17, 2)), np.zeros((frames, 17, 1))], axis=-1)
    track = TrackRows(
        time_s=np.arange(frames) / 25.0,
        pose=one.pose + rng.normal(0, 0.05, one.pose.shape).astype(np.float32),
        betas=one.betas[0],
        trans=one.trans,
        joint_confidence=one.joint_confidence,
        is_observed=np.ones(frames, bool),
        views=(ViewRows((one.keypoints + noise).astype(np.float32), one.focal_px, one.principal_px),),
    )
    settings = RunSettings.model_validate({"refine": {"mode": mode}})
    exact, found = (
        refine_rows([track], models.body(), settings.refine, models.device, models.motion_prior())[0]
        for models in (Models(settings, "cpu"), Models(settings, device))
    )
    assert exact.is_refined.any() and (found.is_refined == exact.is_refined).all()
    assert np.median(np.abs(found.pose - exact.pose)) < 0.01
    assert np.abs(found.trans - exact.trans).max() < 0.05
