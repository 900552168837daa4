from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.training.mocap import PoseBank
from dpmesh.training.mocap.bank import CATEGORY_WEIGHTS, check_bank


def test_a_bank_comes_back_from_its_file_without_pickle(bank: PoseBank, tmp_path: Path) -> None:
    bank.write(tmp_path / "poses.npz")
    again = PoseBank.read(tmp_path / "poses.npz")
    for field in ("pose", "trans", "sequence", "time_s", "names", "subjects", "categories", "splits", "collections"):
        assert np.array_equal(getattr(again, field), getattr(bank, field)), field
    assert again.rate_hz == bank.rate_hz
    with np.load(tmp_path / "poses.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored)
    assert [path.name for path in tmp_path.iterdir()] == ["poses.npz"]


@pytest.mark.parametrize("read", [PoseBank.read, check_bank])
def test_missing_and_foreign_files_are_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match=r"poses\.npz.*no pose bank"):
        read(tmp_path / "poses.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz: not a pose bank"):
        read(tmp_path / "other.npz")
    np.savez(tmp_path / "old.npz", format=np.array("dpmesh-pose-bank-0"))
    with pytest.raises(InputError, match=r"old\.npz: format is dpmesh-pose-bank-0, expected .*; convert it anew"):
        read(tmp_path / "old.npz")


@pytest.mark.parametrize("read", [PoseBank.read, check_bank])
def test_a_cut_bank_is_named(bank: PoseBank, tmp_path: Path, read: Callable[[Path], object]) -> None:
    bank.write(tmp_path / "poses.npz")
    check_bank(tmp_path / "poses.npz")
    whole = (tmp_path / "poses.npz").read_bytes()
    (tmp_path / "poses.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"poses\.npz: not a pose bank: .*make it anew"):
        read(tmp_path / "poses.npz")


def test_idle_does_not_dominate_a_draw(bank: PoseBank) -> None:
    pose = bank.sample(np.random.default_rng(0), 4000, augmentation=None)
    sequence = np.rint(pose[:, 3, 0] / 0.01).astype(int) - 1
    shares = np.bincount(sequence, minlength=6) / len(sequence)
    train = {name: CATEGORY_WEIGHTS[name] for name in ("idle", "walk", "dance", "fight", "acrobatics")}
    expected = [share / sum(train.values()) for share in train.values()]
    assert np.allclose(shares[:5], expected, atol=0.03)


def test_a_split_is_drawn_from_its_own_sequences_only(bank: PoseBank) -> None:
    pose = bank.sample(np.random.default_rng(0), 500, split="val", augmentation=None)
    assert np.allclose(pose[:, 3, 0], 0.06)
    train = bank.sample(np.random.default_rng(0), 2000, augmentation=None)
    assert not np.isclose(train[:, 3, 0], 0.06).any()


def test_draws_repeat_with_the_seed_and_differ_without(bank: PoseBank) -> None:
    draws = [bank.sample(np.random.default_rng(seed), 16) for seed in (4, 4, 5)]
    assert draws[0].shape == (16, 24, 3) and draws[0].dtype == np.float32
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_an_unknown_split_is_refused(bank: PoseBank) -> None:
    with pytest.raises(ValueError, match=r"no test poses.*train.*val"):
        bank.sample(np.random.default_rng(0), 1, split="test")


def test_a_clip_stays_in_one_sequence_and_starts_over_the_origin(bank: PoseBank) -> None:
    for seed in range(20):
        clip = bank.clip(np.random.default_rng(seed), 1.0, category="walk")
        assert clip.pose.shape == (30, 24, 3) and clip.trans.shape == (30, 3) and clip.rate_hz == 30.0
        assert np.allclose(clip.pose[:, 3, 0], 0.02)
        assert np.allclose(clip.trans[0], [0, 0.9, 0], atol=1e-6)
        assert np.allclose(np.linalg.norm(np.diff(clip.trans, axis=0), axis=1), 1 / 30, atol=1e-5)


def test_a_clip_longer_than_any_sequence_is_refused(bank: PoseBank) -> None:
    with pytest.raises(ValueError, match="no sequence of train/dance has 3"):
        bank.clip(np.random.default_rng(0), 3, category="dance")


def test_sequences_must_ascend(bank: PoseBank) -> None:
    fields = {name: getattr(bank, name) for name in PoseBank.__slots__}
    with pytest.raises(ValueError, match="ascend"):
        PoseBank(**{**fields, "sequence": bank.sequence[::-1]})
