"""Crops from shards on disk and from a studio."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from configs.errors import InputError
from dpmesh.training.engine.shards import write_arrays
from dpmesh.training.people.crops import Crops
from dpmesh.training.people.population import Studio
from dpmesh.training.recovery.crops import CropShards, LiveCrops


def test_shards_hold_what_was_written_in_order(crop_folder: Path, crop_batch: Crops) -> None:
    shards = CropShards([crop_folder])
    assert len(shards) == 16
    parts = list(shards.in_order(6))
    assert [len(part) for part in parts] == [6, 6, 4]
    for field in fields(Crops):
        found = getattr(Crops.join(parts), field.name)
        assert found.dtype == getattr(crop_batch, field.name).dtype
        torch.testing.assert_close(found, getattr(shards.crops, field.name), rtol=0, atol=0, equal_nan=True)
    assert len(CropShards([crop_folder], limit=8)) == 8


def test_a_cut_shard_and_one_of_another_size_are_named(crop_folder: Path, crop_batch: Crops) -> None:
    path = crop_folder / "crops_0000001.npz"
    small = {name: getattr(crop_batch, name) for name in crop_batch.__slots__}
    write_arrays(path, Crops(**small | {"image": crop_batch.image[..., :64, :64].contiguous()}))
    with pytest.raises(InputError, match=r"0000001.npz: its crops have 64 px, those of .*0000000.npz 128"):
        CropShards([crop_folder])
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"0000001\.npz: not a whole shard: .*; delete this file and give the command"):
        CropShards([crop_folder])


def test_a_pass_takes_every_crop_once_and_the_next_in_another_order(crop_folder: Path) -> None:
    shards = CropShards([crop_folder])
    passes = [torch.cat([shards.batch(4, step).trans[:, 0] for step in range(4 * k, 4 * k + 4)]) for k in (0, 1)]
    assert torch.equal(passes[0].sort().values, shards.crops.trans[:, 0].sort().values)
    assert torch.equal(passes[0].sort().values, passes[1].sort().values)
    assert not torch.equal(passes[0], passes[1])


def test_a_step_takes_the_same_crops_in_every_process(crop_folder: Path) -> None:
    wanted = [CropShards([crop_folder]).batch(4, step).pose for step in (6, 1)]
    again = CropShards([crop_folder])
    assert torch.equal(again.batch(4, 6).pose, wanted[0])
    assert torch.equal(again.batch(4, 1).pose, wanted[1])


def test_live_crops_are_new_at_every_step_and_the_same_for_the_same_step(studio: Studio) -> None:
    first, again, other = (LiveCrops(studio, 32).batch(2, step) for step in (0, 0, 1))
    assert first.image.shape == (2, 3, 32, 32)
    assert torch.equal(first.image, again.image) and torch.equal(first.pose, again.pose)
    assert not torch.equal(first.image, other.image) and not torch.equal(first.pose, other.pose)
    assert not torch.equal(LiveCrops(studio, 32, seed=1).batch(2, 0).pose, first.pose)


def test_a_folder_without_crops_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dpmesh-video data crops"):
        CropShards([tmp_path])
