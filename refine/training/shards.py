"""Where the training takes its motion from: shards of people as a run sees them and as they are."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.checks import join_rows
from configs.errors import InputError
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six
from dpmesh.training.engine.shards import read_arrays
from dpmesh.training.motion.seen import SimulatedMotion
from refine.prior.conditions import MotionConditions, describe_windows
from refine.rows.bones import bone_directions


@dataclass(frozen=True, slots=True)
class MotionBatch:
    """Windows to learn from."""

    conditions: MotionConditions
    pose: Tensor  # (N, T, 24, 6) the truth in window axes
    recovered: Tensor  # (N, T, 24, 6) rotations as recovered, filled in between, in window axes
    betas: Tensor  # (N, 10)


class MotionShards:
    """Every clip of a folder filled by `dpmesh-video data motion`."""

    def __init__(self, folder: Path, seed: int = 0, rows: int | None = None) -> None:
        """
        Args:
            rows: of each window; clips are cut into windows that do not know of each other. None: whole clips.

        Raises:
            InputError: the folder holds no shard, a damaged one, one of another layout, or clips cannot be cut so.
        """
        paths = sorted(folder.glob("motion_*.npz"))
        if not paths:
            raise InputError(f"{folder}: no motion_*.npz there; make them with `dpmesh-video data motion`")
        self._motion = join_rows([read_arrays(path, SimulatedMotion) for path in paths])
        self._seed = seed
        frames = self._motion.pose.shape[1]
        self._rows = frames if rows is None else rows
        if self._rows < 1 or frames % self._rows:
            raise InputError(f"{folder}: clips of {frames} rows cannot be cut into windows of {self._rows}")

    def __len__(self) -> int:
        return len(self._motion.pose)

    def batch(self, size: int, step: int) -> MotionBatch:
        """Return random clips, some with further gaps, some cut short; the same step gives the same clips."""
        rng = np.random.default_rng((self._seed, 13, step))
        rows = rng.integers(len(self), size=size)
        frames = self._motion.pose.shape[1]
        is_observed, is_row = self._motion.is_observed[rows].copy(), np.ones((size, frames), bool)
        for place in range(size):
            if rng.random() < 0.3:
                first = int(rng.integers(frames))
                is_observed[place, first : first + int(rng.integers(3, 35))] = False
            if rng.random() < 0.2:
                is_row[place, int(rng.integers(8, frames)) :] = False
        return self._make(rows, is_observed, is_row)

    def rows(self, start: int, stop: int) -> MotionBatch:
        """Return clips as they are."""
        observed = self._motion.is_observed[start:stop]
        return self._make(np.arange(start, start + len(observed)), observed, np.ones_like(observed))

    def _bones(self, clips: np.ndarray) -> np.ndarray:
        """Return the bones (N, T, 12, 4) of clips, in camera axes."""
        hints, keypoints = self._motion.hints[clips], self._motion.keypoints[clips]
        count, frames = hints.shape[:2]
        focal = np.repeat(self._motion.focal_px[clips], frames)
        principal = np.repeat(self._motion.principal_px[clips], frames, axis=0)
        found = bone_directions(hints.reshape(-1, 12, 4), keypoints.reshape(-1, 17, 3), focal, principal)
        return found.to_numbers().reshape(count, frames, -1, 4)

    def _make(self, clips: np.ndarray, is_observed: np.ndarray, is_row: np.ndarray) -> MotionBatch:
        part = {
            field.name: torch.from_numpy(getattr(self._motion, field.name)[clips]) for field in fields(SimulatedMotion)
        }
        windows = is_row.shape[1] // self._rows
        has_rows = torch.from_numpy(is_row).unflatten(1, (windows, self._rows)).any(2).flatten()

        def cut(values: Tensor) -> Tensor:
            return values.unflatten(1, (windows, self._rows)).flatten(0, 1)[has_rows]

        def per_window(values: Tensor) -> Tensor:
            return values.repeat_interleave(windows, 0)[has_rows]

        def per_row(values: Tensor) -> Tensor:
            return per_window(values)[:, None].expand(-1, self._rows, *values.shape[1:])

        conditions = describe_windows(
            cut(axis_angle_to_matrix(part["recovered"])),
            cut(part["keypoints"]),
            per_row(part["focal_px"]),
            per_row(part["principal_px"]),
            cut(torch.from_numpy(self._bones(clips))),
            cut(torch.from_numpy(is_observed)),
            cut(torch.from_numpy(is_row)),
            cut(part["time_s"]),
        )
        truth = cut(matrix_to_six(axis_angle_to_matrix(part["pose"])))
        return MotionBatch(conditions, conditions.to_window(truth), conditions.recovered, per_window(part["betas"]))
