"""A folder in which a whole run, overlay included, costs about a second: a clip, its keypoints, a tiny network."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from forked_command import Outcome, preload, run_forked

FRAMES, SIZE, PEOPLE = 12, 96, 2
ARGUMENTS = (
    *("run", "clip.mp4", "--keypoints", "points.json", "--model", "model", "--output", "out", "--smplx"),
    *("--export", "bvh,csv"),
    *("--set", "runtime.chunk_frames=3", "--set", "link.frames_min=1", "--set", "runtime.threads=1"),
    *("--set", "refine.steps=20", "--set", "refine.shape_steps=8"),
)


def furnish(folder: Path, frames: int = FRAMES) -> None:
    """Write `clip.mp4`, `points.json` of two people who walk through it, and the network `model/`."""
    import torch
    from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

    from dpmesh.network.config import NetworkConfig
    from dpmesh.network.model import DPMesh
    from pipeline.media import VideoWriter

    with VideoWriter(folder / "clip.mp4", SIZE, SIZE, Fraction(12)) as video:
        for number in range(frames):
            video.write(np.full((SIZE, SIZE, 3), 40 + 120 * number // frames, np.uint8))
    xs = np.array([32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28], float)
    ys = np.array([8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58], float)
    entries = [
        {
            "image_id": frame,
            "category_id": 1,
            "score": 0.9,
            "keypoints": np.stack([xs + shift + frame / 4, ys + 20, np.full(17, 0.9)], 1).ravel().tolist(),
        }
        for frame in range(frames)
        for shift in (-8, 40)
    ]
    (folder / "points.json").write_text(json.dumps(entries))
    torch.manual_seed(0)
    network = DPMesh(**NetworkConfig(TINY_BACKBONE, TINY_REGRESSOR).to_mappings())
    network.save_pretrained(folder / "model")


def run_whole(
    folder: Path, arguments: Sequence[str] = ARGUMENTS, furnish_it: Callable[[Path], None] = furnish
) -> Outcome:
    """Furnish a folder and run its clip without a stop; what the run makes is in `whole` then."""
    furnish_it(folder)
    preload()
    outcome = run_forked(arguments, folder, seconds_max=300.0)
    assert outcome.code == 0, outcome
    shutil.move(folder / "out", folder / "whole")
    return outcome


def digests(folder: Path) -> dict[str, str]:
    """Return a hash of every file that has to have the same bytes however often a run was stopped."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock")
    }
