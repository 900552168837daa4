"""Tiny recordings made on the spot."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from dpmesh.training.mocap.bank import PoseBank

# name, parent, offset: the cgspeed rig in centimetres, as far as the tests need it
_BONES = (
    ("hip", "", (0, 0, 0)), ("abdomen", "hip", (0, 20, 0)), ("chest", "abdomen", (0, 12, 0)),
    ("neck", "chest", (0, 22, 0)), ("head", "neck", (0, 7, 0)),
    ("lCollar", "chest", (3, 19, 0)), ("lShldr", "lCollar", (9, 0, 0)), ("lForeArm", "lShldr", (28, 0, 0)),
    ("lHand", "lForeArm", (24, 0, 0)),
    ("rCollar", "chest", (-3, 19, 0)), ("rShldr", "rCollar", (-9, 0, 0)), ("rForeArm", "rShldr", (-28, 0, 0)),
    ("rHand", "rForeArm", (-24, 0, 0)),
    ("lThigh", "hip", (9, 0, 0)), ("lShin", "lThigh", (0, -37, 0)), ("lFoot", "lShin", (0, -45, 0)),
    ("rThigh", "hip", (-9, 0, 0)), ("rShin", "rThigh", (0, -37, 0)), ("rFoot", "rShin", (0, -45, 0)),
)  # fmt: skip

Turns = Mapping[str, tuple[float, float, float]]


@pytest.fixture
def cgspeed_bvh() -> Callable[[list[Turns]], str]:
    """Return a writer of BVH text: one mapping a frame, joint to its Z, X and Y degrees; the hip stands at 86 cm."""

    def write(frames: list[Turns]) -> str:
        lines = ["HIERARCHY"]

        def node(name: str, offset: tuple[int, int, int], depth: int) -> None:
            pad = "\t" * depth
            places = "Xposition Yposition Zposition " if depth == 0 else ""
            lines.extend([f"{pad}{'JOINT' if depth else 'ROOT'} {name}", f"{pad}{{"])
            lines.append(f"{pad}\tOFFSET {offset[0]} {offset[1]} {offset[2]}")
            lines.append(f"{pad}\tCHANNELS {6 if depth == 0 else 3} {places}Zrotation Xrotation Yrotation")
            children = [bone for bone in _BONES if bone[1] == name]
            for child, _, step in children:
                node(child, step, depth + 1)
            if not children:
                lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET 0 0 10", f"{pad}\t}}"])
            lines.append(f"{pad}}}")

        node("hip", (0, 0, 0), 0)
        order = [line.split()[1] for line in lines if line.split()[0] in ("ROOT", "JOINT")]
        lines.extend(["MOTION", f"Frames: {len(frames)}", "Frame Time: 0.0333333"])
        for turns in frames:
            numbers = [0.0, 86.0, 0.0]
            for name in order:
                numbers.extend(turns.get(name, (0.0, 0.0, 0.0)))
            lines.append(" ".join(f"{number:.5f}" for number in numbers))
        return "\n".join(lines) + "\n"

    return write


@pytest.fixture
def bank() -> PoseBank:
    """Return a bank of six sequences: five minutes idle, little else; each frame's spine tells its sequence."""
    lengths = (9000, 90, 60, 60, 30, 60)
    categories = ("idle", "walk", "dance", "fight", "acrobatics", "walk")
    splits = ("train", "train", "train", "train", "train", "val")
    sequence = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    pose = np.zeros((len(sequence), 24, 3), dtype=np.float32)
    pose[:, 3, 0] = 0.01 * (1 + sequence)
    time_s = np.concatenate([np.arange(length, dtype=np.float32) / 30 for length in lengths])
    trans = np.stack([time_s, np.full_like(time_s, 0.9), np.zeros_like(time_s)], axis=1)
    return PoseBank(
        pose=pose,
        trans=trans,
        sequence=sequence,
        time_s=time_s,
        rate_hz=30.0,
        names=np.array([f"clip{row}.bvh" for row in range(len(lengths))]),
        collections=np.array(["made"] * len(lengths)),
        subjects=np.array([f"S{row}" for row in range(len(lengths))]),
        categories=np.array(categories),
        splits=np.array(splits),
    )
