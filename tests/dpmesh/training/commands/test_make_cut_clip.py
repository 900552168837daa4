"""A clip of several shots: who comes back, who does not, and a truth that says who is in which shot."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from walking_bank import walking_bank

from configs.errors import InputError
from dpmesh.training.commands.make_cut_clip import main, plan_shots
from pipeline.evaluation.tracking import read_mot
from pipeline.evaluation.truth import read_truth
from pipeline.media.read import read_frames


@pytest.mark.parametrize(("people", "shots"), [(6, 3), (8, 6), (10, 20)])
def test_half_of_the_people_come_back_and_the_others_are_there_once(people: int, shots: int) -> None:
    plot = plan_shots(people, shots)
    counts = np.bincount([person for cast in plot.shots for person in cast], minlength=people)
    assert (counts[: people // 2] >= 2).all() and (counts[people // 2 :] == 1).all()
    assert all(len(set(cast)) == len(cast) for cast in plot.shots)


@pytest.mark.parametrize(("people", "shots"), [(7, 6), (4, 6), (8, 3)])
def test_a_cast_that_does_not_fit_is_refused(people: int, shots: int) -> None:
    with pytest.raises(InputError, match="an even number from 6"):
        plan_shots(people, shots)


def test_the_truth_says_who_is_in_which_shot(tmp_path: Path) -> None:
    walking_bank(walks=5, dances=2).write(tmp_path / "bank.npz")
    cv2.imwrite(str(tmp_path / "place.png"), np.full((90, 160, 3), 90, np.uint8))
    given = ["--poses", str(tmp_path / "bank.npz"), "--background", str(tmp_path / "place.png"), "--output"]
    options = ["--people", "6", "--shots", "3", "--shot-seconds", "0.08", "--tries", "50"]
    assert main([*given, str(tmp_path / "out"), *options]) == 0
    truth = read_truth(tmp_path / "out" / "truth.npz")
    is_there = np.isfinite(truth.joints_m).all(axis=(2, 3))
    assert [np.flatnonzero(is_there[:, frame]).tolist() for frame in (0, 2, 4)] == [[0, 1, 3], [1, 2, 4], [0, 2, 5]]
    assert ((truth.visible_share > 0) <= is_there).all() and truth.visible_share.max() > 0.5
    assert len(list(read_frames(tmp_path / "out" / "cuts.mp4"))) == 6
    assert set(read_mot(tmp_path / "out" / "gt.txt").ids) <= set(range(1, 7))
