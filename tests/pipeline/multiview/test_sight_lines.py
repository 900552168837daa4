"""Lines of sight at any instant, and which part of a long capture they are of."""

from dataclasses import replace

import numpy as np
import pytest

from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.sight_lines import BODY, SPAN_S, lines_of_all
from pipeline.multiview.views import View, view_of

FRAMES = 12


@pytest.fixture(scope="module")
def view() -> View:
    camera = cameras_round(2)[0]
    return view_of(camera, Walkers(load_body(None), 1, FRAMES).seen_by(camera, [[1] * FRAMES], noise_px=0.0))


def test_lines_point_from_the_camera_to_the_joints_also_between_frames(view: View) -> None:
    (lines,) = lines_of_all([view])[0].values()
    joints = Walkers(load_body(None), 1, FRAMES).joints(0)[:, BODY]
    wanted = joints - view.camera.centre_m
    wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
    np.testing.assert_allclose(lines.at(np.arange(FRAMES) / 30), wanted, atol=2e-3)
    np.testing.assert_allclose(lines.at(np.array([2.5 / 30]))[0], (wanted[2] + wanted[3]) / 2, atol=3e-3)
    assert np.isnan(lines.at(np.array([-0.1, FRAMES / 30]))).all()


def test_of_a_long_capture_only_the_part_that_shows_most_is_looked_at(view: View) -> None:
    alone = view_of(view.camera, view.rows.take(slice(0, 2)))
    busy = view_of(view.camera, replace(view.rows, time_s=view.rows.time_s + 3 * SPAN_S))
    assert [len(each) for each in lines_of_all([alone, busy])] == [0, 1]
    assert [len(each) for each in lines_of_all([alone, view])] == [1, 1]
