import logging
import os
from pathlib import Path

import pytest
import yaml

import configs.weights
from configs.errors import WeightsError
from configs.weights import NETWORK_FILES
from trackers.weights import BUNDLED_NAME, OPEN_NETWORKS, download_asset, find_detector


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder; the packages' own files lie in another empty folder."""
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(configs.weights, "PACKAGES_ROOT", tmp_path / "packages")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def _bundle(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a bundled detector in place, with a catalogue that knows its hash; return its path."""
    folder = cache.parent / "packages" / "trackers" / "data" / "detector"
    catalogue, row = cache.parent / "weights.yaml", {"kind": "bundled", "role": "detector", "what": "a detector"}
    paths = [folder / network / name for network in OPEN_NETWORKS for name in NETWORK_FILES]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"the bundled one")
    files = [{"path": str(path.relative_to(cache.parent / "packages"))} for path in paths]
    row |= {"name": BUNDLED_NAME, "licence": "Apache-2.0", "source": "here", "files": files}
    known = yaml.safe_load(configs.weights.CATALOGUE_PATH.read_text(encoding="utf-8"))["weights"]
    rows = [row, *(entry for entry in known if entry["name"] != BUNDLED_NAME)]
    catalogue.write_text(yaml.safe_dump({"weights": rows}), encoding="utf-8")
    configs.weights.update_catalogue(catalogue, cache.parent / "packages")
    monkeypatch.setattr(configs.weights, "CATALOGUE_PATH", catalogue)
    return folder


def _no_network(name: str, path: Path) -> str:
    return "no network here"


def _fetched(name: str, path: Path) -> str:
    path.write_bytes(b"fetched")
    return ""


def _must_not_be_asked(name: str, path: Path) -> str:
    raise AssertionError(f"{name} was to be downloaded")


def test_a_path_is_used_as_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"x")
    with caplog.at_level(logging.INFO, "trackers.weights"):
        found = find_detector(str(path), download=_must_not_be_asked)
    assert (found.path, found.is_bundled) == (path, False)
    assert [record.message for record in caplog.records] == [f"detector: {path} (the path given)"]


def test_the_cache_comes_before_a_download(cache: Path) -> None:
    (cache / "yolov8s-pose.pt").write_bytes(b"x")
    for wanted in ("auto", "yolov8s-pose.pt"):
        found = find_detector(wanted, download=_must_not_be_asked)
        assert found.path == cache / "yolov8s-pose.pt"
        assert found.reason == "found in the cache"
        assert found.licence == "AGPL-3.0"


def test_without_anything_else_auto_takes_the_bundled_detector_and_says_why(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = _bundle(cache, monkeypatch)
    with caplog.at_level(logging.INFO, "trackers.weights"):
        found = find_detector("auto", download=_must_not_be_asked)
    assert (found.path, found.is_bundled) == (path, True)
    assert "no pose weights in" in found.reason
    assert found.licence == "Apache-2.0"
    told = f"detector: {path} (no pose weights in {cache})"
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.INFO, told)]


def test_a_changed_bundled_detector_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_bundle(cache, monkeypatch) / OPEN_NETWORKS[0] / NETWORK_FILES[0]).write_bytes(b"another of 15 B")
    with pytest.raises(WeightsError, match="sha256 is"):
        find_detector("bundled", download=_must_not_be_asked)


def test_without_any_weights_every_reason_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_bundle(cache, monkeypatch) / OPEN_NETWORKS[0] / NETWORK_FILES[0]).unlink()
    with pytest.raises(WeightsError, match=r"no pose weights in .*; open-detector: no file"):
        find_detector("auto", download=_must_not_be_asked)


def test_a_name_asked_for_is_never_replaced_by_the_bundled_detector(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bundle(cache, monkeypatch)
    with pytest.raises(WeightsError, match=r"yolo11m-pose\.pt: not in the cache, and the download failed \(no network"):
        find_detector("yolo11m-pose.pt", download=_no_network)


def test_a_path_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(WeightsError, match=r"nowhere/mine\.pt: no such file"):
        find_detector("nowhere/mine.pt", download=_must_not_be_asked)


def test_a_cache_that_cannot_be_written_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackers.weights._is_reachable", lambda: True)
    assert "/proc/nothere cannot be written" in download_asset("yolo11n-pose.pt", Path("/proc/nothere/yolo11n-pose.pt"))


def test_a_file_that_is_no_checkpoint_is_not_put_into_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(target: Path) -> str:
        target.write_bytes(b"<html>sign in to this network</html>")
        return ""

    monkeypatch.setattr("trackers.weights._is_reachable", lambda: True)
    monkeypatch.setattr("trackers.weights._fetch", deliver)
    problem = download_asset("yolo11n-pose.pt", cache / "yolo11n-pose.pt")
    assert "not a zip file" in problem
    assert "\n" not in problem
    assert list(cache.iterdir()) == []


def test_a_fetched_checkpoint_is_put_into_the_cache(
    cache: Path, pose_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(target: Path) -> str:
        target.write_bytes(pose_weights.read_bytes())
        return ""

    monkeypatch.setattr("trackers.weights._is_reachable", lambda: True)
    monkeypatch.setattr("trackers.weights._fetch", deliver)
    assert download_asset("yolo11n-pose.pt", cache / "yolo11n-pose.pt") == ""
    assert (cache / "yolo11n-pose.pt").read_bytes() == pose_weights.read_bytes()


@pytest.mark.parametrize("name", ["~", "/", "/dev/zero", "/dev/stdin"])
def test_a_folder_or_device_for_weights_is_refused_unread(name: str) -> None:
    with pytest.raises(WeightsError, match=r"is a |cannot be|of the kind"):
        find_detector(name, download=_must_not_be_asked)


def test_formats_that_may_hold_code_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "n.torchscript").write_bytes(b"PK")
    (tmp_path / "n.yaml").write_bytes(b"nc: 1")
    os.mkfifo(tmp_path / "pipe.pt")
    for name, told in (("n.torchscript", "of the kind"), ("n.yaml", "of the kind"), ("pipe.pt", "is a named pipe")):
        with pytest.raises(WeightsError, match=told):
            find_detector(str(tmp_path / name), download=_must_not_be_asked)
