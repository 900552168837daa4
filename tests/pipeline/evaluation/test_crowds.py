import numpy as np
import pytest

from configs.analytics_schema import AnalyticsSettings
from pipeline.evaluation.crowds import measure
from pipeline.evaluation.simulated_camera import watch
from pipeline.evaluation.simulated_crowd import ROOM_M, Crowd, simulate

pytest.importorskip("jupedsim", reason="pip install 'dpmesh-video[crowds]', a gigabyte with what it needs")
pytestmark = pytest.mark.slow
SETTINGS = AnalyticsSettings(sample_hz=0.5, samples=8)


@pytest.fixture(scope="module", name="crowd")
def make_crowd() -> Crowd:
    return simulate(0.15, 6.0, 1)


def test_people_walk_in_the_room_and_groups_stay_together(crowd: Crowd) -> None:
    assert crowd.xy_m.shape[1] == 30 and (crowd.xy_m >= 0).all() and (crowd.xy_m <= ROOM_M).all()
    for group in crowd.groups():
        places = crowd.xy_m[:, [person - 1 for person in group]]
        assert np.linalg.norm(places - places.mean(axis=1, keepdims=True), axis=2).max() < 1.5
    assert crowd.groups() and len(crowd.groups()) < 30


def test_true_tracks_give_the_true_answers(crowd: Crowd) -> None:
    true = crowd.tracks()
    found = measure(crowd, true, true.person, SETTINGS)
    assert abs(found.people) < 0.03 and abs(found.density) < 0.1 and abs(found.speed) < 0.05
    assert found.flow == 0 and found.distance_m == 0 and found.density_absolute == 0


def test_a_camera_hides_people_and_says_how_sure_it_is(crowd: Crowd) -> None:
    everybody = watch(crowd, 4.0, 0, 0.6, is_all_found=True)
    assert len(everybody.truth) == crowd.xy_m.shape[0] * crowd.xy_m.shape[1]
    assert len(watch(crowd, 4.0, 0, 0.6).truth) < 0.95 * len(everybody.truth)
    off = everybody.people.xy_m - crowd.xy_m[everybody.people.frame, everybody.truth - 1]
    assert everybody.people.covariance_m2 is not None
    normal = np.einsum("ri,rij,rj->r", off, np.linalg.inv(everybody.people.covariance_m2), off)
    assert 0.5 < np.mean(normal) / 2 < 2.0  # 1 where the covariance is right
    high = watch(crowd, 8.0, 0, 0.6, is_all_found=True).people.covariance_m2
    assert high is not None and np.median(high[:, 1, 1]) < np.median(everybody.people.covariance_m2[:, 1, 1])
