"""GLB (binary glTF 2.0): all people as skinned meshes with one animation, the camera, and a ground if asked for.

Y up, metres. Vertices follow their four strongest joints. Somebody who is not there for the whole time has the scale
of a speck before and after.
Source: Khronos, "glTF 2.0 specification".
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from scipy.spatial.transform import Rotation

from configs.skeletons import SMPL24, SMPL_PARENTS
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.people import floor_height
from pipeline.export.scene import Y_UP_FROM_Z_UP, Scene, ScenePerson, chain, rest_shape

MAGIC, JSON_CHUNK, BIN_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
FLOAT, BYTE, INT = 5126, 5121, 5125
SPECK = 1e-4
GROUND_M = 20.0
WEIGHTS_PER_VERTEX = 4


class _Builder:
    """A glTF document, and the arrays of its binary part: sizes are known at once, values are made when written."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {name: [] for name in ("nodes", "meshes", "skins", "accessors", "bufferViews")}
        self.arrays: list[Callable[[], np.ndarray]] = []
        self.length = 0

    def add(self, name: str, value: Any) -> int:
        """Append to a list of the document; return the place."""
        values: list[Any] = self.document.setdefault(name, [])
        values.append(value)
        return len(values) - 1

    def array(
        self, shape: tuple[int, ...], kind: int, make: Callable[[], np.ndarray], target: int | None = None, **more: Any
    ) -> int:
        """Add an accessor; `make` returns its values as they are stored."""
        types = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}
        size = int(np.prod(shape)) * {FLOAT: 4, BYTE: 1, INT: 4}[kind]
        view = {"buffer": 0, "byteOffset": self.length, "byteLength": size} | ({"target": target} if target else {})
        self.arrays.append(make)
        self.length += size
        place = self.add("bufferViews", view)
        accessor = {"bufferView": place, "componentType": kind, "count": shape[0], "type": types[shape[1:]]}
        return self.add("accessors", accessor | more)

    def constant(self, values: np.ndarray, kind: int, target: int | None = None, **more: Any) -> int:
        """Add an accessor of values that are there already."""
        return self.array(values.shape, kind, lambda: values, target, **more)

    def write(self, file: BinaryIO) -> None:
        """Write the document and the arrays, one after the other."""
        self.document["buffers"] = [{"byteLength": self.length}]
        text = json.dumps(self.document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        padding = -self.length % 4
        file.write(struct.pack("<III", MAGIC, 2, 28 + len(text) + self.length + padding))
        file.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        file.write(struct.pack("<II", self.length + padding, BIN_CHUNK))
        for make in self.arrays:
            file.write(np.ascontiguousarray(make()).tobytes())
        file.write(b"\0" * padding)


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people; one motion is in memory at a time."""
    from pipeline.overlay.palette import identity_colours

    builder = _Builder()
    extras = {"source": scene.source, "body_model": scene.body.name, "rate_hz": scene.rate_hz, "note": scene.body_note}
    builder.document["asset"] = {"version": "2.0", "generator": scene.program, "extras": extras}
    builder.document["scene"] = 0
    animation: dict[str, Any] = {"name": "motion", "channels": [], "samplers": []}
    nodes = []
    for each in scene.people:
        colour = (identity_colours(np.array([each.number]))[0] / 255.0) ** 2.2  # glTF colours are linear
        nodes += _add_person(builder, animation, scene, each, [*colour.tolist(), 1.0])
    if scene.camera is not None:
        nodes.append(_add_camera(builder, scene))
    if scene.has_ground:
        nodes.append(_add_ground(builder, floor_height(scene)))
    builder.document["scenes"] = [{"nodes": nodes}]
    builder.document["animations"] = [animation]
    with open(path, "wb") as file:
        builder.write(file)


def _add_person(
    builder: _Builder, animation: dict[str, Any], scene: Scene, person: ScenePerson, colour: list[float]
) -> list[int]:
    vertices, rest = rest_shape(scene.body, person.betas)
    held: list[Any] = []  # the motion, from the first of its arrays to the last

    def motion() -> Any:
        if not held:
            loaded = person.load()
            held.append((loaded.pelvis, loaded.quaternions(is_y_up=True)))
        return held[0]

    first = len(builder.document["nodes"]) + 2  # after the person and the mesh
    joints = [first + joint for joint in range(24)]
    extras = {
        "person": person.number, "betas": person.betas.tolist(), "body_model": scene.body.name,
        "gender": scene.body.gender, "first_sample": person.first_sample, "quality": dict(person.quality),
    }  # fmt: skip
    top = builder.add("nodes", {"name": person.name, "children": [first], "extras": extras})
    skin = _add_skin(builder, rest, joints)
    mesh = _add_mesh(builder, scene, person, vertices, colour)
    shown = builder.add("nodes", {"name": f"{person.name}_body", "mesh": mesh, "skin": skin})
    for joint, parent in enumerate(SMPL_PARENTS):
        place = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
        children = [joints[child] for child, other in enumerate(SMPL_PARENTS) if other == joint]
        node = {"name": f"{person.name}_{SMPL24[joint]}", "translation": place.tolist()}
        builder.add("nodes", node | ({"children": children} if children else {}))

    def track(node: int, what: str, times: int, values: int, interpolation: str) -> None:
        sampler = {"input": times, "output": values, "interpolation": interpolation}
        animation["samplers"].append(sampler)
        target = {"node": node, "path": what}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})

    count = person.count
    time_s = ((person.first_sample + np.arange(count)) / scene.rate_hz).astype(np.float32)
    times = builder.constant(time_s, FLOAT, min=[float(time_s[0])], max=[float(time_s[-1])])
    places = builder.array((count, 3), FLOAT, lambda: (motion()[0] @ Y_UP_FROM_Z_UP.T).astype(np.float32))
    track(joints[0], "translation", times, places, "LINEAR")
    for joint in range(24):

        def rotations(joint: int = joint) -> np.ndarray:
            values: np.ndarray = motion()[1][:, joint]
            if joint == 23:
                held.clear()
            return values

        track(joints[joint], "rotation", times, builder.array((count, 4), FLOAT, rotations), "LINEAR")
    _add_presence(builder, scene, person, lambda keys, scales: track(top, "scale", keys, scales, "STEP"))
    return [top, shown]


def _add_presence(builder: _Builder, scene: Scene, person: ScenePerson, track: Callable[[int, int], None]) -> None:
    # Half a sample before and after: at the sample itself, rounding would decide.
    comes, goes = max(0.0, person.first_sample - 0.5), person.first_sample + person.count - 0.5
    keys, scales = [comes / scene.rate_hz], [1.0]
    if person.first_sample > 0:
        keys, scales = [0.0, *keys], [SPECK, *scales]
    if person.first_sample + person.count < scene.end_sample():
        keys, scales = [*keys, goes / scene.rate_hz], [*scales, SPECK]
    if len(keys) > 1:
        times = np.array(keys, np.float32)
        place = builder.constant(times, FLOAT, min=[float(times[0])], max=[float(times[-1])])
        track(place, builder.constant(np.repeat(np.array(scales, np.float32)[:, None], 3, axis=1), FLOAT))


def _add_skin(builder: _Builder, rest: np.ndarray, joints: list[int]) -> int:
    inverse = np.tile(np.eye(4, dtype=np.float32), (24, 1, 1))
    inverse[:, 3, :3] = -rest  # glTF stores columns one after the other
    bind = builder.constant(inverse.reshape(24, 16), FLOAT)
    return builder.add("skins", {"joints": joints, "skeleton": joints[0], "inverseBindMatrices": bind})


def _add_mesh(builder: _Builder, scene: Scene, person: ScenePerson, vertices: np.ndarray, colour: list[float]) -> int:
    points = vertices.astype(np.float32)
    joints, weights = strongest(scene.body.weights, WEIGHTS_PER_VERTEX)
    bounds = {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
    attributes = {
        "POSITION": builder.constant(points, FLOAT, 34962, **bounds),
        "NORMAL": builder.constant(normals(vertices, scene.body.faces), FLOAT, 34962),
        "JOINTS_0": builder.constant(joints.astype(np.uint8), BYTE, 34962),
        "WEIGHTS_0": builder.constant(weights.astype(np.float32), FLOAT, 34962),
    }
    faces = builder.constant(scene.body.faces.reshape(-1).astype(np.uint32), INT, 34963)
    material = {"name": person.name, "pbrMetallicRoughness": {"baseColorFactor": colour, "metallicFactor": 0.0}}
    primitive = {"attributes": attributes, "indices": faces, "material": builder.add("materials", material)}
    return builder.add("meshes", {"name": f"{person.name}_body", "primitives": [primitive]})


def _add_camera(builder: _Builder, scene: Scene) -> int:
    camera = scene.camera
    assert camera is not None
    transform = np.eye(4)
    turn = Y_UP_FROM_Z_UP @ camera.world_from_cam[:3, :3] @ np.diag([1.0, -1, -1])  # a glTF camera looks along -z
    transform[:3, :3], transform[:3, 3] = turn, Y_UP_FROM_Z_UP @ camera.world_from_cam[:3, 3]
    view = {
        "yfov": 2 * float(np.arctan(camera.height / 2 / camera.focal_px)),
        "aspectRatio": camera.width / camera.height, "znear": 0.05,
    }  # fmt: skip
    place = builder.add("cameras", {"type": "perspective", "perspective": view, "name": "camera"})
    return builder.add("nodes", {"name": "camera", "camera": place, "matrix": transform.T.reshape(-1).tolist()})


def _add_ground(builder: _Builder, height: float) -> int:
    corners = GROUND_M * np.array([(-1, 0, -1), (-1, 0, 1), (1, 0, 1), (1, 0, -1)], np.float32)
    bounds = {"min": corners.min(axis=0).tolist(), "max": corners.max(axis=0).tolist()}
    attributes = {
        "POSITION": builder.constant(corners, FLOAT, 34962, **bounds),
        "NORMAL": builder.constant(np.tile(np.array([0, 1, 0], np.float32), (4, 1)), FLOAT, 34962),
    }
    faces = builder.constant(np.array([0, 1, 2, 0, 2, 3], np.uint32), INT, 34963)
    colour = {"baseColorFactor": [0.35, 0.35, 0.35, 1.0], "metallicFactor": 0.0}
    material = builder.add("materials", {"name": "ground", "pbrMetallicRoughness": colour})
    primitive = {"attributes": attributes, "indices": faces, "material": material}
    mesh = builder.add("meshes", {"name": "ground", "primitives": [primitive]})
    return builder.add("nodes", {"name": "ground", "mesh": mesh, "translation": [0.0, height, 0.0]})


def strongest(weights: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints (V, count) int64 that move each vertex most, and their weights (V, count), which sum to 1."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(weights.astype(np.float64), joints, axis=1)
    joints = np.where(kept > 0, joints, 0)
    return joints, kept / kept.sum(axis=1, keepdims=True)


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the normals (V, 3) float32 of a mesh: of the faces around each vertex, by their area."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(found, faces[:, corner], across)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(lengths > 0, found / np.maximum(lengths, 1e-12), [0.0, 1.0, 0.0]).astype(np.float32)


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the file again, and pose its skeletons by its animation."""
    with open(path, "rb") as file:
        magic, _, length = struct.unpack("<III", file.read(12))
        size, kind = struct.unpack("<II", file.read(8))
        if (magic, kind, length) != (MAGIC, JSON_CHUNK, path.stat().st_size):
            raise broken(path, "it is no whole GLB")
        document = json.loads(file.read(size))
    start = 28 + size

    def array(place: int) -> np.ndarray:
        accessor = document["accessors"][place]
        view = document["bufferViews"][accessor["bufferView"]]
        columns = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        shape = (accessor["count"], columns)
        return np.memmap(path, np.float32, "r", start + view["byteOffset"], shape)

    names = [node["name"] for node in document["nodes"]]
    (animation,) = document["animations"]
    channels = {(each["target"]["node"], each["target"]["path"]): each["sampler"] for each in animation["channels"]}
    for each in scene.people:
        first = names.index(f"{each.name}_{SMPL24[0]}")
        rows = checked_rows(each.count)
        sampler = animation["samplers"][channels[first, "translation"]]
        times, pelvis = array(sampler["input"]), array(sampler["output"])
        check_count(path, f"{each.name}: the number of samples", len(times), each.count)
        tracks = [array(animation["samplers"][channels[first + joint, "rotation"]]["output"]) for joint in range(24)]
        turns = np.stack([track[rows] for track in tracks], axis=1).reshape(-1, 4)
        rest = np.zeros((24, 3))
        for joint, parent in enumerate(SMPL_PARENTS):
            place = np.array(document["nodes"][first + joint]["translation"])
            rest[joint] = place if parent < 0 else rest[parent] + place
        joints = chain(rest, Rotation.from_quat(turns), pelvis[rows].astype(np.float64)) @ Y_UP_FROM_Z_UP
        check_joints(path, joints, each.load().joints(rows))


FORMATS = {"glb": Format("glb", "glb", write, check, is_shared=True)}
