"""Named points of face and feet, and named parts of the skin, found on the mean body by geometry."""

from __future__ import annotations

import numpy as np

from configs.skeletons import LANDMARKS, SMPL24

VERTICES_PER_LANDMARK = 3
PART_NAMES = (
    "head", "hair", "neck", "torso", "upper_arms", "forearms", "hands", "thighs", "shanks", "feet",
)  # fmt: skip
PART_OF_JOINT = {
    "pelvis": "torso", "spine1": "torso", "spine2": "torso", "spine3": "torso", "collar": "torso", "neck": "neck",
    "head": "head", "shoulder": "upper_arms", "elbow": "forearms", "wrist": "hands", "hand": "hands", "hip": "thighs",
    "knee": "shanks", "ankle": "feet", "foot": "feet",
}  # fmt: skip


def find_landmarks(
    vertices: np.ndarray, bone_weights: np.ndarray, bone_names: tuple[str, ...], mirror: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return landmark names, their vertices (L, 3) and shares (L, 3).

    Args:
        vertices: (V, 3) mean body in the T-pose; bone_weights: (V, B) the source's skinning weights.
        mirror: (V,) the vertex at the other side.
    """

    def follows(bones: tuple[str, ...]) -> np.ndarray:
        columns = [i for i, name in enumerate(bone_names) if name.startswith(bones)]
        return bone_weights[:, columns].sum(1) > 0.5

    def around(position: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        distance = np.where(allowed, np.linalg.norm(vertices - position, axis=1), np.inf)
        return np.argsort(distance)[:VERTICES_PER_LANDMARK]

    def extreme(allowed: np.ndarray, direction: tuple[float, float, float]) -> np.ndarray:
        reach = np.where(allowed, vertices @ np.array(direction), -np.inf)
        return around(vertices[np.argmax(reach)], allowed)

    left = vertices[:, 0] > 1e-6
    middle = np.abs(vertices[:, 0]) < 1e-6
    not_head = follows(("root", "pelvis", "spine", "neck01", "clavicle", "shoulder", "upperarm", "lowerarm", "wrist",
                        "metacarpal", "finger", "upperleg", "lowerleg", "foot", "toe", "breast"))  # fmt: skip
    head = ~not_head & (vertices[:, 1] > vertices[:, 1].max() - 0.3)
    crown = vertices[np.argmax(np.where(head & middle, vertices[:, 1], -np.inf))]
    nose = vertices[np.argmax(np.where(head & middle, vertices[:, 2], -np.inf))]
    lids = follows(("orbicularis", "eye"))
    eye = vertices[lids & left].mean(0)
    eye_tip = vertices[lids & left][:, 2].max()
    ear_band = head & left & (vertices[:, 1] < eye[1] + 0.03) & (vertices[:, 1] > eye[1] - 0.06)
    ear = vertices[np.argmax(np.where(ear_band, vertices[:, 0], -np.inf))]
    found = {
        "nose": around(nose, head),
        "head_top": around(crown, head),
        "left_eye": around(np.array([eye[0], eye[1], eye_tip]), head & left),
        "left_ear": around(ear - [0.012, 0.012, -0.015], head & left),
        "left_big_toe": extreme(follows(("toe1-",)) & left, (0.0, 0.2, 1.0)),
        "left_small_toe": extreme(follows(("toe5-",)) & left, (0.5, 0.2, 1.0)),
        "left_heel": extreme(follows(("foot",)) & left, (0.0, -0.5, -1.0)),
    }
    for name in LANDMARKS:
        if name.startswith("right_"):
            found[name] = mirror[found["left_" + name.removeprefix("right_")]]
    weights = np.full((len(LANDMARKS), VERTICES_PER_LANDMARK), 1.0 / VERTICES_PER_LANDMARK)
    return LANDMARKS, np.stack([found[name] for name in LANDMARKS]), weights


def label_parts(vertices: np.ndarray, weights: np.ndarray, eye_vertex: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the part (V,) uint8 of each vertex, an index into the names returned with it.

    Args:
        vertices: (V, 3) mean body; weights: (V, 24) its skinning weights; eye_vertex: a vertex on an eye.
    """
    joint_parts = [PART_NAMES.index(PART_OF_JOINT[name.split("_")[-1]]) for name in SMPL24]
    parts = np.array(joint_parts, dtype=np.uint8)[weights.argmax(1)]
    eye = vertices[eye_vertex]
    # The hairline: a plane that falls from the forehead to the nape, behind the ears.
    depth, rise = eye[2] - vertices[:, 2], vertices[:, 1] - eye[1]
    is_hair = (rise > 0.075 - np.maximum(depth - 0.02, 0.0) * 1.1) & (rise > -0.09) & (depth > 0.005)
    parts[(parts == PART_NAMES.index("head")) & is_hair] = PART_NAMES.index("hair")
    return parts, PART_NAMES
