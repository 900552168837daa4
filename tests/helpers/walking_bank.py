"""A pose bank of synthetic walks, straight ahead and in a curve, and of people who stay."""

import numpy as np
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.bank import PoseBank

RATE_HZ, FRAMES = 30.0, 120


def walking_bank(split: str = "test", *, collection: str = "x", walks: int = 3, dances: int = 2) -> PoseBank:
    """Return a bank whose walks go 1.2 m a second; every other one turns left as it goes."""
    time = np.arange(FRAMES) / RATE_HZ
    poses, places, kinds = [], [], []
    for number in range(walks + dances):
        is_walk = number < walks
        pose, place = np.zeros((FRAMES, 24, 3)), np.zeros((FRAMES, 3))
        place[:, 1] = 0.95
        swing = 0.5 * np.sin(2 * np.pi * time + number)
        pose[:, 16, 2], pose[:, 17, 2] = -1.2, 1.2
        pose[:, 1, 0], pose[:, 2, 0] = swing, -swing
        if is_walk:
            heading = 0.7 + (0.4 * time if number % 2 else 0 * time)
            pose[:, 0] = Rotation.from_rotvec(heading[:, None] * [0.0, 1.0, 0.0]).as_rotvec()
            step = 1.2 / RATE_HZ * np.stack([np.sin(heading), 0 * heading, np.cos(heading)], axis=1)
            place += np.cumsum(step, axis=0)
        poses.append(pose)
        places.append(place)
        kinds.append("walk" if is_walk else "dance")
    count = len(kinds)
    return PoseBank(
        pose=np.concatenate(poses).astype(np.float32),
        trans=np.concatenate(places).astype(np.float32),
        sequence=np.repeat(np.arange(count), FRAMES).astype(np.int32),
        time_s=np.tile(time, count).astype(np.float32),
        rate_hz=RATE_HZ,
        names=np.array([f"{split}/{kind}_{k}" for k, kind in enumerate(kinds)]),
        collections=np.full(count, collection),
        subjects=np.full(count, "1"),
        categories=np.array(kinds),
        splits=np.full(count, split),
    )
