"""Bodies for the tests of the body package."""

from pathlib import Path

import numpy as np
import pytest

from configs.skeletons import LANDMARKS, SMPL_PARENTS
from dpmesh.body import BodyModel, load_body


def make_small_body(vertices: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays of a body with random numbers, also in the pose directions."""
    rng = np.random.default_rng(seed)
    weights = rng.random((vertices, 24)) ** 6
    regressor = rng.random((24, vertices)) ** 6
    picks = np.stack([rng.choice(min(vertices, 40), 3, replace=False) for _ in LANDMARKS])
    return {
        "v_template": rng.normal(size=(vertices, 3)) * 0.3,
        "shapedirs": rng.normal(size=(vertices, 3, 10)) * 0.03,
        "posedirs": rng.normal(size=(vertices, 3, 207)) * 0.01,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": rng.integers(0, vertices, (80, 3)).astype(np.uint32),
        "kintree_table": np.array([[2**32 - 1, *SMPL_PARENTS[1:]], range(24)], dtype=np.int64),
        "landmark_names": np.array(LANDMARKS),
        "landmark_vertices": picks,
        "landmark_weights": np.tile([0.5, 0.3, 0.2], (len(LANDMARKS), 1)),
    }


@pytest.fixture
def small_arrays() -> dict[str, np.ndarray]:
    return make_small_body()


@pytest.fixture(scope="session")
def open_body() -> BodyModel:
    return load_body()


@pytest.fixture(scope="session", params=["open", "with pose directions"])
def any_body(
    request: pytest.FixtureRequest, open_body: BodyModel, tmp_path_factory: pytest.TempPathFactory
) -> BodyModel:
    if request.param == "open":
        return open_body
    path: Path = tmp_path_factory.mktemp("bodies") / "small.npz"
    np.savez(path, **make_small_body())
    return load_body(path)
