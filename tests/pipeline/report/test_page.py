"""The page says what is so, in one file, and nothing in a name can become a part of it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.bench.report import make_run
from pipeline.motion.scene import level_scene
from pipeline.report.facts import Facts, gather
from pipeline.report.links import Join
from pipeline.report.page import report_page

EVIL = "<script>alert(1)</script>\"'&.mp4"


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return gather(make_run(tmp_path / "run", 2, 2))


def test_a_video_called_like_a_script_stays_a_name(tmp_path: Path) -> None:
    facts = gather(make_run(tmp_path / "run", 1, 1, name=EVIL))
    facts = replace(facts, joins={1: [Join(0.5, EVIL)]}, ground=level_scene(600.0, "given", EVIL))
    page = report_page(facts, embed_bytes=0)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert len(re.findall(r"</script", page)) == page.count("<script")


def test_the_page_names_no_host(facts: Facts) -> None:
    page = report_page(facts, embed_bytes=0)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:|tracks/|run\.json|overlay\.mp4)[^\"]*", page)
    assert not re.findall(r"https?://", page)


def test_a_small_video_is_part_of_the_page_and_a_large_one_lies_beside_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, 1)
    run.files.overlay.write_bytes(bytes(1000))
    small, large = (report_page(gather(run), embed_bytes=limit) for limit in (1000, 999))
    assert 'src="data:video/mp4;base64,AAAA' in small and 'src="overlay.mp4"' in large
    assert all('href="overlay.mp4"' in page for page in (small, large))


def test_people_have_cards_rows_and_plots(facts: Facts) -> None:
    page = report_page(facts, embed_bytes=0)
    for number in (1, 2):
        assert f'aria-label="Person {number}: seen 0:00.0 to 0:00.6, filled in 0:00.6 to 0:00.8' in page
        assert f'data-follow="{number}"' in page and f"tracks/person_{number:03d}.npz" in page
    plots = json.loads(re.search(r'id="plot-data">(.*?)</script>', page)[1])  # type: ignore[index]
    assert set(plots) == {"speed", "confidence", "count"}
    assert max(v for v in plots["count"]["lines"][0]["values"] if v is not None) == 2
    gap = plots["confidence"]["lines"][0]["values"]
    assert None in gap and gap[0] is not None


def test_warnings_are_in_words(facts: Facts) -> None:
    quality = {1: {"confidence": 0.2}, 2: {"observed_fraction": 0.3}}
    ground = replace(level_scene(600.0, "diagonal", "one person"), is_camera_still=False)
    page = report_page(replace(facts, quality=quality, ground=ground), embed_bytes=0)
    for words in (
        "distances from the camera may be off by 20 %", "The ground was not measured (one person)", "The camera moves",
        "Person 1: most joints were hardly visible", "Person 2: hidden for much of the time",
    ):  # fmt: skip
        assert words in page
    weighed = replace(level_scene(700.0, "weighed", ""), focal_sigma_px=140.0, is_ground_measured=True)
    assert "focal length is uncertain by 20 %" in report_page(replace(facts, ground=weighed), embed_bytes=0)
    assert 'aria-label="Warnings"' not in report_page(
        replace(facts, ground=replace(level_scene(600.0, "given", ""), is_ground_measured=True)), embed_bytes=0
    )


def test_quality_of_the_run_is_shown_and_else_measured(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, 2)
    assert gather(run).quality[1]["observed_fraction"] == pytest.approx(0.9)
    (run.path / "quality.json").write_text(json.dumps({"people": [{"person": 1, "foot_sliding_m_s": 0.41}]}))
    assert "0.41 m/s" in report_page(gather(run), embed_bytes=0)


def test_nobody_makes_a_page_that_says_so(tmp_path: Path) -> None:
    page = report_page(gather(make_run(tmp_path / "run", 0, 1)), embed_bytes=0)
    assert "Nobody was found." in page and 'id="h-people"' not in page
