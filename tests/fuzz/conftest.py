"""A folder of good files, made once, and what runs a command beside bad ones."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from forked_command import preload, run_forked
from fuzz_contract import FINDS, QUICK, Case, Keeps
from fuzz_seeds import FRAMES, SIZE, coco_results


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip, its keypoints (`coco.json`) and its finished run (`runs/clip`)."""
    preload()
    from pipeline.media import VideoWriter

    folder = tmp_path_factory.mktemp("good")
    with VideoWriter(folder / "clip.mp4", SIZE, SIZE, Fraction(10)) as video:
        for number in range(FRAMES):
            video.write(np.full((SIZE, SIZE, 3), 40 * number, np.uint8))
    (folder / "coco.json").write_text(json.dumps(coco_results()))
    write_tiny_network(folder / "tiny")
    outcome = run_forked(["run", "clip.mp4", "--keypoints", "coco.json", *QUICK, "--output", "runs"], folder)
    assert outcome.code == 0, outcome
    return folder


def write_tiny_network(folder: Path) -> None:
    """Write a network whose bodies mean nothing, and which takes a tenth of the bundled one's time."""
    import torch
    from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

    from dpmesh.network.config import NetworkConfig
    from dpmesh.network.model import DPMesh

    torch.manual_seed(0)
    DPMesh(**NetworkConfig(TINY_BACKBONE, TINY_REGRESSOR).to_mappings()).save_pretrained(folder)


@pytest.fixture
def keeps(room: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Keeps]:
    """Return what runs a command beside bad files and checks that it keeps the contract."""
    case = Case(tmp_path, room, request.node.name)
    yield case.keeps
    assert not case.found, f"{case.found} of {case.count} cases broke the contract; they are in {FINDS}"
