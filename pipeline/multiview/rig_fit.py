"""What a rig's cameras have wrong together: how far each clock is off, and how far each camera is turned.

The lines of sight of each joint of two cameras should meet at every instant. How far they miss grows with the lag of
their clocks times how fast the joint moves, and with the turn of either camera. A least squares over all pairs, people
and joints gives both, for all cameras together: a camera that is late looks turned where people walk, and one that is
turned looks late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.capture import Camera
from pipeline.multiview.meeting import MATCH_RAD, match_tracks, meet
from pipeline.multiview.sight_lines import BODY, Lines

WINDOW_S = 2.0  # in which people are matched, and in which an error of a joint may stay the same
WINDOWS_MIN, WINDOWS_MAX, WINDOWS_OF_PAIRS = 6, 15, 300
BLOCK_S = 0.25  # errors within a block of time may be one error
SAMPLES_MIN = 8  # of a joint in a window
OUTLIER = 3.0  # standard deviations from which a sample counts less and less
NOISE_MIN_RAD = 2e-4
TURN_TRUST = 1e5  # of no turn: a standard deviation of 1 degree, against samples that count a thirtieth, being alike
REACHES = ((2, 1 / 30), (4, 1 / 15))  # frames and seconds, the longer: before and after, for the speed of a joint
UNKNOWNS = 4  # of a camera: its offset in seconds, its turn about the world's axes in radians


@dataclass(frozen=True, slots=True)
class Rig:
    """Cameras, what they see, and what is taken to be wrong with them."""

    cameras: tuple[Camera, ...]
    tracks: tuple[Mapping[int, Lines], ...]
    offsets_s: np.ndarray  # (V,) what happens at this time of a video happens at 0 of the common clock
    turns: np.ndarray  # (V, 3, 3) what takes a camera's lines of sight to where they should be, in the world

    def moved(self, step: np.ndarray) -> "Rig":
        """Return the rig with other offsets and turns, by steps (V, 4)."""
        turns = Rotation.from_rotvec(step[:, 1:]).as_matrix() @ self.turns
        return Rig(self.cameras, self.tracks, self.offsets_s + step[:, 0], turns)

    def windows(self, count_max: int) -> list[np.ndarray]:
        """Return the instants (T,) of each window: all of a short capture, some of a long one, evenly spread."""
        ends = [
            (lines.time_s[0] - offset, lines.time_s[-1] - offset)
            for each, offset in zip(self.tracks, self.offsets_s, strict=True)
            for lines in each.values()
        ]
        first, last = min(start for start, _ in ends), max(end for _, end in ends)
        count = max(1, int(np.ceil((last - first) / WINDOW_S)))
        chosen = np.unique(np.linspace(0, count - 1, min(count, count_max)).round())
        step = min(lines.step_s for each in self.tracks for lines in each.values())
        return [first + number * WINDOW_S + np.arange(int(WINDOW_S / step)) * step for number in chosen]

    def look(self, camera: int, instants_s: np.ndarray, reach: float = 1.0) -> "Look":
        """Return what a camera sees at instants (T,) of the common clock.

        Args:
            reach: how many times farther apart frames are than usual, from which speeds are taken.
        """
        times, turn = instants_s + self.offsets_s[camera], self.turns[camera].T
        seen = [
            each for each in self.tracks[camera].values() if each.time_s[0] < times[-1] and each.time_s[-1] > times[0]
        ]
        toward = [_unit(lines.at(times)) for lines in seen]
        speeds = []
        for steps, seconds in REACHES:
            apart = [reach * max(steps * lines.step_s, seconds) for lines in seen]
            speeds.append(
                [
                    (lines.at(times + half) - lines.at(times - half)) / (2 * half)
                    for lines, half in zip(seen, apart, strict=True)
                ]
            )
        shape = (len(seen), len(times), len(BODY), 3)
        return Look(*(np.array(part).reshape(shape) @ turn for part in (toward, *speeds)))


@dataclass(frozen=True, slots=True)
class Look:
    """What a camera sees of P tracks at T instants, in the world; NaN where it does not."""

    toward: np.ndarray  # (P, T, J, 3) of length 1
    speed: np.ndarray  # (P, T, J, 3) per second
    again: np.ndarray  # (P, T, J, 3) the same from other frames, so that its errors are other ones


@dataclass(frozen=True, slots=True)
class Samples:
    """How far the lines of two cameras miss each other, for joints and instants of matched people, flat."""

    miss: np.ndarray  # (S,) radians
    growth: np.ndarray  # (S, 8) by the unknowns of both cameras
    again: np.ndarray  # (S,) by the lag, from other frames
    block: np.ndarray  # (S,) int64, which block of time


@dataclass(frozen=True, slots=True)
class Equations:
    """Of all unknowns, four for each camera."""

    matrix: np.ndarray  # (4V, 4V)
    scores: np.ndarray  # (B, 4V) right sides, one for each block of time
    kept: np.ndarray  # (4V,) right side of the trust in no turn
    likeness: np.ndarray  # (V,) of two estimates of joints' speeds: near 1 where people move, near 0 where all is noise

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps (V, 4) and the covariance (4V, 4V) of the unknowns; offsets change by 0 on average."""
        count, cameras = len(self.scores), len(self.matrix) // UNKNOWNS
        inverse = np.linalg.pinv(self.matrix, rcond=1e-9)
        spread = self.scores.T @ self.scores * count / max(count - cameras, 1)
        step = inverse @ (self.scores.sum(axis=0) + self.kept)
        return step.reshape(-1, UNKNOWNS), inverse @ spread @ inverse.T


def windows_for(pairs: Sequence[tuple[int, int]]) -> int:
    """Return how many windows are looked at: fewer of many cameras, so that the work stays the same."""
    return int(np.clip(WINDOWS_OF_PAIRS // max(len(pairs), 1), WINDOWS_MIN, WINDOWS_MAX))


def equations_of(
    rig: Rig, pairs: Sequence[tuple[int, int]], *, is_timed: bool, gate_rad: float = MATCH_RAD, reach: float = 1.0
) -> Equations:
    """Return the equations of what is still wrong with a rig.

    Args:
        is_timed: whether offsets are unknown, too. What stays the same for a joint in a window is then taken out:
            joints are seen in different places from different sides. Else the offsets stay.
        gate_rad: as of `match_tracks`.
        reach: as of `Rig.look`.
    """
    samples: dict[tuple[int, int], list[Samples]] = {pair: [] for pair in pairs}
    for instants in rig.windows(windows_for(pairs)):
        looks = [rig.look(camera, instants, reach) for camera in range(len(rig.cameras))]
        block = np.floor(instants / BLOCK_S).astype(np.int64)
        for one, other in pairs:
            cameras = rig.cameras[one], rig.cameras[other]
            samples[one, other] += _samples(cameras, (looks[one], looks[other]), block, is_timed, gate_rad)
    trust = np.tile([0.0 if is_timed else 1.0, TURN_TRUST, TURN_TRUST, TURN_TRUST], len(rig.cameras))
    turned = np.insert(Rotation.from_matrix(rig.turns).as_rotvec(), 0, 0.0, axis=1).ravel()
    matrix, scores = np.diag(trust), dict[int, np.ndarray]()
    moments = np.zeros((len(rig.cameras), 3))
    for pair, found in samples.items():
        if not found:
            continue
        miss, growth, again, blocks = (
            np.concatenate([getattr(part, name) for part in found]) for name in Samples.__slots__
        )
        noise = max(1.4826 * float(np.median(np.abs(miss))), NOISE_MIN_RAD)
        weight = (1.0 + (miss / (OUTLIER * noise)) ** 2) ** -2 / noise**2
        speed = growth[:, UNKNOWNS]
        instruments = growth.copy()
        # With errors of its own: else the noise of joints at rest would pass for speed.
        instruments[:, 0], instruments[:, UNKNOWNS] = -again, again
        instruments *= weight[:, None]
        at = np.concatenate([UNKNOWNS * camera + np.arange(UNKNOWNS) for camera in pair])
        matrix[np.ix_(at, at)] += instruments.T @ growth
        moments[list(pair)] += [weight @ (speed * again), weight @ speed**2, weight @ again**2]
        numbers, place = np.unique(blocks, return_inverse=True)
        sums = np.stack([np.bincount(place, column * miss) for column in instruments.T], axis=1)
        for number, total in zip(numbers.tolist(), sums, strict=True):
            scores.setdefault(number, np.zeros(len(matrix)))[at] -= total
    likeness = moments[:, 0] / np.sqrt(moments[:, 1] * moments[:, 2]).clip(1e-12)
    right = np.array(list(scores.values())).reshape(-1, len(matrix))
    return Equations(matrix, right, -trust * turned, likeness)


def _samples(
    cameras: tuple[Camera, Camera], looks: tuple[Look, Look], block: np.ndarray, is_timed: bool, gate_rad: float
) -> list[Samples]:
    """Return what the people whom two cameras see tell in a window of time, samples for each.

    Args:
        block: (T,) which block of time each instant is of.
    """
    found = []
    for one, other in match_tracks(cameras, looks[0].toward, looks[1].toward, gate_rad):
        first, second = looks[0].toward[one], looks[1].toward[other]
        met = meet(cameras, first, second)
        speed, again = (
            0.5 * (met.by_second * after[other] - met.by_first * before[one]).sum(axis=-1)
            for before, after in ((looks[0].speed, looks[1].speed), (looks[0].again, looks[1].again))
        )
        turns = np.cross(first, met.by_first), np.cross(second, met.by_second)
        given = np.isfinite(met.miss)
        if is_timed:
            given &= np.isfinite(speed) & np.isfinite(again)
        given &= given.sum(axis=0) >= SAMPLES_MIN
        if not given.any():
            continue
        speed, again = (speed, again) if is_timed else (np.zeros_like(speed), np.zeros_like(again))
        growth = np.concatenate([-speed[..., None], turns[0], speed[..., None], turns[1]], axis=-1)
        at = np.broadcast_to(block[:, None], given.shape)
        miss, growth, again = (_flat(part, given, is_timed) for part in (met.miss, growth, again))
        found.append(Samples(miss, growth, again, at[given]))
    return found


def _unit(toward: np.ndarray) -> np.ndarray:
    return toward / np.linalg.norm(toward, axis=-1, keepdims=True)


def _flat(values: np.ndarray, given: np.ndarray, is_centred: bool) -> np.ndarray:
    """Return the given ones of values (T, J, ...), flat; less the mean of each joint where they are centred."""
    if is_centred:
        mask = given.reshape(*given.shape, *[1] * (values.ndim - 2))
        kept = np.where(mask, values, 0.0)
        values = kept - kept.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return values[given]
