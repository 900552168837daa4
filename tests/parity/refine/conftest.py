"""The stored runs of ScoreHMR as this project's nouns."""

import json
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dpmesh.body import BodyModel
from dpmesh.body.load import read_structure
from refine.prior.schedule import make_schedule
from refine.scorehmr.denoiser import BETA_NUMBERS, Denoiser, PreparedScore
from refine.scorehmr.official import own_name
from refine.scorehmr.published import (
    BetaScale,
    PublishedFit,
    PublishedGuidance,
    PublishedRows,
    PublishedSettings,
    sample_guided,
    starting_point,
    with_published_points,
)

FLAGS = {
    "keypoint_guidance": "has_keypoints",
    "temporal_guidance": "has_smoothness",
    "multiview_guidance": "has_views",
    "optim_iters": "iterations",
    "sample_start": "start",
    "ddim_step_size": "step",
    "grad_scale": "scale",
    "use_hips": "is_hip_used",
    "early_stopping": "is_stopped_early",
}
# Where a folder of another seed brings no tolerances of its own. One sample of kp_i2 is stiff: see the data's README.
ATOL, ATOL_STIFF = 2e-4, 1e-3


@cache
def read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


@cache
def read_denoiser(folder: Path, size: str, has_betas: bool = False) -> Denoiser:
    stored = load_file(folder / f"{size}_denoiser{'_betas' if has_betas else ''}_fp16.safetensors")
    state = {own_name(name): tensor.float() for name, tensor in stored.items()}
    widths = {"hidden": len(state["pose.blocks.0.block.linear_layer1.bias"])}
    if has_betas:
        widths["beta_hidden"] = len(state["shape.blocks.0.block.linear_layer1.bias"])
    denoiser = Denoiser(has_betas=has_betas, **widths)
    denoiser.load_state_dict(state)
    return denoiser.eval()


@cache
def read_body(folder: Path) -> BodyModel:
    return BodyModel(with_published_points(read_structure(folder / "synthetic_body.npz"))).eval()


def read_tolerances(path: Path) -> dict[str, Any]:
    """Return what the data's own JSON says of one stored run, or stand-ins."""
    told = path.parent.parent / f"tolerances_{path.parent.name}.json"
    found = json.loads(told.read_text()).get(path.stem) if told.is_file() else None
    return found or {"suggested_atol": ATOL_STIFF if path.stem.endswith("kp_i2") else ATOL}


def tensor(array: np.ndarray) -> Tensor:
    values = torch.from_numpy(np.ascontiguousarray(array))
    return values.float() if values.dtype == torch.float16 else values


@dataclass
class Record:
    """What happened at every step."""

    times: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    x_in: list[Tensor] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)
    starts: list[Tensor] = field(default_factory=list)
    gradients: list[Tensor] = field(default_factory=list)
    loss_keypoints: list[Tensor] = field(default_factory=list)
    loss_smoothness: list[Tensor] = field(default_factory=list)
    loss_views: list[Tensor] = field(default_factory=list)
    cameras: list[Tensor] = field(default_factory=list)
    is_still: list[Tensor] = field(default_factory=list)


class SpiedGuidance(PublishedGuidance):
    record: Record

    def gradient(self, start: Tensor, time: int) -> Tensor:
        found = super().gradient(start, time)
        for name in ("loss_keypoints", "loss_smoothness", "loss_views", "is_still"):
            if getattr(self, name) is not None:
                getattr(self.record, name).append(getattr(self, name))
        self.record.times.append(time)
        self.record.gradients.append(found)
        self.record.cameras.append(self.camera_m.detach().clone())
        return found

    def keep(self, start: Tensor) -> None:
        super().keep(start)
        self.record.starts.append(start)


def spied(score: PreparedScore, record: Record) -> PreparedScore:
    def call(x: Tensor, time: int) -> Tensor:
        noise = score(x, time)
        record.calls.append(time)
        record.x_in.append(x)
        record.noise.append(noise)
        return noise

    return call


@dataclass(frozen=True)
class Run:
    """One stored run, with ours beside it."""

    name: str
    arrays: dict[str, np.ndarray]
    tolerances: dict[str, Any]
    settings: PublishedSettings
    shown: PublishedRows
    refined: PublishedFit
    record: Record
    body: BodyModel

    @property
    def atol(self) -> float:
        return self.tolerances["suggested_atol"]

    def is_comparable(self) -> np.ndarray:
        """Tell which rows (R,) must agree: not those that stop where a rounding decides, nor what such a row moves."""
        rows = np.ones(len(self.arrays["out__x_0"]), bool)
        margin = self.tolerances.get("margin_to_threshold")
        if margin is None:
            return rows
        rows = np.array(margin) > 0.25
        if self.settings.has_smoothness:
            near = ~rows
            rows = ~(near | np.r_[near[1:], False] | np.r_[False, near[:-1]])
        return rows


def read_shown(arrays: dict[str, np.ndarray]) -> PublishedRows:
    given = {name.removeprefix("in__"): tensor(value) for name, value in arrays.items() if name.startswith("in__")}
    return PublishedRows(
        pose=given["pred_pose"],
        betas=given["pred_betas"],
        camera_m=given["init_cam_t"],
        keypoints_px=given["joints_2d"][:, :25],
        confidence=given["joints_conf"][:, :25, 0],
        focal_px=given["focal_length"],
        principal_px=given["camera_center"],
        image_px=given["img_size"],
    )


@pytest.fixture(scope="module")
def score_folder(score_basic_file: Path) -> Path:
    """Return the folder of one seed."""
    return score_basic_file.parent


@pytest.fixture(scope="module")
def run(sampled_file: Path) -> Run:
    """Return a stored guided run and ours on the same inputs."""
    arrays = read_arrays(sampled_file)
    folder, size = sampled_file.parent, sampled_file.stem.partition("_")[0]
    has_betas = bool(arrays["meta__use_betas"])
    told = json.loads(str(arrays["meta__kwargs"]))
    settings = PublishedSettings(**{FLAGS[name]: value for name, value in told.items()})
    shown, record, body = read_shown(arrays), Record(), read_body(folder.parent)
    scale = None
    if has_betas:
        stats = read_arrays(folder / f"{size}_basic.npz")
        scale = BetaScale(tensor(stats["stats__betas_min"]), tensor(stats["stats__betas_max"]))
    guidance = SpiedGuidance(shown, body, settings, scale)
    guidance.record = record
    score = spied(read_denoiser(folder, size, has_betas).prepare(tensor(arrays["in__cond_feats"])), record)
    refined = sample_guided(starting_point(shown, scale), score, make_schedule(), guidance)
    assert refined.betas.shape[1] == BETA_NUMBERS
    return Run(sampled_file.stem, arrays, read_tolerances(sampled_file), settings, shown, refined, record, body)


@pytest.fixture(scope="session")
def helpers() -> Any:
    """Return what the tests of this folder read files with."""
    return sys.modules[__name__]
