import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from doc_scripts import DOCS
from PIL import Image


@pytest.mark.spawns
def test_an_animation_is_made_of_an_overlay(tmp_path: Path) -> None:
    video, image = tmp_path / "overlay.mp4", tmp_path / "images" / "result.webp"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for shade in range(0, 240, 24):
            picture = np.full((48, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    command = [sys.executable, str(DOCS / "make_result_image.py"), str(video), str(image), "--width", "32"]
    subprocess.run(command, check=True, timeout=60)
    with Image.open(image) as made:
        assert (made.size, getattr(made, "n_frames", 1)) == ((32, 24), 5)
