"""TRC, the text format of OpenSim: the joints of one person as markers, y up.

A world with z up becomes (y, z, x), as in Pose2Sim: away from the camera is x, which is forward in OpenSim.
Source: OpenSim documentation, "Marker (.trc) files".
"""

from pathlib import Path

import numpy as np

from configs.skeletons import SMPL24
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson

AXES = [1, 2, 0]
HEAD_LINES = 5


def marker_name(joint: str) -> str:
    """Return a joint's name as OpenSim models spell markers: `left_knee` is `LKnee`, and the pelvis is `Hip`."""
    words = joint.replace("pelvis", "hip").split("_")
    side = {"left": "L", "right": "R"}.get(words[0], words[0].capitalize())
    return side + "".join(word.capitalize() for word in words[1:])


MARKERS = tuple(marker_name(joint) for joint in SMPL24)


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write one person; times are those in the video."""
    assert person is not None
    motion = person.load()
    frames = motion.first_sample + np.arange(len(motion))
    rate, count = f"{scene.rate_hz:.8g}", len(motion)
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write(f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n")
        file.write(
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
        )
        file.write(f"{rate}\t{rate}\t{count}\t{len(MARKERS)}\t{units(scene)}\t{rate}\t{frames[0] + 1}\t{count}\n")
        file.write("Frame#\tTime\t" + "\t".join(f"{name}\t\t" for name in MARKERS) + "\n")
        axes = "\t".join(f"X{number}\tY{number}\tZ{number}" for number in range(1, len(MARKERS) + 1))
        file.write(f"\t\t{axes}\n\n")
        for rows in motion.blocks():
            points = motion.joints(rows)[..., AXES].reshape(-1, 3 * len(MARKERS)) * scale_of(scene)
            table = np.column_stack([frames[rows] + 1, frames[rows] / scene.rate_hz, points])
            np.savetxt(file, table, fmt=["%d", "%.8f"] + ["%.6f"] * points.shape[1], delimiter="\t")


def units(scene: Scene) -> str:
    """Return the unit of a file; OpenSim takes metres or millimetres, so what is not metres is millimetres."""
    return "m" if scene.unit == "m" else "mm"


def scale_of(scene: Scene) -> float:
    """Return how many units a metre has."""
    return 1.0 if scene.unit == "m" else 1000.0


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the table again."""
    assert person is not None
    with open(path, encoding="ascii") as file:
        head = [next(file, "").rstrip("\n").split("\t") for _ in range(HEAD_LINES + 1)]
        check_count(path, "NumFrames", int(head[2][2]), person.count)
        if tuple(filter(None, head[3][2:])) != MARKERS:
            raise broken(path, "its markers have other names")
        rows = checked_rows(person.count)
        wanted, kept, count = set(rows.tolist()), [], 0
        for line in file:
            if count in wanted:
                kept.append([float(word) for word in line.split("\t")])
            count += 1
    check_count(path, "the number of rows", count, person.count)
    values = np.array(kept)
    found = np.empty((len(rows), 24, 3))
    found[..., AXES] = values[:, 2:].reshape(-1, 24, 3) / scale_of(scene)
    check_joints(path, found, person.load().joints(rows))


FORMATS = {"trc": Format("trc", "trc", write, check, is_shared=False)}
