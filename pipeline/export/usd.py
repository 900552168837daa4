"""USD (binary, `.usdc`): all people as UsdSkel skeletons with skinned meshes, z up, in metres or centimetres.

Time codes are samples of the grid, `timeCodesPerSecond` is the rate. Who is not there is invisible.
Source: Pixar, "UsdSkel schemas in depth".
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from configs.skeletons import SMPL24, SMPL_PARENTS
from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken, need_package
from pipeline.export.glb import WEIGHTS_PER_VERTEX, strongest
from pipeline.export.people import floor_height
from pipeline.export.scene import Scene, ScenePerson, chain, rest_shape
from pipeline.flow.memory import release_memory

GROUND_M = 20.0


def joint_paths() -> list[str]:
    """Return the joints as UsdSkel names them: with all that they hang on."""
    paths: list[str] = []
    for name, parent in zip(SMPL24, SMPL_PARENTS, strict=True):
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return paths


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people."""
    from pxr import Gf, Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0 / scene.scale)
    stage.SetTimeCodesPerSecond(scene.rate_hz)
    stage.SetFramesPerSecond(scene.rate_hz)
    stage.SetStartTimeCode(min(each.first_sample for each in scene.people))
    stage.SetEndTimeCode(scene.end_sample() - 1)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/people").GetPrim())
    note = f"{scene.source}; body model {scene.body.name}"
    stage.GetRootLayer().comment = f"{note}; {scene.body_note}" if scene.body_note else note
    for each in scene.people:
        _add_person(stage, scene, each)
        stage.GetRootLayer().Save()  # what is in the file is no longer in memory
        release_memory()
    if scene.camera is not None:
        camera = UsdGeom.Camera.Define(stage, "/people/camera")
        turn = scene.camera.world_from_cam @ np.diag([1.0, -1, -1, 1])  # a USD camera looks along -z
        turn[:3, 3] *= scene.scale
        camera.AddTransformOp().Set(Gf.Matrix4d(turn.T.tolist()))
        camera.CreateHorizontalApertureAttr(36.0)
        camera.CreateVerticalApertureAttr(36.0 * scene.camera.height / scene.camera.width)
        camera.CreateFocalLengthAttr(36.0 * scene.camera.focal_px / scene.camera.width)
    if scene.has_ground:
        half, height = GROUND_M * scene.scale, floor_height(scene) * scene.scale
        ground = UsdGeom.Mesh.Define(stage, "/people/ground")
        ground.CreatePointsAttr(
            [(x, y, height) for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
        )
        ground.CreateFaceVertexCountsAttr([4])
        ground.CreateFaceVertexIndicesAttr([0, 1, 2, 3])
    stage.GetRootLayer().Save()


def _add_person(stage: Any, scene: Scene, person: ScenePerson) -> None:
    from pxr import Gf, Sdf, UsdGeom, UsdSkel, Vt

    from pipeline.overlay.palette import identity_colours

    vertices, rest = rest_shape(scene.body, person.betas)
    vertices, rest = vertices * scene.scale, rest * scene.scale
    top = f"/people/{person.name}"
    root = UsdSkel.Root.Define(stage, top)
    for name, value in {"person": person.number, "body_model": scene.body.name, "note": scene.body_note}.items():
        root.GetPrim().SetCustomDataByKey(name, value)
    root.GetPrim().SetCustomDataByKey("betas", Vt.DoubleArray.FromNumpy(person.betas))
    visible = root.CreateVisibilityAttr()
    if person.first_sample > 0:
        visible.Set(UsdGeom.Tokens.invisible, 0)
    visible.Set(UsdGeom.Tokens.inherited, person.first_sample)
    if person.first_sample + person.count < scene.end_sample():
        visible.Set(UsdGeom.Tokens.invisible, person.first_sample + person.count)

    skeleton = UsdSkel.Skeleton.Define(stage, f"{top}/{person.name}_skeleton")
    skeleton.CreateJointsAttr(joint_paths())
    binds = [Gf.Matrix4d().SetTranslate(Gf.Vec3d(*place.tolist())) for place in rest]
    steps = [rest[j] - (rest[parent] if parent >= 0 else 0.0) for j, parent in enumerate(SMPL_PARENTS)]
    skeleton.CreateBindTransformsAttr(binds)
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*step.tolist())) for step in steps])

    animation = UsdSkel.Animation.Define(stage, f"{top}/{person.name}_skeleton/motion")
    animation.CreateJointsAttr(joint_paths())
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * 24))
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    motion = person.load()
    quaternions = motion.quaternions()
    places = np.tile(np.array(steps, np.float32), (len(motion), 1, 1))
    places[:, 0] = motion.pelvis * scene.scale
    rotations, translations = animation.CreateRotationsAttr(), animation.CreateTranslationsAttr()
    with Sdf.ChangeBlock():
        for row in range(len(motion)):
            code = float(motion.first_sample + row)
            rotations.Set(Vt.QuatfArray.FromNumpy(quaternions[row]), code)  # x y z w, as in memory
            translations.Set(Vt.Vec3fArray.FromNumpy(places[row]), code)

    mesh = UsdGeom.Mesh.Define(stage, f"{top}/{person.name}_body")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices.astype(np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(scene.body.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(scene.body.faces.reshape(-1).astype(np.int32)))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    colour = (identity_colours(np.array([person.number]))[0] / 255.0) ** 2.2
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*colour.tolist())])
    joints, weights = strongest(scene.body.weights, WEIGHTS_PER_VERTEX)
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateJointIndicesPrimvar(False, WEIGHTS_PER_VERTEX).Set(
        Vt.IntArray.FromNumpy(joints.reshape(-1).astype(np.int32))
    )
    binding.CreateJointWeightsPrimvar(False, WEIGHTS_PER_VERTEX).Set(
        Vt.FloatArray.FromNumpy(weights.reshape(-1).astype(np.float32))
    )
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Open the stage again, and pose its skeletons by their animations."""
    from pxr import Usd, UsdSkel

    stage = Usd.Stage.Open(str(path))
    check_count(path, "the rate", stage.GetTimeCodesPerSecond(), scene.rate_hz)
    for each in scene.people:
        place = f"/people/{each.name}/{each.name}_skeleton"
        skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(place))
        animation = UsdSkel.Animation(stage.GetPrimAtPath(f"{place}/motion"))
        if not skeleton or not animation:
            raise broken(path, f"{each.name} is missing")
        rotations, translations = animation.GetRotationsAttr(), animation.GetTranslationsAttr()
        check_count(path, f"samples of {each.name}", rotations.GetNumTimeSamples(), each.count)
        rest = np.array([np.array(bind)[3, :3] for bind in skeleton.GetBindTransformsAttr().Get()])
        rows = checked_rows(each.count)
        codes = [float(each.first_sample + row) for row in rows]
        turns = np.array([np.array(rotations.Get(code)) for code in codes]).reshape(-1, 4)
        pelvis = np.array([np.array(translations.Get(code))[0] for code in codes], np.float64)
        joints = chain(rest, Rotation.from_quat(turns), pelvis) / scene.scale
        check_joints(path, joints, each.load().joints(rows))


def _need_usd(scene: Scene | None) -> None:
    need_package("pxr", "usd-core", "usd")


FORMATS = {"usd": Format("usd", "usdc", write, check, is_shared=True, prepare=_need_usd)}
