"""FBX through Blender, in a process of its own: all people, as in the GLB that it is made from."""

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from configs.errors import RunError, SettingsError
from configs.skeletons import SMPL24
from pipeline.export import glb
from pipeline.export.check import check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson

SCRIPT = Path(__file__).with_name("blender_fbx.py")
SECONDS_MAX = 24 * 3600
REMEDY = "give --blender PATH, the program or a Python with `pip install bpy`"


def find_blender(given: str | None) -> list[str]:
    """Return the command that runs a script in Blender: what is given, `blender` on the path, or this Python's `bpy`.

    Raises:
        SettingsError: there is none.
    """
    if given is None and find_spec("bpy") is not None:
        return [sys.executable]
    program = shutil.which(given or "blender")
    if program is None:
        found = f"{given}: no such program" if given else "fbx is written by Blender, and none was found"
        raise SettingsError(f"{found}; {REMEDY}")
    if Path(program).name.startswith("python"):
        return [program]
    return [program, "--background", "--factory-startup", "--python-exit-code", "1", "--python"]


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people, and beside the file where Blender finds the joints when it reads it."""
    command = find_blender(scene.blender)
    with tempfile.TemporaryDirectory(prefix="dpmesh-video-") as folder:
        source, order = Path(folder) / "people.glb", Path(folder) / "order.json"
        glb.write(source, scene, person)
        rows = {each.name: (each.first_sample + checked_rows(each.count)).tolist() for each in scene.people}
        first = min(each.first_sample for each in scene.people)
        wanted = {"rate_hz": scene.rate_hz, "first": first, "last": scene.end_sample() - 1, "rows": rows}
        order.write_text(json.dumps(wanted))
        separator = ["--"] if len(command) > 1 else []
        words = [*command, str(SCRIPT), *separator, str(source), str(path.resolve()), str(order)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=SECONDS_MAX)
        except OSError as error:
            raise SettingsError(f"{command[0]}: cannot be run ({error.strerror}); {REMEDY}") from error
    if done.returncode or not path.is_file():
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise RunError(f"{command[0]}: wrote no FBX ({lines[-1] if lines else done.returncode}); {REMEDY}")


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Compare the joints that Blender found in the file."""
    answer = path.with_name(f"{path.name}.json")
    found = json.loads(answer.read_text())
    answer.unlink()
    for each in scene.people:
        if each.name not in found:
            raise broken(path, f"{each.name} is missing")
        bones = [f"{each.name}_{joint}" for joint in SMPL24]
        joints = np.array([[row[bone] for bone in bones] for row in found[each.name]])
        check_joints(path, joints, each.load().joints()[checked_rows(each.count)])


def _need_blender(scene: Scene | None) -> None:
    find_blender(None if scene is None else scene.blender)


FORMATS = {"fbx": Format("fbx", "fbx", write, check, is_shared=True, prepare=_need_blender)}
