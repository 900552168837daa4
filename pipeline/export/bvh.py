"""BVH: one skeleton with SMPL's joint names per file, y up.

Each joint has its rotation as `Zrotation Yrotation Xrotation`, R = Rz Ry Rx; the root also has its position. Offsets
are those of the person's own shape, in SMPL's rest pose.
Source: Meredith and Maddock, "Motion capture file formats explained" (2001).
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from scipy.spatial.transform import Rotation

from configs.skeletons import SMPL24, SMPL_PARENTS
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Y_UP_FROM_Z_UP, Scene, ScenePerson, chain

CHILDREN = [[child for child, parent in enumerate(SMPL_PARENTS) if parent == joint] for joint in range(24)]
ROTATIONS = "Zrotation Yrotation Xrotation"
END_SITES_M = {10: (0, 0, 0.08), 11: (0, 0, 0.08), 15: (0, 0.15, 0), 22: (0.08, 0, 0), 23: (-0.08, 0, 0)}


def _in_file_order(joint: int = 0) -> Iterator[int]:
    yield joint
    for child in CHILDREN[joint]:
        yield from _in_file_order(child)


ORDER = tuple(_in_file_order())  # of the joints in a file: each before its children


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write one person."""
    assert person is not None
    motion = person.load()
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("HIERARCHY\n")
        _write_joint(file, motion.rest * scene.scale, scene.scale, 0, 0)
        file.write(f"MOTION\nFrames: {len(motion)}\nFrame Time: {1 / scene.rate_hz:.8f}\n")
        before = None
        for rows in motion.blocks():
            angles = smooth_angles(motion.rotations(rows, is_y_up=True), before)
            before = angles[-1]
            places = motion.pelvis[rows] @ Y_UP_FROM_Z_UP.T * scene.scale
            in_order = angles[:, list(ORDER)].reshape(len(angles), -1)
            np.savetxt(file, np.concatenate([places, in_order], axis=1), fmt="%.6f")


def smooth_angles(rotations: Rotation, before: np.ndarray | None = None) -> np.ndarray:
    """Return angles (T, 24, 3) in degrees about z, y', x'' of T * 24 rotations, as smooth over time as can be.

    Of the two triples that give one rotation, (a, b, c) and (a + 180, 180 - b, c + 180), each sample takes the one that
    is closer to the sample before, and whole turns are added, so that tools that interpolate angles find no jumps.

    Args:
        before: (24, 3) angles of the sample before the first; None: there is none.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at the gimbal lock one of two angles is free, and scipy says so
        first = rotations.as_euler("ZYX", degrees=True).reshape(-1, 24, 3)
    second = np.array([180.0, 180.0, 180.0]) + first * np.array([1.0, -1.0, 1.0])
    smooth = np.empty_like(first)
    before = first[0] if before is None else before
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        one, other = (angles + 360.0 * np.round((before - angles) / 360.0) for angles in (one, other))
        is_other = np.abs(other - before).sum(axis=-1) < np.abs(one - before).sum(axis=-1)
        before = smooth[row] = np.where(is_other[:, None], other, one)
    return smooth


def _write_joint(file: TextIO, rest: np.ndarray, scale: float, joint: int, depth: int) -> None:
    tab, parent = "\t" * depth, SMPL_PARENTS[joint]
    offset = np.zeros(3) if parent < 0 else rest[joint] - rest[parent]
    channels = f"3 {ROTATIONS}" if parent >= 0 else f"6 Xposition Yposition Zposition {ROTATIONS}"
    file.write(f"{tab}{'ROOT' if parent < 0 else 'JOINT'} {SMPL24[joint]}\n{tab}{{\n")
    file.write(f"{tab}\tOFFSET {_numbers(offset)}\n{tab}\tCHANNELS {channels}\n")
    for child in CHILDREN[joint]:
        _write_joint(file, rest, scale, child, depth + 1)
    if joint in END_SITES_M:
        end = np.array(END_SITES_M[joint]) * scale
        file.write(f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET {_numbers(end)}\n{tab}\t}}\n")
    file.write(f"{tab}}}\n")


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the file again, and pose its skeleton."""
    assert person is not None
    motion = person.load()
    rows = checked_rows(len(motion))
    offsets: list[list[float]] = []
    names: list[str] = []
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] in ("ROOT", "JOINT"):
                names.append(words[1])
            elif words[0] == "OFFSET" and len(offsets) < len(names):
                offsets.append([float(word) for word in words[1:]])
            elif words[0] == "Frames:":
                check_count(path, "Frames", int(words[1]), len(motion))
            elif words[:2] == ["Frame", "Time:"]:
                check_count(path, "the rate", 1 / float(words[2]), scene.rate_hz)
                break
        if names != [SMPL24[joint] for joint in ORDER]:
            raise broken(path, "its joints have other names")
        kept, last = [], -1
        for row in rows:
            line = next(islice(file, int(row) - last - 1, None), "")
            kept.append(np.fromstring(line, sep=" "))
            last = int(row)
        if any(len(values) != 75 for values in kept) or next(file, "").strip():
            raise broken(path, "its rows are not whole")
    values = np.array(kept)
    rest = np.zeros((24, 3))
    for joint, offset in zip(ORDER, offsets, strict=True):
        rest[joint] = offset if SMPL_PARENTS[joint] < 0 else rest[SMPL_PARENTS[joint]] + offset
    angles = np.empty((len(rows), 24, 3))
    angles[:, list(ORDER)] = values[:, 3:].reshape(-1, 24, 3)
    turns = Rotation.from_euler("ZYX", angles.reshape(-1, 3), degrees=True)
    joints = chain(rest, turns, values[:, :3]) / scene.scale @ Y_UP_FROM_Z_UP
    check_joints(path, joints, motion.joints(rows))


FORMATS = {"bvh": Format("bvh", "bvh", write, check, is_shared=False)}
