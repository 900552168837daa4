"""Views alone are as good as what they recovered; their consensus averages errors of the pose, not of the place."""

import numpy as np
import pytest

from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.evaluation.multiview import errors_at, match, mean_errors
from pipeline.evaluation.single_views import alone, in_consensus
from pipeline.multiview.people import people_of
from pipeline.multiview.views import View, view_of

FRAMES = 10


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def film(body: BodyModel, pose_noise: float) -> tuple[np.ndarray, list[View]]:
    walkers = Walkers(body, 2, FRAMES)
    seen = [[1] * FRAMES, [2] * FRAMES]
    late = [[0] * 4 + [1] * (FRAMES - 4), [2] * FRAMES]
    cameras = cameras_round(4)
    views = [
        view_of(camera, walkers.seen_by(camera, late if number == 3 else seen, pose_noise=pose_noise))
        for number, camera in enumerate(cameras)
    ]
    return np.stack([walkers.joints(0), walkers.joints(1)]), views


def test_exact_views_have_no_error_and_a_frame_without_a_view_is_not_measured(body: BodyModel) -> None:
    truth, views = film(body, 0.0)
    people = people_of(views, 30.0)
    for estimate in (alone, in_consensus):
        found = estimate(people, views, body)
        matches = match(found[0], truth)
        errors = [errors_at(matches, one, truth) for one in found]
        assert [one.found for one in errors] == [2 * FRAMES] * 3 + [2 * FRAMES - 4]
        assert max(one.mpjpe_mm for one in errors) < 0.1


def test_the_consensus_averages_the_errors_of_poses(body: BodyModel) -> None:
    truth, views = film(body, 0.25)
    people = people_of(views, 30.0)
    single, joint = alone(people, views, body), in_consensus(people, views, body)
    matches = match(single[0], truth)
    before, after = (mean_errors([errors_at(matches, one, truth) for one in found]) for found in (single, joint))
    assert after.pa_mm < 0.7 * before.pa_mm
    roots = [one[1].joints_m[:, 11:13].mean(axis=1) for one in (single[0], joint[0])]
    np.testing.assert_allclose(roots[0], roots[1], atol=1e-4), "root and place are the view's own"
