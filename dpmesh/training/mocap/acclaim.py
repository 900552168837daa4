"""Acclaim ASF (skeleton) and AMC (motion), and exponential-map rows in the order of the CMU skeleton."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from dpmesh.training.mocap.source import SourceMotion, chain, rest_positions

_AXES = ("rx", "ry", "rz")

# Order of the 38 rotations of an exponential-map row; a name that ends in _end turns nothing.
EXPMAP_JOINTS: tuple[str, ...] = (
    "root", "lhipjoint", "lfemur", "ltibia", "lfoot", "ltoes", "ltoes_end",
    "rhipjoint", "rfemur", "rtibia", "rfoot", "rtoes", "rtoes_end",
    "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head", "head_end",
    "lclavicle", "lhumerus", "lradius", "lwrist", "lhand", "lfingers", "lfingers_end", "lthumb", "lthumb_end",
    "rclavicle", "rhumerus", "rradius", "rwrist", "rhand", "rfingers", "rfingers_end", "rthumb", "rthumb_end",
)  # fmt: skip
_EXPMAP_PARENTS = (
    -1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0, 13, 14, 15, 16, 17, 18,
    15, 20, 21, 22, 23, 24, 25, 23, 27, 15, 29, 30, 31, 32, 33, 34, 32, 36,
)  # fmt: skip
# The rows carry no lengths: bone ends of a typical CMU skeleton in ASF units (x 0.0564 = metres), from the start of
# the bone, in the zero pose (arms along X, legs splayed by 20 degrees). Left side; the right one is mirrored.
_TYPICAL_BONES = {
    "hipjoint": (1.5, -1.8, 0.8), "femur": (2.4, -6.6, 0.0), "tibia": (2.6, -7.2, 0.0), "foot": (0.2, -0.6, 2.1),
    "toes": (0.0, 0.0, 1.1), "lowerback": (0.0, 2.1, -0.2), "upperback": (0.0, 2.1, 0.0), "thorax": (0.0, 2.1, 0.0),
    "lowerneck": (0.0, 1.6, 0.2), "upperneck": (0.0, 1.6, -0.2), "head": (0.0, 1.7, -0.1),
    "clavicle": (3.2, 0.9, -0.5), "humerus": (5.2, 0.0, 0.0), "radius": (3.7, 0.0, 0.0), "wrist": (1.7, 0.0, 0.0),
    "hand": (0.7, 0.0, 0.0), "fingers": (0.6, 0.0, 0.0), "thumb": (0.7, 0.0, 0.7),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AsfSkeleton:
    """Bones of an ASF file, parents first; row 0 is the root, which has no length."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    bone: np.ndarray  # (J, 3) from a bone's start to its end in the zero pose
    axis: np.ndarray  # (J, 3, 3) frame in which a bone's angles are given
    dofs: tuple[tuple[str, ...], ...]


def parse_asf(text: str) -> AsfSkeleton:
    """Return the skeleton of an ASF file; raises InputError when a bone lacks a field."""
    bones: dict[str, dict[str, list[str]]] = {}
    links: list[list[str]] = []
    section = ""
    current: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            section = words[0][1:].lower()
        elif section == "bonedata":
            if words[0] == "begin":
                current = {}
            elif words[0] == "end":
                bones[current["name"][0]] = current
            else:
                current[words[0]] = words[1:]
        elif section == "hierarchy" and words[0] not in ("begin", "end"):
            links.append(words)
    names, parents = ["root"], [-1]
    for words in links:
        if words[0] not in names:
            raise InputError(f"ASF hierarchy names {words[0]!r} before its parent")
        for child in words[1:]:
            parents.append(names.index(words[0]))
            names.append(child)
    bone, axis = [np.zeros(3)], [np.eye(3)]
    dofs: list[tuple[str, ...]] = [("rx", "ry", "rz")]
    for name in names[1:]:
        try:
            entry = bones[name]
            direction = np.array(entry["direction"], dtype=np.float64)
            bone.append(direction * float(entry["length"][0]))
            angles = [float(value) for value in entry["axis"][:3]]
        except (KeyError, ValueError) as error:
            raise InputError(f"ASF bone {name!r}: no usable {error}") from error
        axis.append(Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
        dofs.append(tuple(word.lower() for word in entry.get("dof", [])))
    return AsfSkeleton(tuple(names), tuple(parents), np.array(bone), np.array(axis), tuple(dofs))


def parse_amc(text: str, skeleton: AsfSkeleton, rate_hz: float) -> SourceMotion:
    """Return the motion of an AMC file on its skeleton; the file itself does not tell the rate.

    A bone's rotation relative to its parent is C M C^T, C its axis frame, M = Rz Ry Rx of its angles.

    Raises:
        InputError: no frames, or a frame without a value the skeleton asks for.
    """
    frames: list[dict[str, list[float]]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1:
            frames.append({})
        else:
            frames[-1][words[0]] = [float(value) for value in words[1:]]
    if not frames:
        raise InputError("AMC file has no frames")
    local = np.tile(np.eye(3), (len(frames), len(skeleton.names), 1, 1))
    try:
        root = np.array([frame["root"] for frame in frames])
        for row, name in enumerate(skeleton.names):
            dofs = skeleton.dofs[row]
            if not dofs:
                continue
            own = root[:, 3:] if row == 0 else np.array([frame[name] for frame in frames])
            angles = np.zeros((len(frames), 3))
            angles[:, [_AXES.index(dof) for dof in dofs]] = own
            turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
            local[:, row] = skeleton.axis[row] @ turn @ skeleton.axis[row].T
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"AMC frame does not fit the skeleton: {error}") from error
    return _on_bones(skeleton.names, skeleton.parents, skeleton.bone, local, root[:, :3], rate_hz)


def parse_expmap(text: str, rate_hz: float) -> SourceMotion:
    """Return the motion of comma-separated rows: root position, then 38 exponential maps of row-vector rotations.

    Raises:
        InputError: a row does not have 117 numbers.
    """
    try:
        rows = np.array([line.split(",") for line in text.splitlines() if line.strip()], dtype=np.float64)
    except ValueError as error:
        raise InputError(f"exponential-map rows cannot be read: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != 3 + 3 * len(EXPMAP_JOINTS):
        raise InputError(f"exponential-map rows have shape {rows.shape}, expected 117 numbers each")
    # The published rows turn row vectors; ours turn columns, so the sign changes.
    turns = -rows[:, 3:].reshape(-1, 3)
    local = Rotation.from_rotvec(turns).as_matrix().reshape(len(rows), len(EXPMAP_JOINTS), 3, 3)
    bone = np.zeros((len(EXPMAP_JOINTS), 3))
    for row, name in enumerate(EXPMAP_JOINTS):
        if name in _TYPICAL_BONES:
            bone[row] = _TYPICAL_BONES[name]
        elif name[1:] in _TYPICAL_BONES:
            bone[row] = np.array(_TYPICAL_BONES[name[1:]]) * (1.0 if name[0] == "l" else -1.0, 1.0, 1.0)
    kept = [row for row, name in enumerate(EXPMAP_JOINTS) if not name.endswith("_end")]
    names = tuple(EXPMAP_JOINTS[row] for row in kept)
    parents = tuple(-1 if _EXPMAP_PARENTS[row] < 0 else kept.index(_EXPMAP_PARENTS[row]) for row in kept)
    return _on_bones(names, parents, bone[kept], local[:, kept], rows[:, :3], rate_hz)


def _on_bones(
    names: tuple[str, ...],
    parents: tuple[int, ...],
    bone: np.ndarray,
    local: np.ndarray,
    root: np.ndarray,
    rate_hz: float,
) -> SourceMotion:
    """Place joint `name` at the start of bone `name` and add an end to every bone without children."""
    ends = [row for row in range(len(names)) if row not in parents]
    tree = np.array([*parents, *ends])
    offset = np.array([np.zeros(3) if parent < 0 else bone[parent] for parent in tree])
    local = np.concatenate([local, np.tile(np.eye(3), (len(local), len(ends), 1, 1))], axis=1)
    rotation, position = chain(tree, local, offset, root)
    return SourceMotion(
        names=(*names, *(f"{names[row]}_end" for row in ends)),
        parents=tree,
        rest=rest_positions(tree, offset),
        rotation=rotation,
        position=position,
        rate_hz=rate_hz,
    )
