"""People in coloured clothes who walk before a still camera, as a tracker reports them."""

from collections.abc import Sequence

import numpy as np

from trackers.linking.pieces import Piece, TrackRows, pieces_of

RATE_HZ, LOOK_EVERY = 25.0, 3
FOCAL_PX, MIDDLE_PX = 600.0, 320.0
LIKE = np.tile([40.0, 5.0, 5.0], 12)  # what those in like clothes look like


def clothes(seed: int) -> np.ndarray:
    """Return the colours (36,) of somebody."""
    parts = np.random.default_rng(seed).uniform((15, -30, -30), (80, 30, 30), (4, 1, 3))
    return np.repeat(parts, 3, axis=1).reshape(-1) + np.tile([[-4.0] * 3, [0.0] * 3, [4.0] * 3], (4, 1)).reshape(-1)


def walk(
    frames: Sequence[int], start_m: tuple[float, float], speed_m_s: tuple[float, float], look: np.ndarray, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return the rows of somebody who is in these frames, with noise, as arguments of `TrackRows` but for contact.

    Args:
        start_m: across and along the line of sight, at frame 0.
    """
    rng, index = np.random.default_rng([seed, *np.abs(look).astype(int)]), np.asarray(frames, np.int64)
    time_s = index / RATE_HZ
    place = np.stack([start_m[0] + speed_m_s[0] * time_s, start_m[1] + speed_m_s[1] * time_s], axis=1)
    noisy = place * (1 + rng.normal(0, [[0.01, 0.03]], place.shape))
    height = FOCAL_PX * 1.7 / place[:, 1]
    left = MIDDLE_PX + FOCAL_PX * place[:, 0] / place[:, 1] - 0.2 * height
    boxes = np.stack([left, 300 - 0.5 * height, left + 0.4 * height, 300 + 0.5 * height], axis=1)
    looked = index[index % LOOK_EVERY == 0]
    return {
        "frame_index": index,
        "time_s": time_s,
        "boxes_xyxy": boxes + rng.normal(0, 1, boxes.shape),
        "places_m": np.stack([noisy[:, 0], np.zeros(len(index)), noisy[:, 1]], axis=1),
        "betas": rng.normal(0, 0.3, (len(index), 10)),
        "weights": np.full(len(index), 0.8),
        "look_frames": looked,
        "looks": (look + rng.normal(0, 3, (len(looked), 36))).astype(np.float32),
    }


def joined(*parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one track of several people's rows, one after the other: what a tracker makes that goes astray."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tracked(tracks: Sequence[dict[str, np.ndarray]], cut_frames: Sequence[int] = ()) -> list[Piece]:
    """Return the pieces of tracks, which are numbered from 1.

    Where people are in contact is found from the boxes; who is in contact is not looked at.
    """
    from trackers.linking.contact import Contacts

    frames, times_s, boxes = (
        np.concatenate([track[name] for track in tracks]) for name in ("frame_index", "time_s", "boxes_xyxy")
    )
    numbers = np.concatenate([np.full(len(track["time_s"]), k) for k, track in enumerate(tracks)])
    order = np.argsort(frames, kind="stable")
    contact, is_clear = np.empty(len(frames)), np.empty(len(frames), bool)
    contact[order], is_clear[order] = Contacts().update(frames[order], times_s[order], numbers[order], boxes[order])
    found = []
    for number, track in enumerate(tracks):
        mine = contact[numbers == number]
        is_free = mine[np.searchsorted(track["frame_index"], track["look_frames"])] <= 0.1
        clear = {"look_frames": track["look_frames"][is_free], "looks": track["looks"][is_free]}
        rows = TrackRows(**track | clear, contact=mine, is_clear=is_clear[numbers == number])
        found += list(pieces_of(number + 1, rows, np.array(cut_frames, np.int64)))
    return found
