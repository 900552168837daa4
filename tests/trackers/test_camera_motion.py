import numpy as np
from scipy.spatial.transform import Rotation

from trackers.camera_motion import CameraMotion, fit_turn, follow_turns, judge

NOBODY = np.zeros((0, 4), np.float32)


def shown(scenery: np.ndarray, shift: float, near: float = 0.0) -> np.ndarray:
    """Return a frame that looks `shift` pixels farther right; its lower half is nearer, and moves by `near` more."""
    frame = scenery[100:460, 200 + round(shift) : 840 + round(shift)].copy()
    low = 200 + round(shift + near)
    frame[180:] = scenery[280:460, low : low + 640]
    return frame


def verdict(scenery: np.ndarray, shifts: np.ndarray, near: float = 0.0, is_walked_past: bool = False) -> str:
    motion = CameraMotion()
    for number, shift in enumerate(shifts):
        frame, boxes = shown(scenery, shift, near * shift), NOBODY
        if is_walked_past:
            left = 20 * number
            frame[60:, left : left + 200] = scenery[:300, 640 - left : 840 - left]
            boxes = np.array([[left, 60, left + 200, 360]], np.float32)
        motion.update(frame, boxes, 0.25 * number)
    return judge(motion.snapshot())


def test_a_camera_that_stands_pans_or_travels_is_told_apart(scenery: np.ndarray) -> None:
    steps = np.arange(12.0)
    assert verdict(scenery, 0 * steps) == "still"
    assert verdict(scenery, 12 * steps) == "pans"
    assert verdict(scenery, 8 * steps, near=1.5) == "travels"


def test_people_who_walk_past_do_not_move_the_camera(scenery: np.ndarray) -> None:
    assert verdict(scenery, np.zeros(12), is_walked_past=True) == "still"


def test_a_slow_pan_adds_up(scenery: np.ndarray) -> None:
    assert verdict(scenery, np.arange(0.0, 40.0, 0.5)) == "pans"


def test_nothing_to_follow_is_unknown() -> None:
    motion = CameraMotion()
    for number in range(8):
        motion.update(np.zeros((90, 160, 3), np.uint8), NOBODY, 0.25 * number)
    assert judge(motion.snapshot()) == "unknown" == judge({})


def test_frames_between_looks_are_skipped_and_a_snapshot_continues(scenery: np.ndarray) -> None:
    whole, first, second = CameraMotion(), CameraMotion(), CameraMotion()
    frames = [shown(scenery, 2.0 * number) for number in range(20)]
    for number, frame in enumerate(frames):
        whole.update(frame, NOBODY, number / 10)
        (first if number < 9 else second).update(frame, NOBODY, number / 10)
        if number == 8:
            second.restore(first.snapshot())
    assert len(whole.snapshot()["steps"]) == 6
    np.testing.assert_array_equal(second.snapshot()["steps"], whole.snapshot()["steps"])


def test_a_turn_of_the_camera_explains_its_flow() -> None:
    rng = np.random.default_rng(1)
    points, focal_px, turn = rng.uniform(-150, 150, (60, 2)), 300.0, np.array([0.01, -0.02, 0.015])
    space = np.concatenate([points / focal_px, np.ones((60, 1))], axis=1)
    moved = space - np.cross(np.broadcast_to(turn, space.shape), space)
    flow = focal_px * moved[:, :2] / moved[:, 2:] - points
    flow[:10] += 20.0  # a person
    found, left = fit_turn(points, flow, focal_px)
    np.testing.assert_allclose(found, turn, atol=5e-4)
    assert np.linalg.norm(left[10:], axis=1).max() < 0.6


def turned_view(yaw_rad: float, focal_px: float = 500.0) -> np.ndarray:
    """Return where points that stay where they are lie for a camera (640 x 360) that is turned to the right."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-6.0, -2.0, 8.0], [6.0, 2.0, 12.0], (80, 3))
    seen = Rotation.from_rotvec([0.0, yaw_rad, 0.0]).inv().apply(points)
    return focal_px * seen[:, :2] / seen[:, 2:]


def test_turns_of_a_pan_lead_back_to_one_direction() -> None:
    """Steps from look to look, as flow of points that stay, add up to the turn of the camera."""
    yaw, diagonal_px, focal_px = 0.3 * np.sin(np.linspace(0, 2 * np.pi, 33)), 734.0, 500.0
    steps = []
    for number in range(1, len(yaw)):
        before, after = turned_view(yaw[number - 1]), turned_view(yaw[number])
        turn, left = fit_turn(before, after - before, diagonal_px)
        flow = np.median(np.linalg.norm(after - before, axis=1))
        steps.append([0.25 * number, max(flow, 1.0), float(np.median(np.abs(left))) / 100.0, *turn])
    table = np.array(steps)
    table[7, 1:] = np.nan  # one look in which too little could be followed
    turns = follow_turns({"steps": table})
    assert turns is not None
    found = turns.scene_from_cam(0.25 * np.arange(len(yaw)), focal_px / diagonal_px)
    off = found[:, 1] - yaw
    assert np.abs(off - off.mean()).max() < 0.03 and np.abs(found[:, [0, 2]]).max() < 0.02
    longer = turns.scene_from_cam(0.25 * np.arange(len(yaw)), 2.0 * focal_px / diagonal_px)
    assert np.ptp(longer[:, 1]) < 0.6 * np.ptp(found[:, 1])  # the same flow, seen with a longer lens, is half the turn


def test_a_camera_that_stands_or_is_lost_is_not_followed(scenery: np.ndarray) -> None:
    motion = CameraMotion()
    for number in range(8):
        motion.update(shown(scenery, 0.0), NOBODY, 0.25 * number)
    assert follow_turns(motion.snapshot()) is None
    lost = np.full((10, 6), np.nan)
    lost[:, 0] = np.arange(10)
    lost[:6, 1:] = [5.0, 0.1, 0.0, 0.01, 0.0]
    assert judge({"steps": lost}) == "pans" and follow_turns({"steps": lost}) is None
