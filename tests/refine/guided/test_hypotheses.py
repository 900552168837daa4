"""Which sample is shown in a gap that is long enough for several."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from refine.fit.evidence import Piece
from refine.guided.hypotheses import LONG_S, gap_shares, with_best_in_gaps
from refine.rows.smooth import smooth_track
from refine.rows.types import Rows

TIME_S = np.arange(60) / 30
SETTINGS = RefineSettings()


def test_one_sample_is_shown_inside_long_gaps_alone() -> None:
    is_observed = np.ones(60, bool)
    is_observed[3:9] = False
    is_observed[20:45] = False
    shares = gap_shares(TIME_S, is_observed)
    assert not shares[:20].any() and not shares[45:].any()
    assert 0 < shares[20] < shares[22] < 1 and (shares[25:40] == 1).all()
    np.testing.assert_allclose(shares[20:45], shares[20:45][::-1], atol=1e-9)
    assert LONG_S > (9 - 2) / 30


def test_of_two_samples_the_one_that_does_not_leap_is_shown(make_scene: Callable) -> None:
    scene = make_scene(60, gap=slice(20, 45))
    start = smooth_track(scene.track, np.zeros(3), 5.0)
    piece = Piece(scene.track, start, np.arange(60))
    calm = Rows(start.pose, start.trans, start.betas)
    leap = start.pose.copy()
    leap[30:34, 16, 2] += 1.5
    wild = Rows(leap, start.trans + np.float32(0.01), start.betas)
    mean = Rows(start.pose, start.trans + np.float32(0.005), start.betas)
    for samples in ([calm, wild], [wild, calm]):
        found = with_best_in_gaps(piece, mean, samples, scene.body, SETTINGS, torch.device("cpu"))
        np.testing.assert_allclose(found.trans[28:37], calm.trans[28:37], atol=1e-6)
        np.testing.assert_allclose(found.trans[:20], mean.trans[:20], atol=1e-6)
        assert found.pose[31, 16] == pytest.approx(calm.pose[31, 16], abs=1e-5)
