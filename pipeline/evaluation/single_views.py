"""What each view of a capture says of people alone, and what views agree on without calibration.

Both are bodies as a view recovered them, with its own root and place; who is who is told by the association of all
views.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from dpmesh.geometry.rotations import nearest_rotation
from pipeline.evaluation.multiview import WorldJoints
from pipeline.motion.posing import Body, joint_positions
from pipeline.multiview.association import Person
from pipeline.multiview.fusion import Sightings
from pipeline.multiview.views import View


def alone(
    people: Sequence[tuple[Person, Sightings]], views: Sequence[View], body: Body
) -> list[dict[int, WorldJoints]]:
    """Return, for each view, the joints of the people it sees (by id) as it recovered them, in the world."""
    return _estimates(people, views, body, has_shared_pose=False)


def in_consensus(
    people: Sequence[tuple[Person, Sightings]], views: Sequence[View], body: Body
) -> list[dict[int, WorldJoints]]:
    """Return the same with the pose of each body pulled all the way to the mean of the views' poses.

    That mean is what ScoreHMR's guidance by several uncalibrated views pulls towards (arXiv 2403.09623): of all
    rotations but the root's. Its evaluation also averages shapes; here, shape, root and place stay each view's own.
    """
    return _estimates(people, views, body, has_shared_pose=True)


def _estimates(
    people: Sequence[tuple[Person, Sightings]], views: Sequence[View], body: Body, *, has_shared_pose: bool
) -> list[dict[int, WorldJoints]]:
    found: list[dict[int, WorldJoints]] = [{} for _ in views]
    for person, seen in people:
        shared = _mean_pose(seen, views) if has_shared_pose else None
        for number, view in enumerate(views):
            at = np.flatnonzero(seen.rows[:, number] >= 0)
            if not len(at):
                continue
            rows = view.rows.take(seen.rows[at, number])
            pose = rows.pose
            if shared is not None:
                pose = np.concatenate([pose[:, :1], shared[at]], axis=1)
            joints = joint_positions(body, pose, rows.betas, rows.trans, "coco17")
            found[number][person.id] = WorldJoints(seen.frame_index[at], view.camera.to_world(joints))
    return found


def _mean_pose(seen: Sightings, views: Sequence[View]) -> np.ndarray:
    """Return the mean (T, 23, 3) over views of a person's pose without the root, axis-angle."""
    total = np.zeros((len(seen.frame_index), 23, 3, 3))
    for number, view in enumerate(views):
        at = np.flatnonzero(seen.rows[:, number] >= 0)
        turns = Rotation.from_rotvec(view.rows.pose[seen.rows[at, number], 1:].reshape(-1, 3)).as_matrix()
        total[at] += turns.reshape(-1, 23, 3, 3)
    mean = nearest_rotation(torch.from_numpy(total)).numpy().reshape(-1, 3, 3)
    return Rotation.from_matrix(mean).as_rotvec().reshape(-1, 23, 3)
