"""A finished run of three people for all formats."""

import numpy as np
import pytest
from exported_run import make_run, scene_of, turning_and_lying

from dpmesh.body.load import load_body
from pipeline.export.scene import Scene
from pipeline.flow.outputs import RunFolder

FRAMES = 90


@pytest.fixture(scope="session")
def run_files(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Three people at 30 frames/s: the second comes after 20 frames, the third leaves after 40."""
    people = [
        turning_and_lying(1, 0, FRAMES, 30.0),
        turning_and_lying(2, 20, FRAMES - 20, 30.0, at_m=1.0, shape=1.5),
        turning_and_lying(4, 0, 40, 30.0, at_m=-1.0, shape=-1.0),
    ]
    return make_run(tmp_path_factory.mktemp("exported") / "clip", people, load_body())


@pytest.fixture(scope="session")
def scene(run_files: RunFolder) -> Scene:
    return scene_of(run_files)


@pytest.fixture(scope="session")
def wanted(run_files: RunFolder) -> dict[int, np.ndarray]:
    """The joints (T, 24, 3) that the run's own motion files give, by person: worked out by the body model."""
    return {number: np.load(run_files.track(number))["joints_world"] for number in (1, 2, 4)}
