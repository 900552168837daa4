"""Which detector weights a run uses, and why."""

import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from configs.errors import WeightsError
from configs.weights import (
    WeightsEntry,
    cache_folder,
    how_to_get,
    locate,
    read_catalogue,
    read_sha256,
    resolve,
)

log = logging.getLogger(__name__)

AUTO = "auto"
BUNDLED = "bundled"
BUNDLED_NAME = "bundled-detector"
DOWNLOAD_NAME = "yolo11n-pose.pt"  # the smallest one that Ultralytics 8.3 and later load
DOWNLOAD_HOST = ("github.com", 443)
CONNECT_TIMEOUT_S = 3.0
DOWNLOAD_TIMEOUT_S = 180.0
ASSET_NAME = re.compile(r"yolo(v8|11|26)[nsmlx]-pose\.pt")
SYNTHETIC_WARNING = (
    "the bundled detector was trained on synthetic images and misses people on real video; for real clips put "
    "Ultralytics pose weights at %s, or give --detector PATH"
)

Download = Callable[[str, Path], str]  # (asset name, where to put it) -> why it failed, empty when it did not


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """Detector weights that were found."""

    path: Path
    reason: str
    licence: str
    is_bundled: bool


def find_detector(wanted: str, *, download: Download | None = None) -> ResolvedWeights:
    """Return the weights to use, and log which and why in one line.

    Args:
        wanted: a path; an Ultralytics name such as yolo11n-pose.pt (cache, then download); "bundled"; or "auto":
            any known pose weights in the cache, else a download, else the bundled detector.
        download: fetches an Ultralytics asset; the default asks Ultralytics.

    Raises:
        WeightsError: what was asked for by name or path is not there; only "auto" goes on to the next choice.
    """
    fetch = download_asset if download is None else download
    if wanted == AUTO:
        found = _find_any(fetch)
    elif wanted == BUNDLED:
        found = _bundled("asked for")
    elif Path(wanted).expanduser().exists():
        found = ResolvedWeights(Path(wanted).expanduser(), "the path given", "as its owner says", False)
    elif ASSET_NAME.fullmatch(wanted):
        found = _find_asset(wanted, fetch)
    else:
        found = ResolvedWeights(resolve(wanted), "a name of the catalogue", _licence(wanted), wanted == BUNDLED_NAME)
    log.info("detector: %s (%s)", found.path, found.reason)
    if found.is_bundled:
        log.warning(SYNTHETIC_WARNING, cache_folder() / DOWNLOAD_NAME)
    return found


def download_asset(name: str, path: Path) -> str:
    """Let Ultralytics fetch one of its own pose weights; return why it failed, or "" when `path` is there.

    Runs in a process of its own, so that a slow server can be given up on and the network stays off in this one.
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
        program = (
            "import sys; from ultralytics.utils.downloads import attempt_download_asset as fetch; "
            "fetch(sys.argv[1], progress=False, retry=1)"
        )
        environment = {
            **os.environ,
            "YOLO_CONFIG_DIR": str(cache_folder() / "ultralytics"),
            "YOLO_AUTOINSTALL": "false",
            "YOLO_VERBOSE": "false",
        }
        environment.pop("YOLO_OFFLINE", None)
        try:
            run = subprocess.run(
                [sys.executable, "-c", program, str(target)],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return f"no complete file after {DOWNLOAD_TIMEOUT_S:.0f} s"
        if not target.is_file():
            lines = run.stderr.strip().splitlines()
            return lines[-1] if lines else "Ultralytics delivered no file"
        os.replace(target, path)
    return ""


def _find_any(fetch: Download) -> ResolvedWeights:
    for entry in _assets():
        if locate(entry).is_file():
            return _from_cache(entry)
    path = cache_folder() / DOWNLOAD_NAME
    problem = fetch(DOWNLOAD_NAME, path)
    if not problem:
        return ResolvedWeights(path, "downloaded by Ultralytics", _licence(DOWNLOAD_NAME), False)
    return _bundled(f"no pose weights in {cache_folder()}, and {DOWNLOAD_NAME} was not downloaded: {problem}")


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
            f"{path}: sha256 is {found[:12]}, expected {wanted[:12]}; delete the file, and it is fetched again"
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
