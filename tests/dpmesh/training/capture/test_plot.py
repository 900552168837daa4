"""Who is in the room, and that they keep apart."""

import numpy as np
import pytest
from walking_bank import walking_bank

from configs.errors import InputError
from dpmesh.body.model import BodyModel
from dpmesh.training.capture.plot import PEOPLE, Actor, choose_sequences, stage_people
from dpmesh.training.capture.rig import WALL_M


def staged(body: BodyModel, people: int, seconds: float = 3.8, seed: int = 0, **bank: int) -> list[Actor]:
    rng = np.random.default_rng(seed)
    return stage_people(rng, body, walking_bank(**bank), people, (0.0, seconds), 0.8, is_open=False)


def spots(actors: list[Actor]) -> np.ndarray:
    return np.stack([actor.pelvis_m[:, [0, 2]] for actor in actors])


def nearest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=-1).min())


@pytest.fixture(scope="module")
def five(body: BodyModel) -> list[Actor]:
    return staged(body, 5)


def test_people_pass_each_other_without_touching(five: list[Actor]) -> None:
    found = spots(five)
    assert len(found) == 5
    apart = [nearest(found[one], found[other]) for one in range(5) for other in range(one)]
    assert min(apart) > 0.5 and apart[0] < 0.7  # the first two pass closely


def test_two_hug_where_there_is_time_and_one_leaves_and_comes_back(body: BodyModel) -> None:
    actors = staged(body, 3, seconds=7.0, dances=0)
    found = spots(actors)
    assert nearest(found[0], found[1]) == pytest.approx(0.36, abs=0.05)
    assert nearest(found[0], found[2]) > 0.5
    outside = np.linalg.norm(found[2], axis=1) > WALL_M
    assert not outside[0] and outside.any() and not outside[-1]
    assert (np.linalg.norm(found[:2], axis=2) < 2.0).all()


def test_everybody_stands_on_the_floor(five: list[Actor]) -> None:
    for actor in five:
        assert actor.pelvis_m[:, 1].min() > 0.7 and actor.pelvis_m[:, 1].max() < 1.2


def test_a_motion_can_be_asked_for_between_its_frames(five: list[Actor]) -> None:
    actor = five[0]
    at = actor.at(np.array([1.0, 1.0 + 0.5 / actor.rate_hz]))
    assert np.abs(at.pelvis[0] - actor.pelvis_m[30]).max() < 1e-5
    assert np.abs(at.pelvis[1] - actor.pelvis_m[30:32].mean(axis=0)).max() < 1e-5


def test_nobody_moves_as_training_saw_it_unless_the_licence_asks_for_it() -> None:
    with pytest.raises(InputError, match="no walk held out from training"):
        choose_sequences(walking_bank("train"), False, 30)
    with pytest.raises(InputError, match="no walk of deepmimic and reactidle_bvh"):
        choose_sequences(walking_bank("test"), True, 30)
    assert len(choose_sequences(walking_bank("train", collection="deepmimic"), True, 30)[0]) == 3
    walks, others = choose_sequences(walking_bank("val"), False, 121)
    assert len(walks) == 3 and not others  # nobody performs for longer than the recording


def test_a_crowd_is_the_largest_that_is_planned(body: BodyModel) -> None:
    assert (PEOPLE[0], PEOPLE[-1]) == (2, 8)
    assert len(staged(body, 8, seconds=1.0)) == 8
