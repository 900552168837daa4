"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of test data that lies outside the repository; in CI its absence is a failure."""
    path = Path(os.environ.get("DPMESH_TEST_DATA", Path(__file__).parents[1] / ".." / "shared")).resolve()
    if not (path / "golden").is_dir():
        reason = f"no test data at {path}; set DPMESH_TEST_DATA to the folder that holds golden/ and data/"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    """Keep torch from taking more threads than the machine of the suite has."""
    import torch

    torch.set_num_threads(min(2, os.cpu_count() or 1))
