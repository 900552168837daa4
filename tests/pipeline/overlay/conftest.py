import numpy as np
import pytest

from dpmesh.body import load_body
from pipeline.motion.posing import vertex_positions


@pytest.fixture(scope="package")
def body_at_rest() -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices (V, 3) in metres and the faces (F, 3) of the open body."""
    body = load_body(None, device="cpu")
    rest = vertex_positions(body, np.zeros((1, 24, 3)), np.zeros(10), np.zeros((1, 3)))[0]
    return rest, np.asarray(body.faces)
