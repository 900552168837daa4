"""USD, read by usd-core, which poses the skeletons itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.errors import RunError
from pipeline.export import usd
from pipeline.export.scene import Scene

pxr = pytest.importorskip("pxr")


@pytest.mark.parametrize("unit", ["m", "cm"])
def test_usd_skel_finds_joints_and_skin(tmp_path: Path, scene: Scene, wanted: dict[int, np.ndarray], unit: str) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    scene, path = replace(scene, unit=unit, has_ground=True), tmp_path / "people.usdc"
    usd.write(path, scene, None)
    usd.check(path, scene, None)
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1 / scene.scale
    assert (stage.GetTimeCodesPerSecond(), stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (30, 0, 89)
    assert "not of SMPL" in stage.GetRootLayer().comment
    for person in scene.people:
        root = UsdSkel.Root(stage.GetPrimAtPath(f"/people/{person.name}"))
        cache = UsdSkel.Cache()
        cache.Populate(root, Usd.TraverseInstanceProxies())
        query = cache.GetSkelQuery(
            UsdSkel.Skeleton(stage.GetPrimAtPath(f"/people/{person.name}/{person.name}_skeleton"))
        )
        found = np.array(
            [
                [np.array(matrix)[3, :3] for matrix in query.ComputeJointSkelTransforms(person.first_sample + row)]
                for row in range(person.count)
            ]
        )
        assert np.linalg.norm(found / scene.scale - wanted[person.number], axis=-1).max() < 0.001
        mesh = UsdGeom.Mesh(stage.GetPrimAtPath(f"/people/{person.name}/{person.name}_body"))
        skin = cache.GetSkinningQuery(mesh.GetPrim())
        assert skin.IsRigidlyDeformed() is False and skin.GetNumInfluencesPerComponent() == 4


def test_who_is_not_there_is_invisible(tmp_path: Path, scene: Scene) -> None:
    from pxr import Usd, UsdGeom

    path = tmp_path / "people.usdc"
    usd.write(path, scene, None)
    stage = Usd.Stage.Open(str(path))
    shown = {
        name: [
            UsdGeom.Imageable(stage.GetPrimAtPath(f"/people/person_{name:03d}")).ComputeVisibility(code) == "inherited"
            for code in (0, 30, 80)
        ]
        for name in (1, 2, 4)
    }
    assert shown == {1: [True, True, True], 2: [False, True, True], 4: [True, True, False]}


def test_another_motion_is_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.usdc"
    usd.write(path, replace(scene, people=scene.people[:1]), None)
    with pytest.raises(RunError, match="person_002 is missing when read back"):
        usd.check(path, scene, None)
