"""The pose bank: every converted frame in one compressed file, and reading from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.errors import InputError
from configs.npz_files import NpzFile, open_npz
from dpmesh.training.mocap.augment import Augmentation, augment, turn_root
from dpmesh.training.mocap.retarget import SmplMotion

_FORMAT = "dpmesh-pose-bank-1"
BANK_BYTES_MAX = 2**34
# How a draw is shared out; categories a split lacks drop out. By frames, idle standing would be nearly half.
CATEGORY_WEIGHTS: dict[str, float] = {
    "idle": 0.12, "walk": 0.13, "run": 0.10, "dance": 0.15, "climb": 0.10, "sport": 0.08, "gesture": 0.10,
    "fight": 0.09, "acrobatics": 0.07, "floor": 0.04, "other": 0.02,
}  # fmt: skip
_PER_SEQUENCE = ("name", "collection", "subject", "category", "split")


@dataclass(frozen=True, slots=True)
class PoseBank(Shaped):
    """Poses in SMPL joints at one rate: Y up, facing +Z at rest, left = +X, floor near y = 0.

    `trans` is the pelvis joint's position, so a body's translation is `trans` minus its own rest pelvis. Frames of a
    sequence follow each other without a gap.
    """

    pose: Annotated[np.ndarray, "F", 24, 3]  # float32 axis-angle relative to the T-pose, root orientation included
    trans: Annotated[np.ndarray, "F", 3]  # float32 metres
    sequence: Annotated[np.ndarray, "F"]  # int32 row of the sequence, ascending
    time_s: Annotated[np.ndarray, "F"]  # float32 from the source file's first kept frame
    rate_hz: float
    names: Annotated[np.ndarray, "S"]  # str path in its archive, "#n" after a cut
    collections: Annotated[np.ndarray, "S"]  # str
    subjects: Annotated[np.ndarray, "S"]  # str
    categories: Annotated[np.ndarray, "S"]  # str
    splits: Annotated[np.ndarray, "S"]  # str: train, val, test

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        if len(self.pose) and (np.any(np.diff(self.sequence) < 0) or self.sequence[-1] >= len(self.names)):
            raise ValueError("sequence must ascend and stay below the number of names")

    @property
    def root_height_m(self) -> np.ndarray:
        """(F,) height of the pelvis joint over the floor."""
        return self.trans[:, 1]

    @property
    def starts(self) -> np.ndarray:
        """(S + 1,) first frame of each sequence, and the frame count."""
        return np.searchsorted(self.sequence, np.arange(len(self.names) + 1))

    def sample(
        self,
        rng: np.random.Generator,
        count: int,
        split: str = "train",
        augmentation: Augmentation | None = Augmentation(),  # noqa: B008  frozen
    ) -> np.ndarray:
        """Return `count` poses (count, 24, 3) float32, balanced by category; None leaves them as recorded.

        The same generator state gives the same poses. Raises ValueError when the split is empty.
        """
        category = self._draw_categories(rng, count, split)
        pose = self.pose[self._draw_frames(rng, category, split)]
        if augmentation is None:
            return pose
        kin = self.pose[self._draw_frames(rng, category, split)]
        partner = self.pose[self._draw_frames(rng, self._draw_categories(rng, count, split), split)]
        return augment(pose, partner, kin, rng, augmentation)

    def clip(
        self, rng: np.random.Generator, seconds: float, split: str = "train", category: str | None = None
    ) -> SmplMotion:
        """Return a stretch of one recorded sequence, turned about the vertical at random, starting over the origin.

        Raises ValueError when no sequence of the split and category is that long.
        """
        frames = max(1, round(seconds * self.rate_hz))
        starts = self.starts
        long_enough = np.diff(starts) >= frames
        names = [category] if category is not None else self._categories_of(split)
        names = [name for name in names if np.any(long_enough & self._is_of(split, name))]
        if not names:
            raise ValueError(f"no sequence of {split}/{category or 'any category'} has {seconds} s")
        drawn = names[int(rng.choice(len(names), p=_weights(names)))]
        rows = np.flatnonzero(long_enough & self._is_of(split, drawn))
        row = int(rng.choice(rows))
        first = int(rng.integers(starts[row], starts[row + 1] - frames + 1))
        yaw = float(rng.uniform(-np.pi, np.pi))
        pose, trans = self.pose[first : first + frames], self.trans[first : first + frames].copy()
        trans[:, [0, 2]] -= trans[:1, [0, 2]]
        turn = np.tile([0.0, yaw, 0.0], (frames, 1))
        trans = Rotation.from_rotvec(turn).apply(trans).astype(np.float32)
        return SmplMotion(turn_root(pose, turn), trans, self.rate_hz)

    def _is_of(self, split: str, category: str) -> np.ndarray:
        return (self.splits == split) & (self.categories == category)

    def _categories_of(self, split: str) -> list[str]:
        return [name for name in CATEGORY_WEIGHTS if np.any(self._is_of(split, name))]

    def _draw_categories(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        names = self._categories_of(split)
        if not names:
            raise ValueError(f"the bank has no {split} poses; its splits are {sorted(set(self.splits.tolist()))}")
        return np.array(names)[rng.choice(len(names), size=count, p=_weights(names))]

    def _draw_frames(self, rng: np.random.Generator, category: np.ndarray, split: str) -> np.ndarray:
        """Return a frame for each category (N,), every frame of the category equally likely."""
        starts = self.starts
        lengths = np.diff(starts)
        frames = np.empty(len(category), dtype=np.int64)
        draw = rng.random(len(category))
        for name in np.unique(category):
            rows = np.flatnonzero(self._is_of(split, str(name)))
            ends = np.cumsum(lengths[rows])
            asked = category == name
            place = (draw[asked] * ends[-1]).astype(np.int64)
            which = np.searchsorted(ends, place, side="right")
            frames[asked] = starts[rows[which]] + place - (ends[which] - lengths[rows[which]])
        return frames

    def write(self, path: Path) -> None:
        """Write the bank as one compressed npz without pickled objects."""
        arrays = {field: getattr(self, field) for field in ("pose", "trans", "sequence", "time_s")}
        for field, own in zip(_PER_SEQUENCE, _SEQUENCE_FIELDS, strict=True):
            arrays[f"sequence_{field}"] = getattr(self, own)
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                format=np.array(_FORMAT),
                rate_hz=np.float64(self.rate_hz),
                root_height_m=self.root_height_m,
                **arrays,
            )
        partial.replace(path)

    @classmethod
    def read(cls, path: Path | str) -> "PoseBank":
        """Read a bank; raises InputError when the file is none."""
        with _opened(Path(path)) as stored:
            return cls(
                **{field: stored.read(field) for field in ("pose", "trans", "sequence", "time_s")},
                rate_hz=float(stored.read("rate_hz")),
                **{
                    own: stored.read(f"sequence_{field}")
                    for field, own in zip(_PER_SEQUENCE, _SEQUENCE_FIELDS, strict=True)
                },
            )


def check_bank(path: Path) -> None:
    """Raise InputError unless the file is a pose bank by its table of contents; poses are not read."""
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    if not path.is_file():
        raise InputError(f"{path}: no pose bank there; make one with `dpmesh-video data mocap`")
    try:
        with open_npz(path, bytes_max=BANK_BYTES_MAX) as stored:
            found = str(stored.read("format"))[:80]
            if found != _FORMAT:
                raise InputError(f"{path}: format is {found}, expected {_FORMAT}; convert it anew")
            yield stored
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a pose bank: {error}; make it anew with `dpmesh-video data mocap`") from error


def _weights(names: list[str]) -> np.ndarray:
    weights = np.array([CATEGORY_WEIGHTS.get(name, 1.0) for name in names])
    return weights / weights.sum()


_SEQUENCE_FIELDS = ("names", "collections", "subjects", "categories", "splits")
