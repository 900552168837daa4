"""A scene in few bytes, for the page's own drawing code (`pipeline/data/report/scene.js`)."""

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.overlay.palette import identity_colours
from pipeline.view.scene import Scene, ScenePerson

TURNED_JOINTS = 22  # the hands are at rest
REST_UNIT_M = 1 / 16384  # of vertices at rest, which lie within 2 m
TURN_UNIT_RAD = np.pi / 32767
MOVE_STEPS = 65535  # of a person's way along each axis
OBSERVED, REFINED = 1, 2  # bits of a sample's state
INFLUENCES = 4  # joints that a vertex follows


@dataclass(slots=True)
class Packer:
    """Arrays one after the other, each from a multiple of four bytes on."""

    parts: dict[str, tuple[int, int]] = field(default_factory=dict)  # name to first byte and number of bytes
    data: bytearray = field(default_factory=bytearray)

    def add(self, name: str, array: np.ndarray) -> None:
        """Append an array."""
        content = np.ascontiguousarray(array).tobytes()
        self.parts[name] = (len(self.data), len(content))
        self.data += content + bytes(-len(content) % 4)


@dataclass(frozen=True, slots=True)
class Payload:
    """What the page's script reads."""

    head: dict[str, Any]
    content: str  # base64 of what zlib made of the arrays


def pack_scene(scene: Scene) -> Payload:
    """Return a scene for the page."""
    packer = Packer()
    if scene.people:
        _add_mesh(packer, scene)
    people = [_add_person(packer, person) for person in scene.people]
    low, high = _extent(scene)
    head = {
        "people": people,
        "mesh": {"vertices": len(scene.weights)},
        "parts": packer.parts,
        "floor": scene.floor.z_m,
        "low": low.round(3).tolist(),
        "high": high.round(3).tolist(),
        "cameras": [
            {"name": each.name, "pose": each.world_from_cam.round(6).tolist(), "half": each.half_extent}
            for each in scene.cameras
        ],
    }
    content = base64.b64encode(zlib.compress(bytes(packer.data), 9 if len(packer.data) < 2**22 else 6)).decode()
    return Payload(head, content)


def _extent(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (3,) of the box that nearly all positions of pelvises lie in."""
    if not scene.people:
        return np.array([-1.0, 2.0, 0.0]), np.array([1.0, 4.0, 1.0])
    pelvis = np.concatenate([person.pelvis_m for person in scene.people])
    low, high = np.percentile(pelvis, (2, 98), axis=0)  # a wild depth in a few frames must not shrink everyone
    return low, high


def _add_mesh(packer: Packer, scene: Scene) -> None:
    packer.add("faces", scene.faces.astype(np.uint16 if len(scene.weights) < 2**16 else np.uint32))
    joints = np.argsort(-scene.weights, axis=1, kind="stable")[:, :INFLUENCES]
    weights = np.take_along_axis(scene.weights, joints, axis=1).astype(np.float64)
    shares = np.round(255 * weights / weights.sum(axis=1, keepdims=True)).astype(np.int64)
    shares[:, 0] += 255 - shares.sum(axis=1)
    packer.add("joints", joints.astype(np.uint8))
    packer.add("weights", shares.astype(np.uint8))


def _add_person(packer: Packer, person: ScenePerson) -> dict[str, Any]:
    known = person.time_s[: len(person.pose)]
    start, end = float(known[0]), float(known[-1])
    rate_hz = (len(known) - 1) / (end - start) if end > start else 1.0
    rows = _nearest(known, start + np.arange(len(known)) / rate_hz)  # themselves, where they lie evenly
    turns = Rotation.from_rotvec(person.pose[rows, :TURNED_JOINTS].reshape(-1, 3)).as_rotvec()
    moves, lowest, step = _scaled(person.pelvis_m[rows])
    packer.add(f"{person.id}.rest", np.round(person.rest_vertices / REST_UNIT_M).clip(-32768, 32767).astype(np.int16))
    packer.add(f"{person.id}.turns", steps_of(np.round(turns / TURN_UNIT_RAD).reshape(len(rows), -1)))
    packer.add(f"{person.id}.moves", steps_of(moves))
    packer.add(
        f"{person.id}.state", (OBSERVED * person.is_observed + REFINED * person.is_refined)[rows].astype(np.uint8)
    )
    packer.add(f"{person.id}.confidence", np.round(255 * person.confidence[rows].clip(0, 1)).astype(np.uint8))
    return {
        "id": person.id,
        "colour": identity_colours(np.array([person.id]))[0].tolist(),
        "joints": person.rest_joints.round(5).tolist(),
        "start_s": start,
        "end_s": end,
        "rate_hz": rate_hz,
        "count": len(rows),
        "lowest": lowest.round(6).tolist(),
        "step": step.tolist(),
    }


def _nearest(time_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    after = np.searchsorted(time_s, wanted_s).clip(0, len(time_s) - 1)
    before = (after - 1).clip(0)
    return np.where(wanted_s - time_s[before] < time_s[after] - wanted_s, before, after)


def _scaled(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whole numbers (N, 3) up to `MOVE_STEPS`, the lowest place (3,), and metres per step (3,)."""
    low = places.min(axis=0)
    step = np.maximum(places.max(axis=0) - low, 1e-3) / MOVE_STEPS
    return np.round((places - low) / step), low, step


def steps_of(values: np.ndarray) -> np.ndarray:
    """Return the differences of rows of 16-bit numbers (N, W), the low bytes of all before the high ones."""
    whole = values.astype(np.int64)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, whole.shape[1]), np.int64)) & 0xFFFF
    flat = steps.ravel()
    return np.concatenate([flat & 0xFF, flat >> 8]).astype(np.uint8)
