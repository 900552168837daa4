"""Rows of views against a reference: what is right, and by how much a wrong one costs."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.evaluation import who_is_who as module
from pipeline.evaluation.who_is_who import measure_association, rows_shown
from pipeline.multiview.views import View, view_of

FRAMES, RATE_HZ = 40, 30.0


@pytest.fixture(scope="module")
def filmed() -> tuple[list[View], np.ndarray]:
    """Three people in four cameras, and their joints (3, T, 17, 3)."""
    walkers = Walkers(load_body(None), 3, FRAMES)
    ids = [[who + 1] * FRAMES for who in range(3)]
    views = [view_of(camera, walkers.seen_by(camera, ids, noise_px=2.0)) for camera in cameras_round(4)]
    return views, np.stack([walkers.joints(who) for who in range(3)])


def test_rows_show_those_whose_joints_they_lie_on(filmed: tuple[list[View], np.ndarray]) -> None:
    views, joints = filmed
    for view in views:
        np.testing.assert_array_equal(rows_shown(view, joints), view.rows.track_id - 1)
    unknown = joints.copy()
    unknown[1, 10:20] = np.nan
    shown, frame = rows_shown(views[0], unknown), views[0].rows.frame_index
    gone = (views[0].rows.track_id == 2) & (frame >= 10) & (frame < 20)
    assert (shown[gone] == -1).all() and (shown[~gone] == views[0].rows.track_id[~gone] - 1).all()
    assert (rows_shown(views[0], joints[:, :5])[frame >= 5] == -1).all(), "the reference ends"


def test_all_is_right_where_people_are_told_apart_and_wrong_numbers_cost(
    filmed: tuple[list[View], np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    views, joints = filmed
    monkeypatch.setattr(module, "read_views", lambda folder, run: (views, RATE_HZ))
    monkeypatch.setattr(module, "find_reference", lambda folder: (joints, ""))
    (two, four) = measure_association(tmp_path, tmp_path, [2, 4], 3, 0.0, 5)
    assert two[:2] == (2, 3) and four[:2] == (4, 1)
    for *_, found in (two, four):
        assert (found.rows_right, found.pairs_right, found.pairs_found, found.people) == (1.0, 1.0, 1.0, 3.0)
    monkeypatch.setattr(module, "who_is_who", lambda own, rate_hz: [])
    (*_, nobody) = measure_association(tmp_path, tmp_path, [4], 3, 0.0, 5)[0]
    assert nobody.rows_right == 0 and nobody.pairs_found == 0 and nobody.pairs_right == 0 == nobody.people
    with pytest.raises(InputError, match="5 cameras are asked for; it has 4"):
        measure_association(tmp_path, tmp_path, [5], 3, 0.0, 5)
