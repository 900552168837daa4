"""Run by a Python with `bpy`: where Blender has the joints of an imported file, as JSON; and a picture, if asked for.

    python blender_reader.py FILE ANSWER.json ORDER.json

`ORDER.json`: rate_hz, frames (of the scene, to look at), and optionally `picture` with `path`, `frame`, `from`, `to`.
"""

import json
import sys
from pathlib import Path

import bpy
from mathutils import Vector


def main(source: str, answer: str, order_path: str) -> None:
    order = json.loads(Path(order_path).read_text())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(order["rate_hz"]))
    scene.render.fps_base = scene.render.fps / order["rate_hz"]
    suffix = Path(source).suffix
    if suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=source, update_scene_fps=True)  # the first row is frame 1
    elif suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=source)
    elif suffix == ".usdc":
        bpy.ops.wm.usd_import(filepath=source)
    else:
        bpy.ops.import_scene.fbx(filepath=source, anim_offset=0.0)
    armatures = [each for each in bpy.data.objects if each.type == "ARMATURE"]
    found: dict[str, list[dict[str, list[float]]]] = {each.name: [] for each in armatures}
    for frame in order["frames"]:
        scene.frame_set(frame)
        for each in armatures:
            world = each.matrix_world
            found[each.name].append({bone.name: list(world @ bone.head) for bone in each.pose.bones})
    rate = scene.render.fps / scene.render.fps_base
    Path(answer).write_text(json.dumps({"version": bpy.app.version_string, "rate_hz": rate, "joints": found}))
    if "picture" in order:
        render(order["picture"])


def render(picture: dict) -> None:
    """Render one frame with a camera, a sun and the scene's own ground."""
    scene = bpy.context.scene
    scene.frame_set(picture["frame"])
    camera = bpy.data.objects.new("viewer", bpy.data.cameras.new("viewer"))
    scene.collection.objects.link(camera)
    camera.location = picture["from"]
    camera.rotation_euler = (Vector(picture["to"]) - Vector(picture["from"])).to_track_quat("-Z", "Y").to_euler()
    scene.camera = camera
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.rotation_euler = (0.6, 0.2, 0.4)
    sun.data.energy = 3.0
    scene.collection.objects.link(sun)
    world = bpy.data.worlds.new("world")
    scene.world = world
    world.color = (0.5, 0.55, 0.6)
    if picture.get("floor_m") is not None:
        bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 10, picture["floor_m"]))
    if picture.get("has_bones"):
        thicken()
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 8
    scene.cycles.device = "CPU"
    scene.render.resolution_x, scene.render.resolution_y = 720, 405
    scene.render.filepath = picture["path"]
    bpy.ops.render.render(write_still=True)


def thicken() -> None:
    """Put a ball at every joint and a rod at every bone, as bones are not rendered."""
    for each in [each for each in bpy.data.objects if each.type == "ARMATURE"]:
        for bone in each.pose.bones:
            head, tail = each.matrix_world @ bone.head, each.matrix_world @ bone.tail
            bpy.ops.mesh.primitive_uv_sphere_add(radius=0.03, location=head, segments=12, ring_count=8)
            step = tail - head
            bpy.ops.mesh.primitive_cylinder_add(radius=0.015, depth=step.length, location=(head + tail) / 2)
            bpy.context.object.rotation_euler = step.to_track_quat("Z", "Y").to_euler()


if __name__ == "__main__":
    main(*sys.argv[1:])
