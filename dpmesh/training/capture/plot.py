"""What people do in the room: two meet and hug, one leaves and comes back, others cross, others stay and perform."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.ndimage import gaussian_filter1d

from configs.checks import Shaped
from configs.errors import InputError
from dpmesh.body import BodyModel
from dpmesh.training.capture.rig import WALL_M
from dpmesh.training.capture.walks import Course, Gait, gait_of, lead, loop_course
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.demo_motion import Motion, read_motion, turned
from dpmesh.training.mocap.retarget import slerped
from dpmesh.training.people.grounding import stand_on_floor

PAIR, LEAVER, CROSSER, PERFORMER = "pair", "leaver", "crosser", "performer"
ROLES = (PAIR, PAIR, LEAVER, CROSSER, PERFORMER, CROSSER, PERFORMER, PERFORMER)
PEOPLE = range(2, len(ROLES) + 1)
HUG_FROM_S = 6.0  # a shorter capture has no time for it: the two pass each other
PERFORMANCES = ("dance", "fight", "sport", "idle", "other")
HELD_OUT = ("val", "test")
OPEN_COLLECTIONS = ("deepmimic", "reactidle_bvh")  # under the MIT licence; in the training split
_SPEED_MPS = (0.9, 1.4)
_APART_M, _HUG_M, _PASS_M = 0.55, 0.36, 0.6
_HUG_S = 2.6  # that they stand before each other; arms are up for half of it
_REACH_M = 1.7  # from the middle, for those who stay
_TRIES = 4000


@dataclass(frozen=True, slots=True)
class Actor(Shaped):
    """One person in the room over time, at a steady rate."""

    pose: Annotated[np.ndarray, "T", 24, 3]  # float32 axis-angle
    pelvis_m: Annotated[np.ndarray, "T", 3]  # float32
    betas: Annotated[np.ndarray, 10]  # float32
    start_s: float
    rate_hz: float

    def at(self, time_s: np.ndarray) -> Motion:
        """Return the motion at any times (T,) that it covers."""
        index = (time_s - self.start_s) * self.rate_hz
        grid = np.arange(len(self.pose))
        pelvis = np.stack([np.interp(index, grid, self.pelvis_m[:, k]) for k in range(3)], axis=1)
        return Motion(slerped(self.pose, grid, index).astype(np.float32), pelvis.astype(np.float32))


def choose_sequences(bank: PoseBank, is_open: bool, frames: int) -> tuple[list[str], list[str]]:
    """Return the names of walks, and of other motions of `frames` frames or more.

    Args:
        is_open: of collections under the MIT licence, in place of those held out from training.

    Raises:
        InputError: there is no walk.
    """
    lengths = np.diff(bank.starts)
    allowed = np.isin(bank.collections, OPEN_COLLECTIONS) if is_open else np.isin(bank.splits, HELD_OUT)
    walks = np.flatnonzero(allowed & (bank.categories == "walk") & (lengths >= 2 * bank.rate_hz))
    acts = np.flatnonzero(allowed & np.isin(bank.categories, PERFORMANCES) & (lengths >= frames))
    if not len(walks):
        kind = f"of {' and '.join(OPEN_COLLECTIONS)}" if is_open else "held out from training"
        raise InputError(f"the pose bank has no walk {kind}; make it from both motion archives")
    return bank.names[walks].tolist(), bank.names[acts].tolist()


def stage_people(
    rng: np.random.Generator,
    body: BodyModel,
    bank: PoseBank,
    people: int,
    span_s: tuple[float, float],
    door_rad: float,
    is_open: bool,
) -> list[Actor]:
    """Return people who keep apart, except for a hug.

    Args:
        people: one of `PEOPLE`.
        span_s: first and last moment that is needed.
        door_rad: the direction, from z towards x, in which somebody leaves.
        is_open: as in `choose_sequences`.

    Raises:
        InputError: the bank has too few motions, or the people do not find room.
    """
    rate = bank.rate_hz
    frames = math.ceil((span_s[1] - span_s[0]) * rate) + 2
    time_s = span_s[0] + np.arange(frames) / rate
    walks, acts = choose_sequences(bank, is_open, frames)
    rng.shuffle(walks)
    rng.shuffle(acts)
    roles = [role if role != PERFORMER or acts else CROSSER for role in ROLES[:people]]
    longest = _SPEED_MPS[1] * (span_s[1] - span_s[0]) + 2.0
    gaits = [gait_of(read_motion(bank, name), rate, longest) for name in walks[:people]]
    placed: list[_Plan] = []
    for number, role in enumerate(roles):
        if number == 1:
            continue  # came with the first
        gait = gaits[number % len(gaits)]
        for _ in range(_TRIES):
            if role == PAIR:
                found = _meet(rng, gait, gaits[1 % len(gaits)], time_s)
            elif role == PERFORMER:
                found = [_perform(rng, read_motion(bank, acts[number % len(acts)]), frames)]
            else:
                walk = _leave if role == LEAVER else _cross
                found = [_Plan.of(gait, walk(rng, gait, time_s, door_rad))]
            apart = [np.linalg.norm(one.spot_m - other.spot_m, axis=1).min() for one in placed for other in found]
            if min(apart, default=np.inf) > _APART_M:
                break
        else:
            raise InputError(f"{people} people do not find room; give another --seed, or fewer")
        placed += found
    return [_actor(rng, body, plan.motion(), span_s[0], rate) for plan in placed]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where somebody would go, and the motion, which is made only if they do."""

    spot_m: np.ndarray  # (T, 2)
    motion: Callable[[], Motion]

    @classmethod
    def of(cls, gait: Gait, course: Course) -> _Plan:
        return cls(course.spot_m, lambda: lead(gait, course))


def _actor(rng: np.random.Generator, body: BodyModel, motion: Motion, start_s: float, rate: float) -> Actor:
    betas = rng.normal(0, 0.9, 10).clip(-2, 2).astype(np.float32)
    grounded = stand_on_floor(body, motion, betas, rate)
    return Actor(grounded.pose, grounded.pelvis, betas, start_s, rate)


def _speed(rng: np.random.Generator, gait: Gait) -> float:
    return float(np.clip(gait.speed_mps, *_SPEED_MPS)) * rng.uniform(0.9, 1.1)


def _meet(rng: np.random.Generator, first: Gait, second: Gait, time_s: np.ndarray) -> list[_Plan]:
    """Return two who walk up to each other, hug and part; or who pass each other where there is no time."""
    middle, yaw = rng.uniform(-0.3, 0.3, 2), rng.uniform(0, 2 * math.pi)
    speed, length, step = rng.uniform(1.0, 1.2), time_s[-1] - time_s[0], time_s[1] - time_s[0]
    heading, hugging = np.zeros(len(time_s)), np.zeros(len(time_s))
    if length >= HUG_FROM_S:
        centre, aside = time_s[0] + 0.45 * length, 0.0
        before = np.abs(time_s - centre) - _HUG_S / 2  # until they meet, or since they part
        ahead = gaussian_filter1d(np.clip(_HUG_M / 2 + speed * before, _HUG_M / 2, 1.5), 0.12 / step, mode="nearest")
        heading = math.pi / (1 + np.exp(-(time_s - centre - _HUG_S / 2 + 0.25) / 0.08))
        hugging = np.clip((-before - 0.3) / 0.4, 0, 1)
    else:
        ahead, aside = speed * (time_s[0] + length / 2 - time_s), _PASS_M / 2
    pace = np.abs(np.gradient(ahead, time_s))
    standing = gaussian_filter1d(1 - np.clip(pace / (0.6 * speed), 0, 1), 0.1 / step, mode="nearest")
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(ahead)))])
    plans = []
    for side, gait in ((1.0, first), (-1.0, second)):
        axis = side * np.array([math.sin(yaw), math.cos(yaw)])
        spot = middle + ahead[:, None] * axis + aside * np.array([axis[1], -axis[0]])
        course = Course(spot, math.atan2(-axis[0], -axis[1]) + heading, along, standing, hugging)
        plans.append(_Plan.of(gait, course))
    return plans


def _cross(rng: np.random.Generator, gait: Gait, time_s: np.ndarray, _door_rad: float) -> Course:
    """Return somebody who walks a figure of eight through the middle."""
    turn = np.linspace(0, 2 * math.pi, 400)
    far, wide, yaw = rng.uniform(1.1, 1.5), rng.uniform(0.9, 1.3), rng.uniform(0, 2 * math.pi)
    flat = np.stack([wide * np.sin(2 * turn) / 2, far * np.sin(turn)], axis=1)
    points = flat @ _turn(yaw).T + rng.uniform(-0.25, 0.25, 2)
    along = _speed(rng, gait) * (time_s - time_s[0])
    return loop_course(points, along + rng.uniform(0, 10))


def _leave(rng: np.random.Generator, gait: Gait, time_s: np.ndarray, door_rad: float) -> Course:
    """Return somebody who walks out of the door, turns and comes back; half-way through they are outside."""
    far, near, radius = WALL_M + 0.7, -1.2, 0.3
    arc = np.linspace(0, math.pi, 40)
    out = np.stack([radius * np.cos(arc), far + radius * np.sin(arc)], axis=1)
    back = np.stack([-radius * np.cos(arc), near - radius * np.sin(arc)], axis=1)
    points = np.concatenate([out, back, out[:1]])
    points[:, 0] += rng.uniform(-0.1, 0.1)
    reached = math.pi * radius / 2  # along the path, when they are farthest out
    middle = time_s[0] + rng.uniform(0.4, 0.6) * (time_s[-1] - time_s[0])
    return loop_course(points @ _turn(door_rad).T, reached + _speed(rng, gait) * (time_s - middle))


def _perform(rng: np.random.Generator, motion: Motion, frames: int) -> _Plan:
    """Return a part of a recorded motion, somewhere in the room."""
    start = int(rng.integers(0, len(motion.pose) - frames + 1))
    part = Motion(motion.pose[start : start + frames], motion.pelvis[start : start + frames])
    yaw = rng.uniform(0, 2 * math.pi)
    flat = part.pelvis[:, [0, 2]] @ _turn(yaw).T
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = np.maximum(_REACH_M - (high - low) / 2, 0.0)
    shift = rng.uniform(-room, room) - (low + high) / 2

    def place() -> Motion:
        moved = turned(part, yaw)
        return Motion(moved.pose, moved.pelvis + np.array([shift[0], 0.0, shift[1]], np.float32))

    return _Plan(flat + shift, place)


def _turn(yaw_rad: float) -> np.ndarray:
    """Return what takes (x, z) to (x, z), +z to the direction `yaw_rad`."""
    sin, cos = math.sin(yaw_rad), math.cos(yaw_rad)
    return np.array([[cos, sin], [-sin, cos]])
