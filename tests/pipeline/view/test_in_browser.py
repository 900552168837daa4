"""The viewer in a real Chromium that reaches no host but this machine."""

import io
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from browser import Page, open_browser
from PIL import Image
from real_command import ended, start

from pipeline.bench.report import make_run

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
pytest.importorskip("viser", reason="the viewer needs the extra `view`")


def test_a_run_plays_in_the_browser(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 2, 5)
    command = start("view", str(run.path), "--port", "8395", folder=tmp_path)
    try:
        assert command.stdout is not None
        url = command.stdout.readline().decode().split()[0]
        with open_browser(tmp_path / "browser") as page:
            page.open(url)
            page.wait("document.querySelector('canvas') && document.body.innerText.includes('Person 2')")
            first = settled(page)
            page.evaluate("[...document.querySelectorAll('button')].find(b => b.innerText === 'Play').click()")
            page.wait("document.body.innerText.includes('Pause')")
            time.sleep(2)
            second = settled(page)
            assert (np.abs(first - second).max(axis=-1) > 20).mean() > 0.002
            assert {address.split("/")[2] for address in page.requests()} == {url.split("/")[2]}
            assert not [text for text in page.complaints() if "THREE." not in text]
    finally:
        command.send_signal(signal.SIGINT)
    assert ended(command)[0] == 0


def settled(page: Page) -> np.ndarray:
    """Return the picture left of the controls, once something is drawn."""
    for _ in range(60):
        image = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.int16)[200:, :900]
        if (np.ptp(image.astype(int), axis=-1) > 60).mean() > 0.001:  # colours: a body is there
            return image
        time.sleep(0.5)
    raise AssertionError("nothing is drawn")
