import numpy as np

from trackers.background_motion import BackgroundMotion

NOBODY = np.zeros((0, 4), np.float32)


def _frame(scenery: np.ndarray, x: int, y: int = 100) -> np.ndarray:
    return scenery[y : y + 360, x : x + 640].copy()


def test_a_pan_is_told_in_pixels_of_the_frame(scenery: np.ndarray) -> None:
    motion = BackgroundMotion()
    assert motion.update(_frame(scenery, 200), NOBODY) is None
    found = motion.update(_frame(scenery, 212, 94), NOBODY)
    assert found is not None
    np.testing.assert_allclose(found @ [320, 180, 1], [308, 186, 1], atol=0.3)


def test_a_camera_that_stands_moves_nothing_though_somebody_walks_past(scenery: np.ndarray) -> None:
    motion = BackgroundMotion()
    for number in range(4):
        frame, left = _frame(scenery, 200), 60 * number
        frame[60:, left : left + 200] = scenery[:300, 640 - left : 840 - left]
        boxes = np.array([[left, 60, left + 200, 360]], np.float32)
        assert motion.update(frame, boxes) is None


def test_a_new_shot_a_new_size_and_an_empty_image_have_no_motion(scenery: np.ndarray) -> None:
    motion = BackgroundMotion()
    motion.update(_frame(scenery, 200), NOBODY)
    motion.begin_anew()
    assert motion.update(_frame(scenery, 212), NOBODY) is None
    assert motion.update(_frame(scenery, 224)[:300], NOBODY) is None
    blank = np.zeros((300, 640, 3), np.uint8)
    assert motion.update(blank, NOBODY) is None
    assert motion.update(blank, NOBODY) is None


def test_a_snapshot_goes_on_as_before(scenery: np.ndarray) -> None:
    motion, other = BackgroundMotion(), BackgroundMotion()
    motion.update(_frame(scenery, 200), NOBODY)
    other.restore(motion.snapshot())
    found = [one.update(_frame(scenery, 207), NOBODY) for one in (motion, other)]
    np.testing.assert_array_equal(*found)
