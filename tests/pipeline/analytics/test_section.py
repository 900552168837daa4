import re
from pathlib import Path

import numpy as np
import pytest
import shapely

from configs.analytics_schema import AnalyticsSettings
from configs.errors import InputError
from pipeline.analytics.analysis import analyze, nobody
from pipeline.analytics.section import crowd_page, crowd_section
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.study import Study
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.write import read_table, write_analysis

LINE = Shape("<door>", "line", shapely.LineString([(4, -10), (4, 10)]))
ZONE = Shape("shop & bar", "zone", shapely.box(0, 0, 6, 6))


def test_the_section_shows_figures_map_plots_and_reasons(walkers: Trajectories, tmp_path: Path) -> None:
    settings = AnalyticsSettings()
    found = analyze(Study(walkers, settings, Shapes((ZONE,), (LINE,))))
    write_analysis(tmp_path, found, settings, "people & <co>", lambda paths: None, page=crowd_page)
    page = (tmp_path / "analytics.html").read_text()
    section = crowd_section(tmp_path)
    assert section in page and "people &amp; &lt;co&gt;" in page
    assert "&lt;door&gt;" in section and "<door>" not in section and "shop &amp; bar" in section
    assert section.count('class="way"') == len(walkers.people) and "not measurable, because" in section
    for title in ("From above", "N-t", "Fundamental diagram", "Voronoi density", "<h3>People</h3>", "<h3>Zones</h3>"):
        assert title in section
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)
    table = read_table(tmp_path, "persons")
    assert table is not None and len(table) == len(walkers.people)


def test_a_folder_without_an_analysis_has_no_section_and_one_without_people_says_so(tmp_path: Path) -> None:
    assert crowd_section(tmp_path) == ""
    write_analysis(tmp_path, nobody(), AnalyticsSettings(), "empty.mp4", lambda paths: None)
    assert "nobody was found" in crowd_section(tmp_path)


def test_a_damaged_analysis_is_said(tmp_path: Path) -> None:
    (tmp_path / "analytics.json").write_text("{}")
    with pytest.raises(InputError, match="analyse the run again"):
        crowd_section(tmp_path)


def test_a_single_frame_of_one_person_is_drawn(tmp_path: Path, walkers: Trajectories) -> None:
    settings = AnalyticsSettings()
    found = analyze(Study(walkers.take(np.arange(1)), settings))
    write_analysis(tmp_path, found, settings, "one", lambda paths: None)
    assert "1 people" not in crowd_section(tmp_path) and "From above" in crowd_section(tmp_path)
