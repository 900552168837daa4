"""Fixtures that every test may use."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.threads import wait_passively


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


@pytest.fixture(scope="session")
def pose_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Ultralytics pose weights that find nobody: a checkpoint of a small network with random numbers."""
    from pose_weights import write_pose_weights

    return write_pose_weights(tmp_path_factory.mktemp("weights") / "pose.pt")


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    """Keep torch from taking more threads than the machine of the suite has."""
    import torch

    torch.set_num_threads(min(2, os.cpu_count() or 1))


OFFLINE = Path(__file__).with_name("offline")


def pytest_configure(config: pytest.Config) -> None:
    """Let threads wait as the command does: spinning, two of them take a minute for a second's work on a busy machine.

    With DPMESH_OFFLINE=1, forbid hosts and foreign programs to the suite and to every process that it starts.
    """
    wait_passively()
    if os.environ.get("DPMESH_OFFLINE") != "1":
        return
    spec = importlib.util.spec_from_file_location("offline_watch", OFFLINE / "sitecustomize.py")
    assert spec is not None and spec.loader is not None
    watch: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(watch)
    config.stash[_WATCH] = watch
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), given] if given else [str(OFFLINE)])


_WATCH = pytest.StashKey[Any]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let tests marked `spawns` start foreign programs, fixtures included."""
    watch = item.config.stash.get(_WATCH, None)
    if watch is not None:
        watch.IS_ALLOWED["programs"] = item.get_closest_marker("spawns") is not None
    return (yield)
