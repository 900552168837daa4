"""Reads BlazePose GHUM out of the packages that ship it, and compares the result with the original runtime."""

from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from configs.errors import InputError
from trackers.imported.archive import read_file, read_member
from trackers.imported.graph import GraphNetwork
from trackers.imported.parity import check_difference
from trackers.imported.tflite import read_tflite

OUTPUTS = {"landmarks": 0, "presence": 1, "maps": 3, "world": 4}  # their places in the file; 2 is a mask, not used
VARIANTS = ("lite", "full", "heavy")
SEED = 0
LICENCE = "Apache-2.0 (MediaPipe, Copyright The MediaPipe Authors)"


def read_blazepose(path: Path, variant: str) -> GraphNetwork:
    """Return the network, checked against the original runtime.

    Args:
        path: the archive of the npm package `@mediapipe/pose` (.tgz), a wheel of the PyPI package `mediapipe`, a
            folder of either, or a `.tflite` file.
        variant: of `VARIANTS`.

    Raises:
        InputError: no such variant, or the path does not hold it.
        WeightsError: the file is damaged, or the network does not give what the original runtime gives.
    """
    if variant not in VARIANTS:
        raise InputError(f"variant {variant!r}: not one of {', '.join(VARIANTS)}")
    content = _content_of(path, f"pose_landmark_{variant}.tflite")
    network = read_tflite(content, OUTPUTS, str(path))
    check_against_runtime(network, content, str(path))
    return network


def check_against_runtime(network: GraphNetwork, content: bytes, source: str) -> dict[str, float]:
    """Return by how much each output differs from that of the original runtime, over its range; a random image is read.

    Raises:
        WeightsError: one differs too much, see `check_difference`.
    """
    runtime = Interpreter(model_content=content, num_threads=1)
    runtime.allocate_tensors()
    image = np.random.default_rng(SEED).random((1, 256, 256, 3), np.float32)
    runtime.set_tensor(runtime.get_input_details()[0]["index"], image)
    runtime.invoke()
    with torch.inference_mode():
        found = network.forward(torch.from_numpy(image).permute(0, 3, 1, 2))
    differences = {}
    for name, place in OUTPUTS.items():
        wanted = runtime.get_tensor(runtime.get_output_details()[place]["index"])
        ours = found[name].numpy()
        ours = np.moveaxis(ours, 1, -1) if ours.ndim == 4 else ours
        differences[name] = float(np.abs(ours - wanted).max() / max(float(np.ptp(wanted)), 1.0))
        check_difference(source, name, differences[name])
    return differences


def _content_of(path: Path, name: str) -> bytes:
    """Return the file called `name` in a folder or an archive, or the file that `path` itself is."""
    if path.is_file() and path.suffix == ".tflite":
        return read_file(path)
    return read_member(path, name, "the npm package @mediapipe/pose")
