"""Which detector weights a run uses, and why."""

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from configs.errors import WeightsError
from configs.files import is_there, user_path
from configs.weights import (
    NETWORK_FILES,
    WeightsEntry,
    cache_folder,
    how_to_get,
    locate,
    read_catalogue,
    read_sha256,
    resolve,
)
from trackers.pose_checkpoint import read_pose_checkpoint
from trackers.ultralytics_loader import weights_files

log = logging.getLogger(__name__)

AUTO = "auto"
BUNDLED = "bundled"
BUNDLED_NAME = "open-detector"
OPEN_NETWORKS = ("movenet", "nanodet")
DOWNLOAD_NAME = "yolo11n-pose.pt"  # the smallest one that Ultralytics 8.3 and later load
DOWNLOAD_HOST = ("github.com", 443)
CONNECT_TIMEOUT_S = 3.0
DOWNLOAD_TIMEOUT_S = 180.0
ASSET_NAME = re.compile(r"yolo(v8|11|26)[nsmlx]-pose\.pt")

Download = Callable[[str, Path], str]  # (asset name, where to put it) -> why it failed, empty when it did not


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """Detector weights that were found."""

    path: Path
    reason: str
    licence: str
    is_bundled: bool

    @property
    def is_open(self) -> bool:
        """Whether these are the networks of `trackers.open_detector`; else they are of Ultralytics."""
        return any((self.path / name).is_dir() for name in OPEN_NETWORKS)

    @property
    def files(self) -> list[Path]:
        """What is read of it.

        Raises:
            WeightsError: it is no file or folder of weights.
        """
        if not self.is_open:
            return weights_files(self.path)
        folders = [self.path / name for name in OPEN_NETWORKS if (self.path / name).is_dir()]
        return [folder / name for folder in folders for name in NETWORK_FILES]


def find_detector(wanted: str, *, download: Download | None = None) -> ResolvedWeights:
    """Return the weights to use, and log which and why in one line.

    Args:
        wanted: a path; an Ultralytics name such as yolo11n-pose.pt (cache, then download); "bundled"; or "auto":
            any known pose weights in the cache, else the bundled detector. Only a name asks the network.
        download: fetches an Ultralytics asset; the default asks Ultralytics.

    Raises:
        WeightsError: what was asked for by name or path is not there; only "auto" goes on to the next choice.
    """
    fetch = download_asset if download is None else download
    if wanted == AUTO:
        found = _find_any()
    elif wanted == BUNDLED:
        found = _bundled("asked for")
    elif is_there(user_path(wanted)):
        found = ResolvedWeights(user_path(wanted), "the path given", "as its owner says", False)
    elif ASSET_NAME.fullmatch(wanted):
        found = _find_asset(wanted, fetch)
    else:
        found = ResolvedWeights(resolve(wanted), "a name of the catalogue", _licence(wanted), wanted == BUNDLED_NAME)
    _ = found.files  # what cannot be read is told now, not after minutes
    log.info("detector: %s (%s)", found.path, found.reason)
    return found


def download_asset(name: str, path: Path) -> str:
    """Let Ultralytics fetch one of its own pose weights; return why it failed, or "" when `path` is there.

    Runs in a separate process, so that a slow server can be abandoned and this process stays offline.
    """
    if not _is_reachable():
        return f"{DOWNLOAD_HOST[0]} cannot be reached"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-")
    except OSError as error:
        return f"{path.parent} cannot be written ({error.strerror})"
    with place as folder:
        target = Path(folder).resolve() / name
        problem = _fetch(target) or _problem_of(target, name)
        if not problem:
            os.replace(target, path)
    return problem


def _fetch(target: Path) -> str:
    """Let Ultralytics put one of its files at `target`; return why it failed, or ""."""
    program = (
        "import sys; from ultralytics.utils.downloads import attempt_download_asset as fetch; "
        "fetch(sys.argv[1], progress=False, retry=1)"
    )
    environment = {
        **os.environ,
        "YOLO_CONFIG_DIR": str(target.parent),
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
    }
    environment.pop("YOLO_OFFLINE", None)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(target)],
        cwd=target.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # it starts others; all of them end with it
    ) as process:
        try:
            _, output = process.communicate(timeout=DOWNLOAD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"no complete file after {DOWNLOAD_TIMEOUT_S:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if not target.is_file():
        lines = output.strip().splitlines()
        return lines[-1] if lines else "Ultralytics delivered no file"
    return ""


def _problem_of(path: Path, name: str) -> str:
    """Return what is wrong with a file that was fetched, or ""."""
    entry = read_catalogue().find(name)
    wanted = entry.files[0].sha256 if entry else None
    if wanted is not None and (found := read_sha256(path)) != wanted:
        return f"its sha256 is {found[:12]}, expected {wanted[:12]}"
    try:
        task = read_pose_checkpoint(path).task
    except WeightsError as error:
        return str(error)
    return "" if task == "pose" else f"it holds task {task!r}"


def _find_any() -> ResolvedWeights:
    for entry in _assets():
        if locate(entry).is_file():
            return _from_cache(entry)
    return _bundled(f"no pose weights in {cache_folder()}")


def _find_asset(name: str, fetch: Download) -> ResolvedWeights:
    entry = read_catalogue().find(name)
    if entry is None:
        raise WeightsError(f"{name}: not in the weights catalogue; give a path")
    if locate(entry).is_file():
        return _from_cache(entry)
    problem = fetch(name, locate(entry))
    if problem:
        raise WeightsError(f"{name}: not in the cache, and the download failed ({problem}); {how_to_get(entry)}")
    return ResolvedWeights(locate(entry), "downloaded by Ultralytics", entry.licence, False)


def _from_cache(entry: WeightsEntry) -> ResolvedWeights:
    path = locate(entry)
    wanted = entry.files[0].sha256
    if wanted is not None and (found := read_sha256(path)) != wanted:
        raise WeightsError(
            f"{path}: sha256 is {found[:12]}, expected {wanted[:12]}; delete the file, and fetch it again with "
            f"--detector {entry.name}"
        )
    return ResolvedWeights(path, "found in the cache", entry.licence, False)


def _bundled(reason: str) -> ResolvedWeights:
    try:
        path = resolve(BUNDLED_NAME)
    except WeightsError as error:
        raise WeightsError(f"no detector weights: {reason}; {error}") from error
    return ResolvedWeights(path, reason, _licence(BUNDLED_NAME), True)


def _assets() -> list[WeightsEntry]:
    entries = read_catalogue().weights
    return [entry for entry in entries if entry.kind == "download" and entry.role == "detector"]


def _licence(name: str) -> str:
    entry = read_catalogue().find(name)
    return entry.licence if entry is not None else "unknown"


def _is_reachable() -> bool:
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # behind a proxy a direct connection says nothing
    try:
        with socket.create_connection(DOWNLOAD_HOST, timeout=CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
