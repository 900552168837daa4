"""What the page's script reads is the scene, to the precision that it is stored with."""

import base64
import zlib
from pathlib import Path

import numpy as np

from pipeline.bench.report import make_run
from pipeline.report.payload import MOVE_STEPS, TURN_UNIT_RAD, Payload, pack_scene, steps_of
from pipeline.view.scene import scene_of_run


def part(payload: Payload, name: str, dtype: type) -> np.ndarray:
    first, size = payload.head["parts"][name]
    return np.frombuffer(zlib.decompress(base64.b64decode(payload.content))[first : first + size], dtype)


def undone(steps: np.ndarray, width: int) -> np.ndarray:
    low, high = steps.reshape(2, -1).astype(np.int64)
    return np.cumsum((low + 256 * high).reshape(-1, width), axis=0) & 0xFFFF


def test_steps_bring_back_any_numbers_of_16_bits() -> None:
    values = np.random.default_rng(0).integers(-32767, 32768, (50, 7))
    assert (undone(steps_of(values), 7) == values & 0xFFFF).all()


def test_pose_and_place_come_back(tmp_path: Path) -> None:
    scene = scene_of_run(make_run(tmp_path / "run", 2, 2))
    payload = pack_scene(scene)
    for person, head in zip(scene.people, payload.head["people"], strict=True):
        assert head["count"] == len(person.time_s)
        turns = undone(part(payload, f"{person.id}.turns", np.uint8), 66).astype(np.uint16).view(np.int16)
        rotvec = turns.reshape(-1, 22, 3) * TURN_UNIT_RAD
        np.testing.assert_allclose(rotvec[:, 1:], person.pose[:, 1:22], atol=TURN_UNIT_RAD)
        moves = undone(part(payload, f"{person.id}.moves", np.uint8), 3)
        np.testing.assert_allclose(np.array(head["lowest"]) + moves * head["step"], person.pelvis_m, atol=1e-3)
        assert moves.max() == MOVE_STEPS
        state = part(payload, f"{person.id}.state", np.uint8)
        assert ((state & 1) == person.is_observed).all() and ((state & 2 > 0) == person.is_refined).all()


def test_every_vertex_has_shares_of_255(tmp_path: Path) -> None:
    payload = pack_scene(scene_of_run(make_run(tmp_path / "run", 1, 1)))
    assert (part(payload, "weights", np.uint8).reshape(-1, 4).astype(int).sum(axis=1) == 255).all()


def test_nobody_is_packed_too(tmp_path: Path) -> None:
    payload = pack_scene(scene_of_run(make_run(tmp_path / "run", 0, 1)))
    assert payload.head["people"] == [] and payload.head["parts"] == {}
