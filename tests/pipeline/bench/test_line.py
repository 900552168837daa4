from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.bench.line import MeasuredRun, loop_video, node_rows, stage_rows
from pipeline.media import probe


def test_nodes_and_stages_of_a_run_are_in_the_tables_once_and_the_rest_is_its_start() -> None:
    seconds = {"look": 1.0, "detect": 4.0, "new stage": 2.0, "observe": 5.0, "motion": 1.0, "total": 7.5}
    cpu = {"look": 1.5, "detect": 6.0, "new stage": 2.0, "observe": 9.0, "motion": 1.0}
    run = MeasuredRun(8, 10.0, 12.0, 100.0, seconds, cpu, nodes=("observe", "motion"))
    assert list(node_rows(run)) == [
        ("node", "seconds", "share", "CPU seconds", "cores busy"),
        ("observe", "5.0", "50%", "9.0", "1.80"),
        ("start", "4.0", "40%", "2.0", "0.50"),
        ("motion", "1.0", "10%", "1.0", "1.00"),
    ]
    assert list(stage_rows(run)) == [
        ("stage of observe", "seconds", "CPU seconds"),
        ("detect", "3.0", "4.5"),
        ("new stage", "2.0", "2.0"),
        ("look", "1.0", "1.5"),
    ]


def test_a_gif_is_looped_too(tmp_path: Path) -> None:
    images = [Image.fromarray(np.full((32, 48, 3), 80 * number, np.uint8)) for number in range(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100, loop=0)
    info = probe(loop_video(tmp_path / "a.gif", tmp_path / "b.mp4", 1.0))
    assert (info.width, info.height, info.frame_count) == (48, 32, 10)
