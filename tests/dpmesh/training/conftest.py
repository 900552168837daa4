"""A studio before noise: the open body, a few bends, two backgrounds."""

import cv2
import numpy as np
import pytest

from dpmesh.body import load_body
from dpmesh.body.model import BodyModel
from dpmesh.training.troupe import Studio


class Bends:
    """A few bends around standing."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        return rng.normal(0, 0.15, (count, 24, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return load_body(device="cpu")


@pytest.fixture(scope="session")
def studio(body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("backgrounds")
    rng = np.random.default_rng(0)
    paths = [folder / "0.png", folder / "1.png"]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    return Studio(body, Bends(), paths, "train")
