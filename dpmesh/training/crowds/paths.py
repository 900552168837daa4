"""Where the people of a crowd go: they cross, queue, dance, stand about, leave and come back."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped

RATE_HZ = 25.0
WALK_MPS = (1.3, 0.25)  # mean and deviation of a walker's speed; Weidmann 1993 gives 1.34 and 0.26
RELAXATION_S = 0.5  # time in which a walker takes up the wanted speed. Source: Helbing and Molnar 1995, table of (8)
REPULSION_MPS2 = 2.1  # strength and range of what keeps walkers apart, same source
REPULSION_M = 0.3
BODY_M = 0.5  # distance of two bodies that touch
SPEED_MAX_MPS = 3.0
QUEUE_STEP_M, QUEUE_WAIT_S = 0.75, (1.0, 3.0)
DANCE_STEP_M, DANCE_HOLD_S, DANCE_MPS = 1.0, (0.8, 2.2), 2.6
AWAY_S = (0.5, 5.0)  # how long somebody who left stays away
DEPTH_M = (3.5, 16.0)  # of the place, from the camera
HALF_WIDTH_M = 6.0
KINDS = ("crossing", "queue", "dance", "mixed")


@dataclass(frozen=True, slots=True)
class Paths(Shaped):
    """Where everybody is, on the ground."""

    spot_m: Annotated[np.ndarray, "N", "T", 2]  # x to the right, z away from the camera
    heading_rad: Annotated[np.ndarray, "N", "T"]  # from z towards x
    along_m: Annotated[np.ndarray, "N", "T"]  # walked so far
    dance: Annotated[np.ndarray, "N"]  # 0 walks or stands, 1 dances


@dataclass(slots=True)
class _Plan:
    """Where one person wants to be next."""

    role: str
    target: np.ndarray  # (2,)
    speed_mps: float
    wait_s: float = 0.0
    seat: int = 0


def walk_paths(kind: str, people: int, frames: int, rng: np.random.Generator) -> Paths:
    """Return the paths of `people` over `frames` at `RATE_HZ`; kind is one of `KINDS`.

    Source of the forces between walkers: Helbing and Molnar 1995, social force model.
    """
    roles = _roles(kind, people, rng)
    spot = _start(roles, rng)
    plans = [_plan(role, spot[person], rng) for person, role in enumerate(roles)]
    _seat(plans, spot, rng)
    velocity = np.zeros((people, 2))
    spots = np.zeros((people, frames, 2))
    seat_s = 1.0
    for frame in range(-25, frames):  # a second to settle
        seat_s -= 1 / RATE_HZ
        if seat_s <= 0:
            _advance_queue(plans, rng)
            seat_s = float(rng.uniform(*QUEUE_WAIT_S))
        for person, plan in enumerate(plans):
            _renew(plan, spot[person], rng)
        wanted = np.array([plan.target for plan in plans]) - spot
        distance = np.linalg.norm(wanted, axis=1, keepdims=True)
        speed = np.array([0.0 if plan.wait_s > 0 else plan.speed_mps for plan in plans])[:, None]
        wanted *= np.minimum(speed, 2.0 * distance) / np.maximum(distance, 1e-6)
        force = (wanted - velocity) / RELAXATION_S + _repulsion(spot) + rng.normal(0, 0.6, velocity.shape)
        velocity = velocity + force / RATE_HZ
        pace = np.linalg.norm(velocity, axis=1, keepdims=True)
        velocity *= np.minimum(1.0, SPEED_MAX_MPS / np.maximum(pace, 1e-6))
        spot = spot + velocity / RATE_HZ
        if frame >= 0:
            spots[:, frame] = spot
    return _finish(spots, np.array([role == "dance" for role in roles], float), rng)


def _roles(kind: str, people: int, rng: np.random.Generator) -> list[str]:
    shares = {
        "crossing": {"cross": 0.85, "stand": 0.15},
        "queue": {"queue": 0.6, "cross": 0.4},
        "dance": {"dance": 0.8, "cross": 0.2},
        "mixed": {"cross": 0.4, "stand": 0.2, "queue": 0.2, "dance": 0.2},
    }[kind]
    return [str(role) for role in rng.choice(list(shares), people, p=list(shares.values()))]


def _start(roles: list[str], rng: np.random.Generator) -> np.ndarray:
    depth = rng.uniform(DEPTH_M[0] + 0.5, DEPTH_M[1] - 2.0, len(roles))
    return np.stack([rng.uniform(-1, 1, len(roles)) * np.minimum(HALF_WIDTH_M, 0.55 * depth), depth], axis=1)


def _plan(role: str, spot: np.ndarray, rng: np.random.Generator) -> _Plan:
    speed = float(np.clip(rng.normal(*WALK_MPS), 0.6, 2.2))
    return _Plan(role, spot.copy(), DANCE_MPS if role == "dance" else speed)


def _seat(plans: list[_Plan], spot: np.ndarray, rng: np.random.Generator) -> None:
    """Put those who queue in a line, and those who dance in groups of up to six."""
    queue = [plan for plan in plans if plan.role == "queue"]
    for seat, plan in enumerate(queue):
        plan.seat = seat
        plan.target = _queue_spot(seat)
    for person, plan in enumerate(plans):
        if plan.role == "queue":
            spot[person] = plan.target
    dancers = [person for person, plan in enumerate(plans) if plan.role == "dance"]
    for first in range(0, len(dancers), 6):
        centre = np.array([rng.uniform(-2.5, 2.5), rng.uniform(5.5, 11.0)])
        for person in dancers[first : first + 6]:
            plans[person].target = centre
            spot[person] = centre + rng.normal(0, DANCE_STEP_M, 2)


def _queue_spot(seat: int) -> np.ndarray:
    """Return a place in a queue that winds through the room, front first."""
    per_row = 9
    row, column = divmod(seat, per_row)
    column = column if row % 2 == 0 else per_row - 1 - column
    return np.array([-3.0 + QUEUE_STEP_M * column, 6.0 + 0.9 * row])


def _advance_queue(plans: list[_Plan], rng: np.random.Generator) -> None:
    queue = [plan for plan in plans if plan.role == "queue"]
    if not queue:
        return
    for plan in queue:
        plan.seat -= 1
        if plan.seat < 0:  # served: walks off, and lines up again later
            plan.seat = len(queue) - 1
            plan.wait_s = 0.0
        plan.target = _queue_spot(plan.seat) + rng.normal(0, 0.06, 2)


def _renew(plan: _Plan, spot: np.ndarray, rng: np.random.Generator) -> None:
    """Give somebody who has arrived the next place to go to."""
    if plan.wait_s > 0:
        plan.wait_s -= 1 / RATE_HZ
        return
    if plan.role == "queue" or np.linalg.norm(plan.target - spot) > 0.4:
        return
    if plan.role == "stand":
        plan.wait_s = float(rng.uniform(2.0, 8.0))
        plan.target = spot + rng.normal(0, 0.5, 2)
        return
    if plan.role == "dance":
        plan.wait_s = float(rng.uniform(*DANCE_HOLD_S))
        plan.target = spot + rng.normal(0, DANCE_STEP_M, 2)
        plan.target[:] = np.clip(plan.target, [-3.5, 4.5], [3.5, 12.0])
        return
    depth = float(rng.uniform(*DEPTH_M))
    if rng.random() < 0.3:  # out of sight, to come back
        plan.target = np.array([np.sign(rng.normal()) * (0.75 * depth + 1.5), depth])
        plan.wait_s = 0.0
        if abs(spot[0]) > 0.65 * spot[1]:
            plan.wait_s = float(rng.uniform(*AWAY_S))
    else:
        plan.target = np.array([rng.uniform(-1, 1) * min(HALF_WIDTH_M, 0.6 * depth), depth])


def _repulsion(spot: np.ndarray) -> np.ndarray:
    apart = spot[:, None] - spot[None]
    distance = np.linalg.norm(apart, axis=-1) + np.eye(len(spot)) * 1e3
    push = REPULSION_MPS2 * np.exp((BODY_M - distance) / REPULSION_M)
    push = np.minimum(push, 12.0) / np.maximum(distance, 1e-3)
    return np.asarray((push[..., None] * apart).sum(axis=1))


def _finish(spots: np.ndarray, dance: np.ndarray, rng: np.random.Generator) -> Paths:
    step = np.diff(spots, axis=1, prepend=spots[:, :1])
    length = np.linalg.norm(step, axis=-1)
    people, frames = length.shape
    heading = np.zeros((people, frames))
    now = rng.uniform(-np.pi, np.pi, people)
    for frame in range(frames):
        facing = np.arctan2(step[:, frame, 0], step[:, frame, 1])
        turn = np.angle(np.exp(1j * (facing - now)))
        now = now + np.clip(turn, -0.25, 0.25) * np.clip(length[:, frame] * RATE_HZ / 0.5, 0, 1)
        heading[:, frame] = now
    return Paths(spots, heading, np.cumsum(length, axis=1), dance)
