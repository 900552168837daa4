"""Who is in a held-out clip, and what passes before them."""

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.training.commands.make_demo_clip import HEIGHT, WIDTH
from dpmesh.training.commands.make_sequences import Thing, choose_roles, cover_frames
from dpmesh.training.mocap.bank import PoseBank


def bank_of(splits: list[str], categories: list[str], frames: int = 200) -> PoseBank:
    count = len(splits)
    return PoseBank(
        pose=np.zeros((count * frames, 24, 3), np.float32),
        trans=np.zeros((count * frames, 3), np.float32),
        sequence=np.repeat(np.arange(count), frames).astype(np.int32),
        time_s=np.tile(np.arange(frames) / 30, count).astype(np.float32),
        rate_hz=30.0,
        names=np.array([f"{split}/{kind}/{k}" for k, (split, kind) in enumerate(zip(splits, categories, strict=True))]),
        collections=np.full(count, "x"),
        subjects=np.full(count, "1"),
        categories=np.array(categories),
        splits=np.array(splits),
    )


def test_nobody_of_the_training_split_is_in_a_clip() -> None:
    bank = bank_of(
        ["train"] * 9 + ["test"] * 3 + ["val"] * 2, ["dance"] * 9 + ["dance", "walk", "fight", "idle", "run"]
    )
    for seed in range(20):
        names = [role.sequence for role in choose_roles(bank, np.random.default_rng(seed), 150)]
        assert len(set(names[1:])) == 3 and not any(name.startswith("train") for name in names)
        assert "walk" in names[0] or "run" in names[0]


def test_too_few_held_out_motions_are_refused() -> None:
    with pytest.raises(InputError, match="1 held-out walks and 2 other held-out motions of 150 frames"):
        choose_roles(bank_of(["test", "test"], ["walk", "dance"]), np.random.default_rng(0), 150)
    with pytest.raises(InputError, match="0 other held-out motions"):
        choose_roles(bank_of(["test"] * 4, ["dance"] * 4), np.random.default_rng(0), 201)


def test_a_thing_covers_what_is_behind_it_and_may_leave_the_picture() -> None:
    texture = np.full((HEIGHT - 100, 50, 3), 9, np.uint8)
    board = Thing(texture, 100, np.array([-80.0, -20.0, WIDTH - 10.0, WIDTH + 5.0]))
    covers = cover_frames([board], 0, 4)
    assert covers.alpha.sum(dim=(1, 2)).tolist() == [0, 30 * (HEIGHT - 100), 10 * (HEIGHT - 100), 0]
    assert covers.alpha[1, 100:, :30].min() == 1 and covers.colour[1, 100:, :30].unique().tolist() == [9]
    assert cover_frames([board], 2, 3).alpha.shape == (1, HEIGHT, WIDTH)
