from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from trackers.shots import ShotDetector


def _cuts(path: Path, detector: ShotDetector, most: int = 400) -> list[int]:
    cuts = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= most:
                break
            if detector.update(frame.to_ndarray(format="rgb24")):
                cuts.append(index)
    return cuts


def _picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), np.uint8)
    return cv2.resize(noise, (160, 96), interpolation=cv2.INTER_CUBIC)


def test_the_cuts_of_the_edited_clip_are_found_at_their_frames(test_data: Path) -> None:
    path = test_data / "data" / "nasty_inputs" / "shot_cuts_20_45_60.mp4"
    assert _cuts(path, ShotDetector()) == [20, 45, 60]


@pytest.mark.parametrize(
    "name",
    [
        "mmaction2_test_video_structuralize.mp4",  # the fastest pan
        "mmhuman3d_single.mp4",
        "mmpose_demo.mp4",  # 5 frames per second
        "mmtracking_demo.mp4",  # 3 frames per second
        "intel_store-aisle-detection.gif",
        "mmaction2_demo_skeleton.mp4",
        "scorehmr_breakdancing.mp4",
    ],
)
def test_a_clip_of_one_shot_has_no_cut(test_data: Path, name: str) -> None:
    assert _cuts(test_data / "data" / "videos" / name, ShotDetector()) == []


@pytest.mark.slow
def test_no_real_clip_has_a_cut(test_data: Path) -> None:
    found = {path.name: _cuts(path, ShotDetector(), most=2000) for path in _clips(test_data)}
    assert {name: cuts for name, cuts in found.items() if cuts} == {}
    assert len(found) == 15


def _clips(test_data: Path) -> list[Path]:
    return sorted(path for path in (test_data / "data" / "videos").iterdir() if path.suffix in (".mp4", ".gif"))


def test_the_first_frame_is_no_cut_and_another_picture_is_one() -> None:
    detector = ShotDetector()
    assert [detector.update(_picture(seed)) for seed in (1, 1, 1, 2, 2, 3)] == [False, False, False, True, False, True]


@pytest.mark.parametrize("change", [lambda x: x // 2, lambda x: 255 - (255 - x) // 3])
def test_a_flash_or_a_lamp_is_no_cut(change) -> None:
    detector = ShotDetector()
    frames = [_picture(1), change(_picture(1)), _picture(1)]
    assert [detector.update(frame) for frame in frames] == [False, False, False]


def test_a_cut_to_black_and_back_is_seen_once_each_and_black_stays_quiet() -> None:
    detector = ShotDetector()
    black = np.zeros((96, 160, 3), np.uint8)
    frames = [_picture(1), black, black, black, _picture(2)]
    assert [detector.update(frame) for frame in frames] == [False, True, False, False, True]


def _restless() -> list[np.ndarray]:
    """Return frames of a shot at rest, a cut, a pan that ends faster than it began, and another cut."""
    noise = np.random.default_rng(5).integers(0, 256, (6, 60, 3), np.uint8)
    wide = cv2.resize(noise, (960, 96), interpolation=cv2.INTER_CUBIC)
    pan = [wide[:, start : start + 160] for start in (0, 8, 16, 24, 32, 46)]
    return [_picture(1), _picture(1), *pan, _picture(2), _picture(2)]


def _outcome(state: dict[str, np.ndarray], first: int) -> list[bool]:
    detector = ShotDetector()
    detector.restore(state)
    return [detector.update(frame) for frame in _restless()[first:]]


@pytest.fixture(scope="module")
def whole() -> list[tuple[dict[str, np.ndarray], bool]]:
    """State before each frame, and whether a shot begins with it."""
    detector = ShotDetector()
    return [(detector.snapshot(), detector.update(frame)) for frame in _restless()]


def test_a_restored_detector_goes_on_as_if_never_stopped(whole: list[tuple[dict[str, np.ndarray], bool]]) -> None:
    for first, (state, _) in enumerate(whole):
        assert _outcome(state, first) == [is_cut for _, is_cut in whole[first:]], first


@pytest.mark.parametrize("name", ["histogram", "layout", "changes"])
def test_what_a_snapshot_holds_is_needed_to_go_on(whole: list[tuple[dict[str, np.ndarray], bool]], name: str) -> None:
    assert set(whole[0][0]) == {"histogram", "layout", "changes"}
    assert any(
        _outcome(state | {name: state[name] * 0 if name != "changes" else np.zeros(0)}, first)
        != [is_cut for _, is_cut in whole[first:]]
        for first, (state, _) in enumerate(whole)
    )
