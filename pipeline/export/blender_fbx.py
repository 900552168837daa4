"""Run inside Blender, or a Python with `bpy`: GLB to FBX, and where the joints of that FBX are when read back.

    blender --background --factory-startup --python blender_fbx.py -- people.glb people.fbx order.json

`order.json` has `rate_hz`, `first`, `last` (samples) and `rows`: per armature the samples to report; the answer goes
to `people.fbx.json`, metres, z up. This file imports nothing of the project: Blender has a Python of its own.
"""

import json
import sys
from typing import Any

import bpy


def main(source: str, target: str, order_path: str) -> None:
    """Convert one file."""
    with open(order_path, encoding="utf-8") as file:
        order = json.load(file)
    _empty_scene(order)
    bpy.ops.import_scene.gltf(filepath=source)
    bpy.ops.export_scene.fbx(
        filepath=target, add_leaf_bones=False, bake_anim=True, bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False, bake_anim_simplify_factor=0.0, object_types={"ARMATURE", "MESH", "CAMERA"},
    )  # fmt: skip
    _empty_scene(order)
    bpy.ops.import_scene.fbx(filepath=target, anim_offset=0.0)
    with open(f"{target}.json", "w", encoding="utf-8") as file:
        json.dump(_joints(order), file)


def _empty_scene(order: dict[str, Any]) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(order["rate_hz"]))
    scene.render.fps_base = scene.render.fps / order["rate_hz"]
    scene.frame_start, scene.frame_end = order["first"], order["last"]


def _joints(order: dict[str, Any]) -> dict[str, Any]:
    """Return per armature and sample the heads of its bones by name, in the world."""
    scene = bpy.context.scene
    found: dict[str, Any] = {}
    for name, rows in order["rows"].items():
        armature = bpy.data.objects.get(name)
        if armature is None:
            continue
        found[name] = []
        for row in rows:
            scene.frame_set(row)
            world = armature.matrix_world
            found[name].append({bone.name: list(world @ bone.head) for bone in armature.pose.bones})
    return found


if __name__ == "__main__":
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    main(*words)
