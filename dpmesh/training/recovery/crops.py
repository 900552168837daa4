"""Where training takes its crops from: shards on disk, or a studio that makes them as they are needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from configs.errors import InputError
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import read_arrays
from dpmesh.training.people.crops import Crops, make_crops
from dpmesh.training.people.joint_crops import make_joint_crops
from dpmesh.training.people.population import Studio


class CropSource(Protocol):
    """Gives batches of crops without end."""

    def batch(self, size: int, step: int) -> Crops:
        """Return the crops of one training step; the same step gives the same crops."""


class LiveCrops:
    """Crops made by a studio, new ones at every step; without images where the network does not look at them."""

    def __init__(self, studio: Studio, image_px: int, *, has_images: bool = True, seed: int = 0) -> None:
        self._studio, self._image_px, self._seed = studio, image_px, seed
        self._make = make_crops if has_images else make_joint_crops

    def batch(self, size: int, step: int) -> Crops:
        """Return newly made crops."""
        return self._make(self._studio, Rng((self._seed, 2, step), self._studio.device), size, self._image_px)


class CropShards:
    """The crops of several folders of shards."""

    def __init__(self, folders: Sequence[Path], limit: int | None = None) -> None:
        """
        Raises:
            InputError: the folders hold no shard, a damaged one, or crops of different sizes.
        """
        paths = sorted(path for folder in folders for path in folder.glob("crops_*.npz"))
        if not paths:
            names = ", ".join(str(folder) for folder in folders)
            raise InputError(f"{names}: no shards (*.npz); make them with `dpmesh-video data crops`")
        parts: list[Crops] = []
        for path in paths:
            parts.append(read_arrays(path, Crops, torch.from_numpy))
            if parts[-1].image.shape != (len(parts[-1]), *parts[0].image.shape[1:]):
                found, wanted = (part.image.shape[-1] for part in (parts[-1], parts[0]))
                raise InputError(f"{path}: its crops have {found} px, those of {paths[0]} {wanted}; give one size only")
            if limit is not None and sum(map(len, parts)) >= limit:
                break
        self.crops = Crops.join(parts)
        self._order = (-1, torch.zeros(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.crops)

    def batch(self, size: int, step: int) -> Crops:
        """Return crops in random order, every crop about once per pass."""
        per_pass = max(1, len(self) // size)
        turn = step // per_pass
        if self._order[0] != turn:
            self._order = (turn, torch.from_numpy(np.random.default_rng((turn, 3)).permutation(len(self))))
        start = step % per_pass * size
        return self.crops[self._order[1][start : start + size]]

    def in_order(self, size: int) -> Iterator[Crops]:
        """Yield every crop once, in order; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.crops[start : start + size]
