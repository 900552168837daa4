"""Crowds whose true places and groups are known: JuPedSim moves them, a camera watches them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.ndimage import uniform_filter1d

from configs.checks import Shaped
from configs.errors import missing_package
from pipeline.analytics.groups import Partition
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories

ROOM_M = (20.0, 10.0)
RATE_HZ = 25.0
STEP_S = 0.02
SETTLE_S = 8.0  # left out at the beginning
LANES = 8  # people walk to and fro along the room, neighbouring lanes against each other at first
ABREAST_M = 0.65  # between neighbours of a group
RADIUS_M = (0.2, 0.5, 0.8)  # of a group of one, two, three
SIZES = (0.5, 0.35, 0.15)  # how often a group has one, two, three people


@dataclass(frozen=True, slots=True)
class Crowd(Shaped):
    """People who are all there at every frame."""

    xy_m: Annotated[np.ndarray, "T", "N", 2]  # float64
    group: Annotated[np.ndarray, "N"]  # int64, who belongs together
    height_m: Annotated[np.ndarray, "N"]  # float64

    def tracks(self) -> Trajectories:
        """Return the true trajectories; people are numbered from 1."""
        frames, people = self.xy_m.shape[:2]
        person = np.tile(np.arange(1, people + 1), frames)
        return sorted_trajectories(person, np.repeat(np.arange(frames), people), self.xy_m.reshape(-1, 2), RATE_HZ)

    def groups(self) -> Partition:
        """Return the true groups of two people or more, of people numbered from 1."""
        return [
            frozenset((np.flatnonzero(self.group == number) + 1).tolist())
            for number in np.unique(self.group)
            if np.sum(self.group == number) > 1
        ]


def simulate(density: float, seconds: float, seed: int) -> Crowd:
    """Return people who walk to and fro in a room of 20 x 10 m, alone, in twos and in threes abreast.

    JuPedSim's collision-free speed model moves groups as one agent each, with a radius for all its members; these walk
    side by side across the group's way.

    Args:
        density: people per square metre of the room.

    Raises:
        SettingsError: JuPedSim is not installed.
    """
    try:
        import jupedsim
    except ModuleNotFoundError as error:
        raise missing_package(error, "crowds") from error

    rng = np.random.default_rng(seed)
    wanted = round(density * ROOM_M[0] * ROOM_M[1])
    sizes: list[int] = []
    while sum(sizes) < wanted:
        sizes.append(min(int(rng.choice((1, 2, 3), p=SIZES)), wanted - sum(sizes)))
    width, depth = ROOM_M
    simulation = jupedsim.Simulation(
        model=jupedsim.CollisionFreeSpeedModelV2(),
        geometry=[(0, 0), (width, 0), (width, depth), (0, depth)],
        dt=STEP_S,
    )
    lanes = []
    for y in (np.arange(LANES) + 0.5) * depth / LANES:
        ends = [simulation.add_waypoint_stage((x, y), 1.2) for x in (1.5, width - 1.5)]
        journey = jupedsim.JourneyDescription(ends)
        for here, there in (ends, ends[::-1]):
            journey.set_transition_for_stage(here, jupedsim.Transition.create_fixed_transition(there))
        lanes.append((simulation.add_journey(journey), ends))
    places = _scattered(rng, [RADIUS_M[size - 1] for size in sizes])
    agents = [
        simulation.add_agent(
            jupedsim.CollisionFreeSpeedModelV2AgentParameters(
                journey_id=lanes[lane][0],
                stage_id=lanes[lane][1][lane % 2],
                position=tuple(place),
                radius=RADIUS_M[size - 1],
                desired_speed=float(np.clip(rng.normal(1.3, 0.2), 0.7, 1.9)),
            )
        )
        for size, place in zip(sizes, places, strict=True)
        for lane in [int(place[1] / depth * LANES)]
    ]
    every = round(1 / RATE_HZ / STEP_S)
    centres = []
    for step in range(round((SETTLE_S + seconds) / STEP_S)):
        if step % every == 0 and step * STEP_S >= SETTLE_S - 1e-9:
            centres.append([simulation.agent(agent).position for agent in agents])
        simulation.iterate()
    return _abreast(np.array(centres), sizes, rng)


def _scattered(rng: np.random.Generator, radii: list[float]) -> list[np.ndarray]:
    """Return places in the room for circles that do not touch, the largest first placed."""
    places: dict[int, np.ndarray] = {}
    for number in np.argsort(-np.array(radii), kind="stable").tolist():
        for _ in range(20_000):
            place = rng.uniform(radii[number] + 0.2, np.array(ROOM_M) - radii[number] - 0.2)
            if all(np.linalg.norm(place - at) > radii[number] + radii[other] + 0.02 for other, at in places.items()):
                places[number] = place
                break
        else:
            raise ValueError("the room is too small for so many people; take a lower density")
    return [places[number] for number in range(len(radii))]


def _abreast(centres: np.ndarray, sizes: list[int], rng: np.random.Generator) -> Crowd:
    """Return the people of groups from the groups' middles (T, G, 2)."""
    velocity = uniform_filter1d(np.gradient(centres, axis=0), round(2 * RATE_HZ), axis=0, mode="nearest")
    heading = np.unwrap(np.arctan2(velocity[..., 1], velocity[..., 0]), axis=0)
    heading = uniform_filter1d(heading, round(RATE_HZ), axis=0, mode="nearest")
    across = np.stack([-np.sin(heading), np.cos(heading)], axis=2)
    people, group = [], []
    for number, size in enumerate(sizes):
        for place in np.arange(size) - (size - 1) / 2:
            sway = rng.normal(0, 0.5, (len(centres), 2))
            for _ in range(2):  # slow, about 6 cm
                sway = uniform_filter1d(sway, round(2 * RATE_HZ), axis=0, mode="wrap")
            people.append(centres[:, number] + place * ABREAST_M * across[:, number] + sway * (size > 1))
            group.append(number)
    xy_m = np.clip(np.stack(people, axis=1), 0.05, np.array(ROOM_M) - 0.05)
    return Crowd(xy_m, np.array(group, np.int64), np.clip(rng.normal(1.70, 0.09, len(group)), 1.4, 2.0))
