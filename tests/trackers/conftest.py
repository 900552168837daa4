import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def scenery() -> np.ndarray:
    """A large picture with corners everywhere."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (90, 160, 3), dtype=np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(picture, (0, 0), 2)
