"""People of a rig lie where each camera sees them, in its own video and in the mosaic."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.read import read_settings
from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import SIZE, Walkers, cameras_round
from pipeline.capture import Camera
from pipeline.flow.outputs import RunFolder
from pipeline.media import RandomFrames, VideoWriter, probe, read_frames
from pipeline.motion.library import write_track
from pipeline.multiview.overlay import draw_views, read_together
from pipeline.multiview.views import Footage, View, view_of
from pipeline.overlay.palette import identity_colours
from pipeline.types import MotionTrack

FRAMES, RATE, SHRINK, SHADE = 6, Fraction(30), 4, 60
HIPS_AND_SHOULDERS = [5, 6, 11, 12]
NUMBERS = (1, 2)


class Silent:
    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


@pytest.fixture(scope="module")
def walkers(body: BodyModel) -> Walkers:
    return Walkers(body, len(NUMBERS), FRAMES)


@pytest.fixture(scope="module")
def cameras() -> list[Camera]:
    """Three cameras whose pictures are small, for their speed."""
    small = np.diag([1 / SHRINK, 1 / SHRINK, 1.0])
    return [
        replace(camera, matrix=small @ camera.matrix, size_px=(SIZE[0] // SHRINK, SIZE[1] // SHRINK))
        for camera in cameras_round(3)
    ]


def film(path: Path, frames: int) -> Path:
    with VideoWriter(path, SIZE[0] // SHRINK, SIZE[1] // SHRINK, RATE) as video:
        for _ in range(frames):
            video.write(np.full((SIZE[1] // SHRINK, SIZE[0] // SHRINK, 3), SHADE, np.uint8))
    return path


def views_of(walkers: Walkers, cameras: list[Camera]) -> list[View]:
    ids = [[number] * FRAMES for number in NUMBERS]
    return [view_of(camera, walkers.seen_by(camera, ids)) for camera in cameras]


def draw(
    folder: Path, walkers: Walkers, cameras: list[Camera], frames: tuple[int, ...], *words: str
) -> tuple[RunFolder, list[Path]]:
    """Draw the true people over grey videos of so many frames each."""
    files = RunFolder(folder / "out")
    for who, number in enumerate(NUMBERS):
        path = files.motion(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = np.ones(FRAMES, bool)
        motion = walkers.pose[who], walkers.betas[who], walkers.trans[who]
        sure = np.ones((FRAMES, 24), np.float32)
        write_track(path, MotionTrack(number, np.arange(FRAMES), np.arange(FRAMES) / 30, *motion, sure, seen, seen))
    settings = read_settings(None, {}, ["overlay.opacity=1", *words])
    infos = [probe(film(folder / f"{c.name}.mp4", n)) for c, n in zip(cameras, frames, strict=True)]
    footage = [Footage(info, settings.decode) for info in infos]
    claimed: list[Path] = []
    made = draw_views(
        files, views_of(walkers, cameras), footage, RATE, settings, walkers.body, Silent(), claimed.extend
    )
    assert set(made) <= set(claimed)
    return files, list(made)


def hues(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the chroma (R, 2) of an image around points (R, 2), which is free of brightness."""
    found = []
    for x, y in points.round().astype(int):
        patch = image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)
        found.append((patch[:2] - patch[2]) / patch.sum())
    return np.array(found)


def test_bodies_lie_where_each_lens_shows_them_and_have_their_colour_in_all_views(
    tmp_path: Path, walkers: Walkers, cameras: list[Camera]
) -> None:
    files, made = draw(tmp_path, walkers, cameras, (FRAMES,) * 3)
    assert made == [*(files.view(camera.name).overlay for camera in cameras), files.mosaic]
    compared = 0
    for camera in cameras:
        images = [frame.image for frame in read_frames(files.view(camera.name).overlay)]
        assert len(images) == FRAMES
        for index, image in enumerate(images):
            chests = np.array([walkers.joints(who)[index, HIPS_AND_SHOULDERS].mean(axis=0) for who in range(2)])
            spots = camera.project(chests)
            if np.linalg.norm(spots[0] - spots[1]) > 30:  # else one may hide the other
                wanted = identity_colours(np.array(NUMBERS)).astype(float)
                expected = (wanted[:, :2] - wanted[:, 2:]) / wanted.sum(axis=1, keepdims=True)
                assert np.abs(hues(image, spots) - expected).max() < 0.12
                compared += 1
            joints = np.concatenate([camera.project(walkers.joints(who)[index]) for who in range(2)])
            low, high = joints.min(axis=0) - (15, 45), joints.max(axis=0) + 15  # names stand above
            beside = np.ones(image.shape[:2], bool)
            beside[max(0, int(low[1])) : int(high[1]), max(0, int(low[0])) : int(high[0])] = False
            assert np.abs(image[beside].astype(int) - SHADE).max() < 12, "nothing is drawn elsewhere"
    assert compared >= 8
    with RandomFrames(files.mosaic) as mosaic:
        assert len(mosaic) == FRAMES and (mosaic[0].image.std(axis=(0, 1)) > 5).all()


def test_a_video_that_ends_early_ends_alone(tmp_path: Path, walkers: Walkers, cameras: list[Camera]) -> None:
    files, _ = draw(tmp_path, walkers, cameras, (FRAMES, 2, FRAMES + 1))
    counts = [len(list(read_frames(files.view(camera.name).overlay))) for camera in cameras]
    assert counts == [FRAMES, 2, FRAMES + 1] and len(list(read_frames(files.mosaic))) == FRAMES + 1


def test_what_a_camera_detected_is_drawn_if_asked(tmp_path: Path, walkers: Walkers, cameras: list[Camera]) -> None:
    words = ("overlay.opacity=0", "overlay.is_skeleton_drawn=true")
    files, _ = draw(tmp_path, walkers, cameras, (1,) * 3, *words)
    ids = [[number] * FRAMES for number in NUMBERS]
    for camera in cameras:
        (frame,) = read_frames(files.view(camera.name).overlay)
        wrists = walkers.seen_by(camera, ids).keypoints[:2, [9, 10], :2].reshape(-1, 2)
        near = [
            np.abs(frame.image[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].astype(int) - SHADE).max()
            for x, y in wrists
        ]
        assert min(near) > 60
        assert np.abs(frame.image[:5].astype(int) - SHADE).max() < 12


def test_frames_of_one_number_come_together(tmp_path: Path) -> None:
    infos = [probe(film(tmp_path / f"{k}.mp4", frames)) for k, frames in enumerate((3, 5))]
    settings = read_settings(None, {"decode.start_s": 0.03}, [])
    shots = list(read_together([Footage(info, settings.decode) for info in infos], settings.overlay))
    assert [(shot.index, sorted(shot.frames)) for shot in shots] == [(1, [0, 1]), (2, [0, 1]), (3, [1]), (4, [1])]
    assert all(frame.index == shot.index for shot in shots for frame in shot.frames.values())


def test_images_of_a_part_of_a_sequence_come_by_their_own_numbers(tmp_path: Path) -> None:
    infos = [probe(film(tmp_path / f"{k}.mp4", 3)) for k in range(2)]
    settings = read_settings(None, {}, [])
    late = Footage(infos[1], settings.decode, np.array([1, 2, 4]))
    shots = list(read_together([Footage(infos[0], settings.decode), late], settings.overlay))
    assert [(shot.index, sorted(shot.frames)) for shot in shots] == [(0, [0]), (1, [0, 1]), (2, [0, 1]), (4, [1])]


def test_frames_of_a_late_camera_come_when_they_were_taken(tmp_path: Path) -> None:
    infos = [probe(film(tmp_path / f"{k}.mp4", 4)) for k in range(2)]
    settings, rate_hz = read_settings(None, {}, []), float(RATE)
    late = Footage(infos[1], settings.decode, offset_s=2.4 / rate_hz, rate_hz=rate_hz)
    shots = list(read_together([Footage(infos[0], settings.decode), late], settings.overlay))
    shown = {shot.index: {place: frame.index for place, frame in shot.frames.items()} for shot in shots}
    assert shown == {0: {0: 0, 1: 2}, 1: {0: 1, 1: 3}, 2: {0: 2}, 3: {0: 3}}, (
        "what came before the clock's 0 is left out"
    )
