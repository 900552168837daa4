from pathlib import Path

import numpy as np
import pytest

from configs.analytics_schema import AnalyticsSettings
from configs.errors import InputError
from dpmesh.training.make_crowd import main as make_crowd
from pipeline.evaluation.line_crowds import AREA, measure_line, read_line_crowd, run_line


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crowds")
    options = ["--heights", "4", "--densities", "sparse", "--clips", "1", "--frames", "75"]
    assert make_crowd([str(folder), *options]) == 0
    return folder / "sparse_4m_1"


def test_places_are_to_the_right_of_the_camera_and_before_it(folder: Path) -> None:
    crowd = read_line_crowd(folder)
    assert crowd.height_m == 4.0 and 5.0 < crowd.tilt_deg < 30.0 and crowd.rate_hz == pytest.approx(25.0)
    tilt = np.radians(crowd.tilt_deg)
    ankles = crowd.keypoints[:, [15, 16]]
    below = (ankles[..., 1].mean(axis=1) - crowd.size_px[1] / 2) / crowd.focal_px
    far = crowd.height_m / np.tan(
        np.maximum(np.arctan(below) + tilt, 0.05)
    )  # where rays through ankles meet the ground
    seen = np.median(far[(ankles[..., 2] > 0.5).all(axis=1)])
    assert abs(seen - np.median(crowd.place_m[..., 1])) < 3.0 and AREA.bounds[1] < crowd.place_m[..., 1].min()


def test_what_is_no_clip_of_a_still_camera_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--heights"):
        read_line_crowd(tmp_path)
    assert make_crowd([str(tmp_path), "--densities", "sparse", "--clips", "2", "--frames", "10"]) == 0
    with pytest.raises(InputError, match="its camera moves"):
        read_line_crowd(tmp_path / "sparse_queue_2")


@pytest.mark.slow
def test_detections_go_through_the_whole_line(folder: Path, tmp_path: Path) -> None:
    crowd = read_line_crowd(folder)
    found = measure_line(crowd, run_line(crowd, tmp_path, is_focal_given=True), AnalyticsSettings(samples=4))
    assert found.found > 0.4 and found.focal == pytest.approx(0.0, abs=1e-3) and abs(found.people) < 0.7
