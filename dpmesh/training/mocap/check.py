"""How true the retargeted motion is to its source, measured by position, collection by collection."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dpmesh.training.mocap.convert import SourceFile, parse_source
from dpmesh.training.mocap.limits import Violations, count_violations
from dpmesh.training.mocap.retarget import LIMB_CHILD, SmplMotion, posed_joints, retarget
from dpmesh.training.mocap.rigs import SIDES, Rig
from dpmesh.training.mocap.skeleton import JOINT_INDEX
from dpmesh.training.mocap.source import SourceMotion

LIMBS = {"upper arm": "shoulder", "forearm": "elbow", "thigh": "hip", "shin": "knee"}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """One collection: mean angle in degrees between limbs of source and result, and what was wrong in the source."""

    collection: str
    frame_count: int
    error_deg: dict[str, float]  # by name of `LIMBS`
    violations: Violations  # before knees and ankles are mended


def limb_errors(source: SourceMotion, rig: Rig, motion: SmplMotion, rest_m: np.ndarray) -> dict[str, np.ndarray]:
    """Return the angles in radians between each limb's direction in the source and in the result.

    Returns:
        (T, 2) left and right for each name of `LIMBS`, from joint positions alone.
    """
    joints = posed_joints(motion.pose.astype(np.float64), rest_m)
    found = {}
    for limb, part in LIMBS.items():
        sides = []
        for side in SIDES:
            bone = rig.drives[f"{side}_{part}"].bone
            if bone is None:
                raise ValueError(f"rig {rig.name}: {side}_{part} names no bone")
            first, second = (source.joint(name) for name in bone)
            wanted = source.position[:, second] - source.position[:, first]
            got = joints[:, JOINT_INDEX[f"{side}_{LIMB_CHILD[part]}"]] - joints[:, JOINT_INDEX[f"{side}_{part}"]]
            sides.append(angle_between(wanted, got))
        found[limb] = np.stack(sides, axis=1)
    return found


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angle in radians between vectors (..., 3)."""
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.arctan2(sine, (first * second).sum(axis=-1))


def check_collections(files: Iterable[SourceFile], rest_m: np.ndarray) -> list[Fidelity]:
    """Return one row per collection, in the order of the files."""
    errors: dict[str, list[dict[str, np.ndarray]]] = defaultdict(list)
    poses: dict[str, list[np.ndarray]] = defaultdict(list)
    for file in files:
        source = parse_source(file)
        rig = file.entry.collection.rig
        motion = retarget(source, rig, rest_m)
        errors[file.entry.collection.name].append(limb_errors(source, rig, motion, rest_m))
        poses[file.entry.collection.name].append(retarget(source, rig, rest_m, mend=False).pose)
    rows = []
    for name, found in errors.items():
        pose = np.concatenate(poses[name])
        mean = {limb: float(np.degrees(np.concatenate([one[limb] for one in found]).mean())) for limb in LIMBS}
        rows.append(Fidelity(name, len(pose), mean, count_violations(pose)))
    return rows


def format_table(rows: list[Fidelity]) -> str:
    """Return the rows as text columns; violations in percent of frames and sides."""
    lines = [
        f"{'collection':24}{'frames':>8}  "
        + "".join(f"{limb + ' deg':>15}" for limb in LIMBS)
        + f"{'knee back %':>13}{'side %':>8}{'elbow back %':>14}{'side %':>8}{'ankle %':>9}"
    ]
    for row in rows:
        bad = row.violations
        lines.append(
            f"{row.collection:24}{row.frame_count:8d}  "
            + "".join(f"{row.error_deg[limb]:15.2f}" for limb in LIMBS)
            + f"{100 * bad.knee_backwards:13.2f}{100 * bad.knee_sideways:8.2f}"
            + f"{100 * bad.elbow_backwards:14.2f}{100 * bad.elbow_sideways:8.2f}{100 * bad.ankle_flipped:9.2f}"
        )
    return "\n".join(lines)
