"""Which cameras are taken, and what their number is worth."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import SettingsError
from configs.read import read_settings
from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.evaluation.camera_counts import camera_subsets, errors_of_count, parse_counts
from pipeline.models import Models
from pipeline.multiview.views import view_of

FRAMES = 12


def test_all_subsets_are_taken_or_those_that_spread_round_the_rig() -> None:
    four = cameras_round(4)
    assert len(camera_subsets(four, 2)) == 6 and camera_subsets(four, 4) == [(0, 1, 2, 3)]
    eight = cameras_round(8)
    assert camera_subsets(eight, 2) == [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert camera_subsets(eight, 4) == [(0, 2, 4, 6), (1, 3, 5, 7)]
    order = [5, 2, 7, 0, 3, 6, 1, 4]
    shuffled = camera_subsets([eight[number] for number in order], 2)
    assert sorted(sorted(order[n] for n in subset) for subset in shuffled) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert len(camera_subsets(eight, 3)) == 6


def test_counts_are_read() -> None:
    assert parse_counts("1,2,10") == [1, 2, 10]
    for text in ("0", "a", "1,,2", "1-4", "-1"):
        with pytest.raises(SettingsError, match="give numbers of cameras"):
            parse_counts(text)


def test_more_cameras_are_better_and_one_alone_triangulates_nothing(tmp_path: Path) -> None:
    body = load_body(None)
    walkers = Walkers(body, 2, FRAMES)
    views = [
        view_of(camera, walkers.seen_by(camera, [[1] * FRAMES, [2] * FRAMES], noise_px=3.0, pose_noise=0.2))
        for camera in cameras_round(3)
    ]
    truth = np.stack([walkers.joints(0), walkers.joints(1)])
    settings = read_settings(None, {"refine.mode": "smooth"}, [])
    models = Models(settings, "cpu")
    one, three = (errors_of_count(views, count, 30.0, settings, models, truth) for count in (1, 3))
    assert (one[0], three[0]) == (3, 1)
    assert one[1]["triangulation"].found == 0 and three[1]["triangulation"].found == 2 * FRAMES
    assert one[1]["people"].wanted == 3 * 2 * FRAMES, "over all subsets"
    assert three[1]["people"].pa_mm < 0.8 * one[1]["people"].pa_mm
    single = "each view alone, mean"
    assert three[1]["consensus of poses, uncalibrated"].pa_mm < 0.8 * three[1][single].pa_mm
    assert three[1][single].pa_mm == pytest.approx(one[1][single].pa_mm, rel=0.1)
