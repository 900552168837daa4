"""The page in a real Chromium that reaches no host: the scene moves, the video seeks, nothing is complained of."""

import base64
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from browser import Page, open_browser
from PIL import Image

from configs.output_schema import ReportSettings
from pipeline.bench.report import make_run
from pipeline.media import VideoWriter
from pipeline.report.write import report_folder, write_page
from pipeline.results import Run

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">.mp4"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with open_browser(tmp_path / "browser") as found:
        yield found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = make_run(tmp_path / "run", 3, 4, name=EVIL)
    with VideoWriter(run.files.overlay, 320, 180, Fraction(30)) as video:
        for frame in range(120):
            video.write(np.full((180, 320, 3), 2 * frame, np.uint8), frame / 30)
    return run


def open_report(page: Page, run: Run, embed_mb: float = 4, **window: int | bool) -> Page:
    write_page(run.files.report, run, ReportSettings(video_embed_mb=embed_mb))
    page.open(run.files.report.as_uri(), **window)  # type: ignore[arg-type]
    page.wait("document.body.dataset.ready")
    assert page.evaluate("document.body.dataset.ready") == "yes"
    return page


def scene_pixels(page: Page, time_s: float) -> np.ndarray:
    page.evaluate(f"window.report.show({time_s}); new Promise(done => setTimeout(done, 300))")
    page.evaluate("window.report.view.paint()")
    url = page.evaluate("document.getElementById('scene').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), np.int16)


@pytest.mark.parametrize("embed_mb", [4.0, 0.0])
def test_the_scene_moves_and_the_video_follows(page: Page, run: Run, embed_mb: float) -> None:
    open_report(page, run, embed_mb)
    first, second = scene_pixels(page, 0.5), scene_pixels(page, 2.5)
    assert (np.abs(first - second).max(axis=-1) > 20).mean() > 0.003
    assert (scene_pixels(page, 0.5) == first).mean() > 0.999
    page.wait("document.getElementById('video').readyState >= 2")
    page.evaluate("window.report.show(3)")
    page.wait(
        "!document.getElementById('video').seeking && Math.abs(document.getElementById('video').currentTime - 3) < 0.05"
    )
    page.evaluate("window.report.show(0); window.report.play(true)")
    page.wait("window.report.clock.time > 0.5 && document.getElementById('video').currentTime > 0.4")
    page.evaluate("window.report.play(false)")
    assert page.evaluate("document.getElementById('video').paused")
    assert [url.partition("#")[0] for url in page.requests()] == [run.files.report.as_uri()] + (
        [] if embed_mb else [run.files.overlay.as_uri()]
    )
    assert page.complaints() == [] and page.evaluate("document.title") != "taken"


def test_everything_answers_to_the_keyboard_and_to_clicks(page: Page, run: Run) -> None:
    open_report(page, run)
    before = scene_pixels(page, 1)
    page.evaluate("document.querySelector('[data-hide=\"1\"]').click()")
    hidden = scene_pixels(page, 1)
    assert (np.abs(before - hidden).max(axis=-1) > 20).any()
    page.evaluate("document.querySelector('[data-hide=\"1\"]').click()")
    for name, value in (("mode", "skeleton"), ("colours", "status"), ("colours", "confidence")):
        box = f"document.getElementById('{name}')"
        page.evaluate(f"{box}.value = '{value}'; {box}.dispatchEvent(new Event('change'))")
        after = scene_pixels(page, 1)
        assert (np.abs(before - after).max(axis=-1) > 20).any(), value
        before = after
    page.evaluate("document.getElementById('scene').focus()")
    for key in ("ArrowLeft", "+"):
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if key == "+" else "")
        after = scene_pixels(page, 1)
        assert (np.abs(before - after).max(axis=-1) > 20).any(), key
        before = after
    page.evaluate("document.activeElement.blur(); window.report.show(1)")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    assert page.evaluate("window.report.clock.time") == pytest.approx(1.5)
    unnamed = "[...document.querySelectorAll('button, input, select, video, canvas, svg[role=img]')].filter(e =>"
    unnamed += " !e.getAttribute('aria-label') && !e.textContent.trim() && !e.closest('label')).map(e => e.outerHTML)"
    assert page.evaluate(unnamed) == []
    assert page.complaints() == []


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_text_can_be_read_and_nothing_is_wider_than_the_window(page: Page, run: Run, width: int, is_dark: bool) -> None:
    open_report(page, run, width=width, height=844, is_dark=is_dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    poor = page.evaluate(CONTRAST)
    assert poor == []


def test_a_report_whose_video_is_gone_still_plays(page: Page, run: Run) -> None:
    write_page(run.files.report, run, ReportSettings(video_embed_mb=0))
    run.files.overlay.unlink()
    page.open(run.files.report.as_uri())
    page.wait("document.body.dataset.ready && !document.getElementById('video-missing').hidden")
    page.evaluate("window.report.play(true)")
    page.wait("window.report.clock.time > 0.5")


def test_a_crowd_of_five_minutes_plays_or_says_what_it_leaves_out(page: Page, tmp_path: Path) -> None:
    run = make_run(tmp_path / "crowd", 20, 300)
    open_report(page, run)
    assert "10 of the 30 samples per second" in page.evaluate("document.getElementById('thinned').textContent")
    page.evaluate("window.report.play(true)")
    page.wait("document.body.dataset.fps")
    told = page.evaluate("document.getElementById('status').textContent")
    page.wait("window.report.clock.time > 4")
    print(page.evaluate("document.body.dataset.fps"), "frames/s;", told)
    assert float(page.evaluate("document.body.dataset.fps")) >= 20 or "so the scene has" in told or "skeletons" in told
    assert page.complaints() == []


def test_an_index_leads_to_the_reports(page: Page, run: Run) -> None:
    page.open(report_folder(run.path.parent)[-1].as_uri())
    page.evaluate("document.querySelector('td a').click()")
    page.wait("document.body?.dataset.ready === 'yes'")
    assert page.complaints() == []


# Texts whose contrast with what is behind them is below 4.5 to 1, as WCAG 2.2 defines it.
CONTRAST = """(() => {
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0.5) return c.slice(0, 3); } return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('script, noscript, option')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
  }
  return found;
})()"""
