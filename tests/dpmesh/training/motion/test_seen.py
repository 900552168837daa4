"""Recorded people before a camera, and what a run would know of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from configs.checks import join_rows
from configs.weights import resolve
from dpmesh.body import BodyModel
from dpmesh.keypoints import smpl24_confidence
from dpmesh.network.model import DPMesh
from dpmesh.training.engine.rng import Rng
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.motion.clips import RATES_HZ, Clips, draw_clips
from dpmesh.training.motion.seen import HIDDEN_ROWS, SimulatedMotion, _often_hidden, see
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.simulated import CLEAN, KeypointNoise

FRAMES, RATE_HZ = 24, 30.0


@pytest.fixture(scope="module")
def bank() -> PoseBank:
    """One person of each split who swings the arms while walking in a circle."""
    time = np.arange(180) / RATE_HZ
    pose = np.zeros((360, 24, 3), np.float32)
    pose[:, 16, 2], pose[:, 17, 2] = -1.2, 1.2
    pose[:, [16, 17], 0] = np.tile(0.5 * np.sin(4.0 * time), 2)[:, None]
    trans = np.tile(np.stack([np.cos(time), 0 * time + 0.9, np.sin(time)], axis=1), (2, 1)).astype(np.float32)
    return PoseBank(
        pose, trans, np.repeat([0, 1], 180).astype(np.int32), np.tile(time, 2).astype(np.float32), RATE_HZ,
        *(np.array(names) for names in (["a", "b"], ["x", "x"], ["p", "q"], ["walk", "walk"], ["train", "val"])),
    )  # fmt: skip


@pytest.fixture(scope="module")
def network() -> DPMesh:
    return DPMesh.from_pretrained(resolve("compact")).eval()


def clips_of(bank: PoseBank, seed: int = 0, count: int = 6) -> Clips:
    return draw_clips(bank, np.random.default_rng(seed), count, FRAMES, "train")


def seen_of(bank: PoseBank, body: BodyModel, network: DPMesh, noise: KeypointNoise, seed: int = 0) -> SimulatedMotion:
    return see(clips_of(bank, seed), body, network, noise, Rng((seed, 1)))


def test_clips_differ_in_rate_and_move_as_recorded(bank: PoseBank) -> None:
    clips = clips_of(bank)
    rates = (FRAMES - 1) / clips.time_s[:, -1]
    assert (rates >= RATES_HZ[0] - 1e-6).all() and (rates <= RATES_HZ[1] + 1e-6).all() and np.ptp(rates) > 5
    speed = np.linalg.norm(np.diff(clips.pelvis, axis=1), axis=-1) / np.diff(clips.time_s, axis=1)
    assert (speed > 0.69).all() and (speed < 1.41).all()  # a metre per second at paces of 0.7 to 1.4
    assert np.abs(np.diff(clips.pose, axis=1)).max() < 1.0


def test_draws_repeat_with_the_seed_and_differ_without(bank: PoseBank, body: BodyModel, network: DPMesh) -> None:
    noise = KeypointNoise()
    one, same, other = (seen_of(bank, body, network, noise, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.keypoints, same.keypoints) and np.array_equal(one.recovered, same.recovered)
    assert not np.array_equal(one.keypoints, other.keypoints)


def test_without_errors_keypoints_lie_on_the_projected_body(bank: PoseBank, body: BodyModel, network: DPMesh) -> None:
    seen = seen_of(bank, body, network, CLEAN)
    count = len(seen.pose)
    joints = body.joints(
        torch.from_numpy(seen.pose).flatten(0, 1),
        torch.from_numpy(seen.betas).repeat_interleave(FRAMES, 0),
        torch.zeros(count * FRAMES, 3),
        joint_set="coco17",
    ).unflatten(0, (count, FRAMES))
    sure = seen.keypoints[..., 2] > 0
    for row in range(count):
        rows = np.flatnonzero(sure[row].sum(1) >= 8)
        rays = (seen.keypoints[row, rows, :, :2] - seen.principal_px[row]) / seen.focal_px[row]
        # One translation per row, by least squares of x - u z, leaves nothing but the shiver.
        for place, ray in zip(rows, rays, strict=True):
            use = sure[row, place]
            points = joints[row, place].numpy()[use].astype(np.float64)
            left = np.concatenate([np.tile(np.eye(2), (use.sum(), 1)), -ray[use].reshape(-1, 1)], axis=1)
            right = (ray[use] * points[:, 2:] - points[:, :2]).reshape(-1)
            trans, *_ = np.linalg.lstsq(left, right, rcond=None)
            off = points[:, :2] + trans[:2] - ray[use] * (points[:, 2:] + trans[2])
            assert np.abs(off).max() < 0.08  # metres


def test_errors_last_and_rows_without_keypoints_are_not_observed(
    bank: PoseBank, body: BodyModel, network: DPMesh
) -> None:
    clean, noisy = (seen_of(bank, body, network, noise) for noise in (CLEAN, KeypointNoise(weak_rate=1.0)))
    both = (clean.keypoints[..., 2] > 0) & (noisy.keypoints[..., 2] > 0)
    size = np.ptp(clean.keypoints[..., 1], axis=2).clip(1.0)[..., None, None]
    error = np.where(both[..., None], (noisy.keypoints - clean.keypoints)[..., :2] / size, np.nan)
    next_to = np.nanmedian(np.abs(np.diff(error, axis=1)))
    assert next_to < 0.5 * np.nanmedian(np.abs(error))
    empty = noisy.keypoints[..., 2].max(-1) == 0
    assert empty.any() and not noisy.is_observed[empty].any() and not noisy.recovered[~noisy.is_observed].any()
    assert smpl24_confidence(noisy.keypoints[noisy.is_observed]).max(1).min() >= 0.3


def test_hints_follow_the_truth_and_help_those_who_are_told_them(
    bank: PoseBank, body: BodyModel, network: DPMesh
) -> None:
    exact = HintNoise(
        told=(1.0, 1.0, 1.0), shared=(0.0, 0.0, 0.0), bias=((0.0,) * 3,) * 12, common=((0.0,),) * 36,
        own=((0.0,) * 3,) * 12, amplitudes=(1.0,), visibility_factors=(1.0,) * 5,
        visibility_shares=((0.0, 0.0, 0.0, 0.0, 1.0),) * 3,
    )  # fmt: skip
    clips, noise = clips_of(bank), KeypointNoise()
    without = see(clips, body, network, noise, Rng((3, 1)))
    told = see(clips, body, network, noise, Rng((3, 1)), exact)
    assert not without.hints.any() and np.array_equal(told.keypoints, without.keypoints)
    is_told = told.hints[..., 3].any(-1)
    assert 0.3 < is_told[told.is_observed].mean() < 1.0 and not told.hints[~told.is_observed].any()
    assert np.array_equal(told.recovered[~is_told], without.recovered[~is_told])
    wrong = [np.abs(seen.recovered - seen.pose)[is_told][:, 1:].mean() for seen in (told, without)]
    assert wrong[0] < wrong[1]


def test_joined_parts_hold_the_rows_of_both(bank: PoseBank, body: BodyModel, network: DPMesh) -> None:
    parts = [seen_of(bank, body, network, CLEAN, seed) for seed in (0, 1)]
    joined = join_rows(parts)
    assert len(joined.pose) == 12 and np.array_equal(joined.betas[6:], parts[1].betas)


def test_a_split_without_recordings_is_named(bank: PoseBank) -> None:
    with pytest.raises(ValueError, match=r"no test poses|no sequence of test"):
        draw_clips(bank, np.random.default_rng(0), 1, FRAMES, "test")


def test_the_command_needs_a_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dpmesh.training.commands import make_motion

    argv = ["make_motion", "--poses", str(tmp_path / "no.npz"), "--weights", ".", "--output", str(tmp_path / "o"),
            "--count", "1"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", argv)
        assert make_motion.main() == 1
    assert "no pose bank there" in capsys.readouterr().err


def test_several_cameras_see_the_same_people_from_all_sides(bank: PoseBank, body: BodyModel, network: DPMesh) -> None:
    clips, noise = clips_of(bank, 3), CLEAN
    seen = see(clips, body, network, noise, Rng((3, 1)), cameras=2, hidden_share=0.0)
    count = len(clips.pose)
    assert seen.camera.tolist() == [0, 1] * count and len(seen.pose) == 2 * count
    np.testing.assert_array_equal(seen.betas[::2], seen.betas[1::2])
    world = [
        (seen.pelvis_m[k::2] - seen.shift_m[k::2, None]) @ seen.rotation[k::2] for k in (0, 1)
    ]  # the same places, however they are seen
    np.testing.assert_allclose(world[0], world[1], atol=1e-4)
    ahead = [seen.rotation[k::2, 2] for k in (0, 1)]
    assert (np.abs(np.sum(ahead[0] * ahead[1], axis=1)) < 0.99).any()


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_as_many_joints_are_hidden_as_asked_for(share: float) -> None:
    hidden = _often_hidden(Rng((1,)), 50, 64, share)
    assert abs(float(hidden.float().mean()) - share) < 0.03
    assert (hidden[:, :HIDDEN_ROWS] == hidden[:, :1]).all()
