"""A capture of two cameras and two people which is run whole, overlays included, in seconds: see `small_room`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_room import furnish

from configs.schema import RunSettings
from dpmesh.body import load_body
from pipeline.bench.filmed_people import SIZE, Walkers, cameras_round
from pipeline.capture import Camera

FRAMES, CAMERAS, PEOPLE, SHRINK = 6, 2, 2, 8
WALK = 60  # frames that people take across the room, of which the first are filmed
ARGUMENTS = (
    *("multiview", "take", "--model", "model", "--output", "out", "--refine", "smooth"),
    *("--set", "runtime.chunk_frames=3", "--set", "link.frames_min=1", "--set", "runtime.threads=1"),
)


def furnish_capture(folder: Path) -> None:
    """Write the capture `take/`, the keypoints of each camera beside it, and the network `model/`."""
    import polars

    import pipeline.multiview.overlay
    from pipeline.media import VideoWriter

    assert polars and pipeline.multiview.overlay  # imported before processes are forked that need them
    furnish(folder, frames=1)
    take = folder / "take"
    take.mkdir()
    small = np.diag([1 / SHRINK, 1 / SHRINK, 1.0])
    walkers, width, height = Walkers(load_body(None), PEOPLE, WALK), SIZE[0] // SHRINK, SIZE[1] // SHRINK
    cameras = [replace(c, matrix=small @ c.matrix, size_px=(width, height)) for c in cameras_round(CAMERAS)]
    entries = [
        {"name": c.name, "K": c.matrix.tolist(), "R": c.rotation.tolist(), "t": c.translation_m.tolist(),
         "dist": c.distortion.tolist(), "size": [width, height]}
        for c in cameras
    ]  # fmt: skip
    (take / "calibration.json").write_text(json.dumps({"cameras": entries}))
    for camera in cameras:
        with VideoWriter(take / f"{camera.name}.mp4", width, height, Fraction(30)) as video:
            for number in range(FRAMES):
                video.write(np.full((height, width, 3), 40 + 120 * number // FRAMES, np.uint8))
        ids = [[who + 1] * FRAMES + [0] * (WALK - FRAMES) for who in range(PEOPLE)]
        rows = walkers.seen_by(camera, ids, noise_px=0.2)
        found = [
            {"image_id": int(frame), "category_id": 1, "score": 0.9, "keypoints": points.ravel().tolist()}
            for frame, points in zip(rows.frame_index, rows.keypoints, strict=True)
        ]
        (folder / f"{camera.name}.json").write_text(json.dumps(found))


@contextmanager
def keypoints_from_files() -> Iterator[None]:
    """Let views take the keypoints of their files, not a detector's, in this process and those forked from it."""
    from pipeline.multiview import run

    settings_of = run.view_settings

    def with_file(settings: RunSettings, camera: Camera, *more: Any, **named: Any) -> RunSettings:
        chosen = settings_of(settings, camera, *more, **named)
        detect = chosen.detect.model_copy(update={"keypoints": Path(f"{camera.name}.json")})
        return chosen.model_copy(update={"detect": detect})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "view_settings", with_file)
        yield
