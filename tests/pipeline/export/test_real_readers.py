"""Exported files in the programs that people open them with, at every sample. Slow; each needs its program:

    DPMESH_BPY      a Python 3.11 with `pip install bpy==5.0.1`
    DPMESH_OPENSIM  a Python with `pip install opensim==4.6`
    DPMESH_THREE    the folder node_modules/three after `npm install three`; and `chromium` on the PATH

With `-s` the worst error of each is printed.
"""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.skeletons import SMPL24
from pipeline.export import bvh, c3d, fbx, glb, trc, usd
from pipeline.export.scene import Y_UP_FROM_Z_UP, Scene

HELPERS = Path(__file__).parents[2] / "helpers"
WORST_M = 0.001
Wanted = dict[int, np.ndarray]
pytestmark = [pytest.mark.slow, pytest.mark.spawns]


def program(name: str) -> str:
    """Return what a variable of the environment names; skip the test without it."""
    if not os.environ.get(name):
        pytest.skip(f"{name} is not set; see the head of this file")
    return os.environ[name]


def ask(python: str, script: str, *words: str) -> None:
    ran = subprocess.run([python, str(HELPERS / script), *words], capture_output=True, text=True, timeout=600)
    assert not ran.returncode, ran.stderr[-2000:]


def say(reader: str, errors_m: list[float]) -> None:
    print(f"{reader}: worst joint {1000 * max(errors_m):.4f} mm")
    assert max(errors_m) < WORST_M


def worst(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted, axis=-1).max())


@pytest.mark.parametrize("kind", ["bvh", "glb", "usd", "fbx"])
def test_blender_finds_every_joint(tmp_path: Path, scene: Scene, wanted: Wanted, kind: str) -> None:
    python = program("DPMESH_BPY")
    errors = []
    scene = replace(scene, blender=python)
    for person in scene.people if kind == "bvh" else [None]:
        path = tmp_path / {"bvh": "person.bvh", "glb": "people.glb", "usd": "people.usdc", "fbx": "people.fbx"}[kind]
        {"bvh": bvh, "glb": glb, "usd": usd, "fbx": fbx}[kind].write(path, scene, person)
        frames = list(range(1, person.count + 1)) if person else list(range(scene.end_sample()))
        order = {"rate_hz": scene.rate_hz, "frames": frames}
        (tmp_path / "order.json").write_text(json.dumps(order))
        ask(python, "blender_reader.py", str(path), str(tmp_path / "answer.json"), str(tmp_path / "order.json"))
        answer = json.loads((tmp_path / "answer.json").read_text())
        assert answer["rate_hz"] == pytest.approx(scene.rate_hz)
        for each in scene.people if person is None else [person]:
            rows = rows_of(answer["joints"], each.name, each.count if person else scene.end_sample())
            first = 0 if person else each.first_sample
            errors.append(worst(rows[first : first + each.count], wanted[each.number]))
    say(f"{kind} in Blender {answer['version']}", errors)


def rows_of(joints: dict[str, list[dict[str, list[float]]]], person: str, count: int) -> np.ndarray:
    """Return the joints (T, 24, 3) of one person, however the importer has named armature and bones."""
    for name, rows in joints.items():
        for prefix in (f"{person}_", ""):
            is_theirs = prefix or len(joints) == 1 or name.startswith(person)
            if is_theirs and all(prefix + joint in rows[0] for joint in SMPL24):
                return np.array([[row[prefix + joint] for joint in SMPL24] for row in rows[:count]])
    raise AssertionError(f"{person} is not among {list(joints)} with {list(next(iter(joints.values()))[0])[:3]}")


def test_three_js_finds_every_joint(tmp_path: Path, scene: Scene, wanted: Wanted) -> None:
    from three_reader import read_in_browser

    three, browser = Path(program("DPMESH_THREE")), shutil.which("chromium")
    assert browser is not None
    path = tmp_path / "people.glb"
    glb.write(path, scene, None)
    answer = read_in_browser(path, [sample / 30 for sample in range(scene.end_sample())], three, browser)
    assert answer["skins"] == len(scene.people)
    errors = []
    for person in scene.people:
        names = [f"{person.name}_{joint}" for joint in SMPL24]
        found = np.array([[row[name] for name in names] for row in answer["joints"]]) @ Y_UP_FROM_Z_UP
        errors.append(worst(found[person.first_sample : person.first_sample + person.count], wanted[person.number]))
    say(f"glb in three.js r{answer['version']}", errors)


@pytest.mark.parametrize("unit", ["m", "cm"])
def test_opensim_finds_every_marker(tmp_path: Path, scene: Scene, wanted: Wanted, unit: str) -> None:
    python, errors, scene = program("DPMESH_OPENSIM"), [], replace(scene, unit=unit)
    answer: dict[str, Any] = {}
    for person in scene.people:
        trc.write(tmp_path / "person.trc", scene, person)
        ask(python, "opensim_reader.py", str(tmp_path / "person.trc"), str(tmp_path / "answer.json"))
        answer = json.loads((tmp_path / "answer.json").read_text())
        assert answer["units"] == trc.units(scene)
        points = np.array(answer["points"])[:, [answer["names"].index(name) for name in trc.MARKERS]]
        forward, up, right = points.transpose(2, 0, 1) / trc.scale_of(scene)
        errors.append(worst(np.stack([right, forward, up], axis=-1), wanted[person.number]))
        times = (person.first_sample + np.arange(person.count)) / 30
        np.testing.assert_allclose(answer["times"], times, atol=1e-6)
    say(f"trc in OpenSim {answer['version']}", errors)


def test_each_library_finds_every_joint(tmp_path: Path, scene: Scene, wanted: Wanted) -> None:
    import ezc3d
    import pybvh

    c3d.write(tmp_path / "people.c3d", scene, None)
    read = ezc3d.c3d(str(tmp_path / "people.c3d"))
    labels, points = read["parameters"]["POINT"]["LABELS"]["value"], read["data"]["points"]
    in_c3d, in_bvh = [], []
    for person in scene.people:
        places = [labels.index(f"{person.name}:{marker}") for marker in trc.MARKERS]
        rows = slice(person.first_sample, person.first_sample + person.count)
        in_c3d.append(worst(points[:3, places].transpose(2, 1, 0)[rows] / 1000, wanted[person.number]))
        bvh.write(tmp_path / "person.bvh", scene, person)
        motion = pybvh.read_bvh_file(str(tmp_path / "person.bvh"))
        found = np.asarray(motion.joint_positions())[:, [motion.joint_names.index(joint) for joint in SMPL24]]
        in_bvh.append(worst(found @ Y_UP_FROM_Z_UP, wanted[person.number]))
    say("c3d in ezc3d", in_c3d)
    say("bvh in pybvh", in_bvh)
