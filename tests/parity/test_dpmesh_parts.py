"""Parts of the network that stand alone: heat maps, anchors, position codes, cascades."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from dpmesh.network import transformer
from dpmesh.network.attention_layers import grid_position, sine_table
from dpmesh.network.config import GRID, RELEASE
from dpmesh.network.dense import AnchorVolume
from dpmesh.network.heads import Cascade
from dpmesh.network.prompts import heatmaps

TOLERANCE = 2e-4
"""Of an array's standard deviation, as for the network's outputs."""

Arrays = dict[str, np.ndarray]


def assert_equals(found: torch.Tensor, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.detach(), wanted, rtol=0, atol=TOLERANCE * max(float(wanted.std()), 1e-6))


def test_heat_maps_are_the_published_ones(metrics: Arrays) -> None:
    joints = torch.from_numpy(metrics["heatmap/joints"])
    found = heatmaps(joints, torch.ones(*joints.shape[:2], 1), RELEASE.backbone.heatmap_sigma)
    assert_equals(found, metrics["heatmap/heatmap"])


def test_anchors_are_the_published_ones(anchor_case: Any) -> None:
    volume = AnchorVolume(8, replace(RELEASE.regressor, width=32, refine_layers=0))
    volume.exponent = nn.Parameter(torch.tensor(float(anchor_case.name.rpartition("_")[2])))
    found = volume._anchors(torch.device("cpu")).T.unflatten(1, (8, GRID, GRID))[None]
    assert_equals(found, anchor_case["anchor"])


def test_the_position_code_of_a_checkpoint_has_one_frequency(metrics: Arrays) -> None:
    width = metrics["pos2d/pos"].shape[1]
    published = grid_position(GRID, width, published=True).T.unflatten(1, (GRID, GRID))[None]
    assert_equals(published, metrics["pos2d/pos"])
    fixed = grid_position(GRID, width, published=False).T.unflatten(1, (GRID, GRID))[None]
    assert (fixed - published).abs().max() > 0.5


def test_position_table_has_the_published_rows(metrics: Arrays) -> None:
    table = sine_table(512, 256)
    assert_equals(torch.cat([table[:20], table[-4:]]), metrics["pos1d/rows"])


def test_logits_are_the_published_ones(metrics: Arrays) -> None:
    assert_equals(transformer._logit(torch.from_numpy(metrics["inverse_sigmoid/x"])), metrics["inverse_sigmoid/y"])


def test_cascade_adds_up_as_published(metrics: Arrays) -> None:
    group = {
        name.removeprefix("cascade_fc/"): torch.from_numpy(v) for name, v in metrics.items() if "cascade_fc" in name
    }
    layers, _, width = group["hs"].shape
    cascade = Cascade(width, len(group["b0"]), layers)
    for i in range(layers):
        cascade.steps[i].weight, cascade.steps[i].bias = nn.Parameter(group[f"w{i}"]), nn.Parameter(group[f"b{i}"])
    assert_equals(cascade(group["hs"])[-1], metrics["cascade_fc/out"])
