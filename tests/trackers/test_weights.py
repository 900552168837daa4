import logging
from pathlib import Path

import pytest

import configs.weights
from configs.errors import WeightsError
from trackers.weights import download_asset, find_detector


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder; the packages' own files lie in another empty folder."""
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(configs.weights, "PACKAGES_ROOT", tmp_path / "packages")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def _bundle(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a bundled detector in place, with a catalogue that knows its hash; return its path."""
    path = cache.parent / "packages" / "trackers" / "data" / "detector.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the bundled one")
    catalogue = cache.parent / "weights.yaml"
    catalogue.write_text(configs.weights.CATALOGUE_PATH.read_text(encoding="utf-8"), encoding="utf-8")
    configs.weights.update_catalogue(catalogue, cache.parent / "packages")
    monkeypatch.setattr(configs.weights, "CATALOGUE_PATH", catalogue)
    return path


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


def test_a_download_comes_before_the_bundled_detector(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _bundle(cache, monkeypatch)
    found = find_detector("auto", download=_fetched)
    assert (found.path, found.is_bundled) == (cache / "yolo11n-pose.pt", False)


def test_without_anything_else_auto_takes_the_bundled_detector_and_warns(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = _bundle(cache, monkeypatch)
    with caplog.at_level(logging.INFO, "trackers.weights"):
        found = find_detector("auto", download=_no_network)
    assert (found.path, found.is_bundled) == (path, True)
    assert "no network here" in found.reason
    assert "AGPL-3.0" in found.licence
    warning = next(record.message for record in caplog.records if record.levelno == logging.WARNING)
    assert "trained on synthetic images" in warning
    assert str(cache / "yolo11n-pose.pt") in warning


def test_a_changed_bundled_detector_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _bundle(cache, monkeypatch).write_bytes(b"another of 15 B")
    with pytest.raises(WeightsError, match="sha256 is"):
        find_detector("bundled", download=_must_not_be_asked)


def test_without_any_weights_every_reason_is_said() -> None:
    with pytest.raises(WeightsError, match="no network here; bundled-detector: no file"):
        find_detector("auto", download=_no_network)


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
