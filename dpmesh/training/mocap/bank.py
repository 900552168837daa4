"""The pose bank: every converted frame in one compressed file, and reading from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.checks import check_shape
from configs.errors import InputError
from dpmesh.training.mocap.skeleton import JOINT_COUNT

_FORMAT = "dpmesh-pose-bank-1"
_PER_SEQUENCE = ("name", "collection", "subject", "category", "split")


@dataclass(frozen=True, slots=True)
class PoseBank:
    """Poses in SMPL joints at one rate: Y up, facing +Z at rest, left = +X, floor near y = 0.

    `trans` is the pelvis joint's position, so a body's translation is `trans` minus its own rest pelvis. Frames of a
    sequence follow each other without a gap.
    """

    pose: np.ndarray      # (F, 24, 3) float32 axis-angle relative to the T-pose, root orientation included
    trans: np.ndarray     # (F, 3) float32 metres
    sequence: np.ndarray  # (F,) int32 row of the sequence, ascending
    time_s: np.ndarray    # (F,) float32 from the source file's first kept frame
    rate_hz: float
    names: np.ndarray        # (S,) str path in its archive, "#n" after a cut
    collections: np.ndarray  # (S,) str
    subjects: np.ndarray     # (S,) str
    categories: np.ndarray   # (S,) str
    splits: np.ndarray       # (S,) str: train, validation, test

    def __post_init__(self) -> None:
        count = len(self.pose)
        check_shape("pose", self.pose, ("F", JOINT_COUNT, 3))
        check_shape("trans", self.trans, (count, 3))
        check_shape("sequence", self.sequence, (count,))
        check_shape("time_s", self.time_s, (count,))
        for field in ("names", "collections", "subjects", "categories", "splits"):
            check_shape(field, getattr(self, field), (len(self.names),))
        if count and (np.any(np.diff(self.sequence) < 0) or self.sequence[-1] >= len(self.names)):
            raise ValueError("sequence must ascend and stay below the number of names")

    @property
    def root_height_m(self) -> np.ndarray:
        """(F,) height of the pelvis joint over the floor."""
        return self.trans[:, 1]

    @property
    def starts(self) -> np.ndarray:
        """(S + 1,) first frame of each sequence, and the frame count."""
        return np.searchsorted(self.sequence, np.arange(len(self.names) + 1))

    def write(self, path: Path) -> None:
        """Write the bank as one compressed npz without pickled objects."""
        arrays = {field: getattr(self, field) for field in ("pose", "trans", "sequence", "time_s")}
        for field, own in zip(_PER_SEQUENCE, _SEQUENCE_FIELDS, strict=True):
            arrays[f"sequence_{field}"] = getattr(self, own)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                format=np.array(_FORMAT),
                rate_hz=np.float64(self.rate_hz),
                root_height_m=self.root_height_m,
                **arrays,
            )

    @classmethod
    def read(cls, path: Path | str) -> "PoseBank":
        """Read a bank; raises InputError when the file is none."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no pose bank there; make one with `python -m dpmesh.training.mocap`")
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored["format"]) != _FORMAT:
                    raise InputError(f"{path}: format is {stored['format']}, expected {_FORMAT}; convert it anew")
                return cls(
                    **{field: stored[field] for field in ("pose", "trans", "sequence", "time_s")},
                    rate_hz=float(stored["rate_hz"]),
                    **{
                        own: stored[f"sequence_{field}"]
                        for field, own in zip(_PER_SEQUENCE, _SEQUENCE_FIELDS, strict=True)
                    },
                )
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: not a pose bank: {error}") from error


_SEQUENCE_FIELDS = ("names", "collections", "subjects", "categories", "splits")
