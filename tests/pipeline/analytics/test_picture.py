import io
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.analytics.ground import Ground
from pipeline.analytics.picture import ground_picture
from pipeline.media import VideoWriter

CAMERA = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2.0], [0, 0, 0, 1]])  # 2 m up, level, looks along y
GROUND = Ground(CAMERA, 0.0, True, "", True, 200.0, np.array([160.0, 120.0]))


def write_video(path: Path) -> Path:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, 160:] = (200, 0, 0)  # right of the camera's axis
    with VideoWriter(path, 320, 240, Fraction(25)) as video:
        for _ in range(3):
            video.write(image)
    return path


def test_what_lies_right_of_the_camera_is_right_on_the_map(tmp_path: Path) -> None:
    data = ground_picture(write_video(tmp_path / "a.mp4"), 1, GROUND, (-2.0, 4.0, 2.0, 8.0), 320)
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        seen = np.asarray(image).astype(int)
    assert seen.shape == (900, 900, 3)
    assert seen[400, 700, 0] > 150 and seen[400, 200, 0] < 60


def test_there_is_no_picture_without_a_ground_or_a_video_or_in_front_of_the_camera(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4")
    nowhere = Ground(CAMERA, None, False, "", True, 200.0, np.zeros(2))
    assert ground_picture(video, 0, nowhere, (-2, 4, 2, 8), 320) is None
    assert ground_picture(tmp_path / "gone.mp4", 0, GROUND, (-2, 4, 2, 8), 320) is None
    assert ground_picture(video, 0, GROUND, (-2, -8, 2, -4), 320) is None
