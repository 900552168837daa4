from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.bench.line import MeasuredRun, loop_video, stage_rows
from pipeline.media import probe


def test_every_stage_of_a_run_is_in_the_table_once_and_the_rest_is_its_start() -> None:
    seconds = {"look": 1.0, "detect": 4.0, "new stage": 2.0, "total": 7.5}
    run = MeasuredRun(8, 10.0, 12.0, 100.0, seconds, {"look": 1.5, "detect": 6.0, "new stage": 2.0})
    header, *rows = stage_rows(run)
    assert header == ("stage", "seconds", "share", "CPU seconds")
    assert rows == [
        ("start", "4.0", "40%", "4.0"),
        ("detect", "3.0", "30%", "4.5"),
        ("new stage", "2.0", "20%", "2.0"),
        ("look", "1.0", "10%", "1.5"),
    ]


def test_a_gif_is_looped_too(tmp_path: Path) -> None:
    images = [Image.fromarray(np.full((32, 48, 3), 80 * number, np.uint8)) for number in range(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100, loop=0)
    info = probe(loop_video(tmp_path / "a.gif", tmp_path / "b.mp4", 1.0))
    assert (info.width, info.height, info.frame_count) == (48, 32, 10)
