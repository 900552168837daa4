"""Scene constraints for all people of a scene: foot contact, a common ground plane, no interpenetration.

Only translations change. Of one camera, which has to be static, little across the line of sight and more along it,
where monocular depth is uncertain; of several calibrated cameras, little in every direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped
from configs.schema import RefineSettings
from refine.fit.energy import time_steps_of
from refine.rows.windows import eased
from refine.scene.collision import REACH_M, depths
from refine.scene.ground import BALL_OVER_SOLE_M, DISTANCE_ERROR, FEET, Ground, find_ground, resting

ACROSS_M = 0.03
ROWS_PER_ERROR = 10.0  # depth errors of neighbouring rows are correlated
SPEED_M_S, ACCELERATION_M_S2 = 0.3, 3.0  # of the correction
SLIDING_M_S = 0.1
HEIGHT_M = 0.03
OTHER_GROUND_M = 0.3  # a foot that rests higher is on something else
DEPTH_M = 0.03
WINDOW_FRAMES, OVERLAP_FRAMES = 480, 48
ITERATIONS = 60


@dataclass(frozen=True, slots=True)
class SceneRows(Shaped):
    """The joints of one person."""

    frame_index: Annotated[np.ndarray, "T"]  # int64, increasing: who is there at the same time
    time_s: Annotated[np.ndarray, "T"]  # increasing
    joints_m: Annotated[np.ndarray, "T", 24, 3]  # SMPL's joints, axes of the camera, or of a level one in a rig
    is_observed: Annotated[np.ndarray, "T"]  # bool


@dataclass(frozen=True, slots=True)
class Settled:
    """Result of the scene constraints."""

    shifts_m: list[np.ndarray]  # per person (T, 3) float32, to add to the translation
    ground: Ground | None  # None if disabled, or if too few feet rest


def settle(people: Sequence[SceneRows], settings: RefineSettings, *, is_measured: bool = False) -> Settled:
    """Return the shifts of all people that satisfy the enabled constraints best.

    Args:
        is_measured: whether several cameras tell where people are, in the axes of a level camera.
    """
    rests = [resting(person.joints_m, person.time_s, person.is_observed, is_measured=is_measured) for person in people]
    joints = [person.joints_m for person in people]
    ground = find_ground(joints, rests, is_measured=is_measured) if settings.is_ground_on else None
    shifts = [np.zeros((len(person.time_s), 3), np.float32) for person in people]
    last = max((int(person.frame_index[-1]) for person in people if len(person.time_s)), default=-1)
    first = min((int(person.frame_index[0]) for person in people if len(person.time_s)), default=0)
    for start in range(first, last + 1, WINDOW_FRAMES - OVERLAP_FRAMES):
        frames = start, start + WINDOW_FRAMES
        spans = [np.searchsorted(person.frame_index, frames) for person in people]
        inside = [slice(*span) for span in spans]
        if all(part.start == part.stop for part in inside):
            continue
        found = _Window(people, rests, inside, ground, settings, is_measured).solve()
        for person, part, shift, new in zip(people, inside, shifts, found, strict=True):
            blend = np.ones(len(new))
            if start > first:  # cross-fade with the previous window
                blend = eased(np.clip((person.frame_index[part] - start + 1) / (OVERLAP_FRAMES + 1), 0.0, 1.0))
            shift[part] += blend[:, None].astype(np.float32) * (new - shift[part])
        if frames[1] > last:
            break
    return Settled(shifts, ground)


class _Window:
    """A window of frames that is solved jointly."""

    def __init__(
        self,
        people: Sequence[SceneRows],
        rests: Sequence[np.ndarray],
        parts: Sequence[slice],
        ground: Ground | None,
        settings: RefineSettings,
        is_measured: bool,
    ) -> None:
        self._settings, self._ground = settings, ground
        self._counts = [part.stop - part.start for part in parts]

        def stack(arrays: Sequence[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.concatenate([a[part] for a, part in zip(arrays, parts, strict=True)]))

        self._joints = stack([person.joints_m for person in people]).double()
        self._rest = stack(rests).double()
        owner = torch.from_numpy(np.repeat(np.arange(len(people)), self._counts))
        time = stack([person.time_s for person in people]).double()
        is_linked = (owner[1:] == owner[:-1]) & (time[1:] - time[:-1] <= settings.break_s)
        self._time_steps = time_steps_of(time, is_linked)
        self._distance = self._joints[:, 0].norm(dim=-1, keepdim=True).clamp_min(0.5)
        self._sight = self._joints[:, 0] / self._distance
        if is_measured:
            self._sight = torch.zeros_like(self._sight)  # no direction is less sure than the others
        frame = stack([person.frame_index for person in people])
        self._pairs = self._near(frame, owner) if settings.is_collision_on else torch.zeros((0, 2), dtype=torch.int64)

    def solve(self) -> list[np.ndarray]:
        """Return the shifts of each person's rows (T, 3)."""
        shift = torch.zeros_like(self._sight, requires_grad=True)
        solver = torch.optim.LBFGS([shift], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            energy = self._energy(shift)
            energy.backward()
            return energy

        with torch.enable_grad():
            solver.step(closure)  # type: ignore[no-untyped-call]
        found = shift.detach().numpy().astype(np.float32)
        return np.split(found, np.cumsum(self._counts)[:-1])

    def _energy(self, shift: Tensor) -> Tensor:
        along = (shift * self._sight).sum(-1, keepdim=True)
        total = (along / (DISTANCE_ERROR * self._distance)).square().sum() / ROWS_PER_ERROR
        total = total + ((shift - along * self._sight) / ACROSS_M).square().sum()
        feet = self._joints[:, FEET] + shift[:, None]
        if len(shift) > 1:
            speed = (shift[1:] - shift[:-1]) * self._time_steps.per_step[:, None]
            total = total + self._time_steps.step_weight @ (speed / SPEED_M_S).square().sum(-1)
            bend = (speed[1:] - speed[:-1]) * (self._time_steps.per_middle / ACCELERATION_M_S2)[:, None]
            total = total + self._time_steps.bend_weight @ bend.square().sum(-1)
        if self._settings.is_contact_on and len(shift) > 1:
            sliding = (feet[1:] - feet[:-1]) * (self._time_steps.per_step / SLIDING_M_S)[:, None, None]
            rest = torch.minimum(self._rest[1:], self._rest[:-1])
            total = total + self._time_steps.step_weight @ (rest * sliding.square().sum(-1)).sum(-1)
        if self._ground is not None:
            height = feet @ torch.from_numpy(self._ground.up) - self._ground.offset_m - BALL_OVER_SOLE_M
            outlier = OTHER_GROUND_M**2
            over = self._rest * height.square() * (outlier / (outlier + height.square()))
            total = total + (over.sum() + height.clamp_max(0.0).square().sum()) / HEIGHT_M**2
        if len(self._pairs):
            first, second = (self._joints[rows] + shift[rows, None] for rows in self._pairs.unbind(1))
            total = total + (depths(first, second) / DEPTH_M).square().sum()
        return total

    def _near(self, frame: Tensor, owner: Tensor) -> Tensor:
        """Return pairs of rows (N, 2) of people close to each other in the same frame."""
        order = torch.argsort(frame * (int(owner.max()) + 1) + owner)
        pairs = []
        for apart in range(1, len(order)):
            first, second = order[:-apart], order[apart:]
            is_same = frame[first] == frame[second]
            if not is_same.any():
                break
            is_near = (self._joints[first, 0] - self._joints[second, 0]).norm(dim=-1) < REACH_M
            pairs.append(torch.stack([first, second], 1)[is_same & is_near])
        return torch.cat(pairs) if pairs else torch.zeros((0, 2), dtype=torch.int64)
