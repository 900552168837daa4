"""Shards of synthetic crops in memory, handed out as batches in an order that a seed decides."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from configs.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Crops with their truth; the root orientation is in camera axes, `camera_from_crop` turns the crop's ray there."""

    image: np.ndarray  # (R, P, P, 3) uint8 RGB
    pose: np.ndarray  # (R, 24, 3) float32 axis-angle
    betas: np.ndarray  # (R, 10)
    camera_from_crop: np.ndarray  # (R, 3, 3)
    focal_px: np.ndarray  # (R,)
    principal_px: np.ndarray  # (R, 2)
    box_centre_px: np.ndarray  # (R, 2)
    box_px: np.ndarray  # (R,)
    joints30_px: np.ndarray  # (R, 30, 2) pixels of the crop
    joints30_cam: np.ndarray  # (R, 30, 3) metres
    visible30: np.ndarray  # (R, 30) uint8: 0 outside the crop, 1 hidden, 2 visible
    neighbour_joints17_px: np.ndarray  # (R, 4, 17, 2) pixels of the crop, NaN where nobody is
    detected17: np.ndarray  # (R, 17, 3) pixels of the crop and confidence by a real detector, NaN where it found nobody


class CropShards:
    """Every crop of some folders of shards."""

    def __init__(self, folders: Sequence[Path], limit: int | None = None) -> None:
        """
        Raises:
            InputError: the folders hold no shard.
        """
        self._paths: set[Path] = set()
        self._folders = folders
        self._limit = limit
        self._parts: dict[str, list[np.ndarray]] = {item.name: [] for item in fields(CropBatch)}
        if not self.refresh():
            names = ", ".join(str(folder) for folder in folders)
            raise InputError(f"{names}: no shards (*.npz); make them with `python -m dpmesh.training.make_crops`")

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts["pose"])

    def refresh(self) -> int:
        """Read shards that were finished since the last call; return how many crops there are."""
        for path in sorted(path for folder in self._folders for path in folder.glob("crops_*.npz")):
            if path in self._paths or (self._limit is not None and len(self) >= self._limit):
                continue
            with np.load(path, allow_pickle=False) as arrays:
                for name, part in self._parts.items():
                    part.append(_detected(path, len(arrays["pose"])) if name == "detected17" else arrays[name])
            self._paths.add(path)
        log.debug("%d crops", len(self))
        return len(self)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[CropBatch]:
        """Yield one pass over the crops in random order; the last part batch is left out."""
        lengths = np.array([len(part) for part in self._parts["pose"]])
        shard_of = np.repeat(np.arange(len(lengths)), lengths)
        place = np.concatenate([np.arange(length) for length in lengths])
        order = rng.permutation(len(shard_of))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield self._gather(shard_of[chosen], place[chosen])

    def in_order(self, size: int) -> Iterator[CropBatch]:
        """Yield every crop once, in order; the last batch may be smaller."""
        for shard, part in enumerate(self._parts["pose"]):
            for start in range(0, len(part), size):
                rows = np.arange(start, min(start + size, len(part)))
                yield self._gather(np.full(len(rows), shard), rows)

    def _gather(self, shard: np.ndarray, row: np.ndarray) -> CropBatch:
        columns = {
            name: np.stack([part[s][r] for s, r in zip(shard.tolist(), row.tolist(), strict=True)])
            for name, part in self._parts.items()
        }
        return CropBatch(**columns)


def _detected(path: Path, count: int) -> np.ndarray:
    """Return what `python -m trackers.training.crop_keypoints` wrote for a shard, or nobody."""
    beside = path.with_name(path.name.replace("crops_", "detected_"))
    if not beside.exists():
        return np.full((count, 17, 3), np.nan, np.float32)
    with np.load(beside, allow_pickle=False) as arrays:
        return arrays["keypoints"]
