"""GLB, read by pygltflib and posed as the specification of glTF says, by matrices of nodes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import RunError
from configs.skeletons import SMPL24
from pipeline.export import glb
from pipeline.export.scene import Y_UP_FROM_Z_UP, Scene

COLUMNS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
DTYPES = {5126: np.float32, 5121: np.uint8, 5125: np.uint32}


@pytest.fixture(scope="module")
def file(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import pygltflib

    path = tmp_path_factory.mktemp("glb") / "people.glb"
    scene = replace(scene, has_ground=True)
    glb.write(path, scene, None)
    glb.check(path, scene, None)
    return pygltflib.GLTF2().load(str(path))


def array(file: Any, place: int) -> np.ndarray:
    accessor = file.accessors[place]
    view = file.bufferViews[accessor.bufferView]
    columns, dtype = COLUMNS[accessor.type], DTYPES[accessor.componentType]
    data = file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(data, dtype).reshape(accessor.count, columns)


def posed(file: Any, number: int, count: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return world matrices (T, 24, 4, 4) of a person's joints, the times, and the nodes."""
    names = [node.name for node in file.nodes]
    joints = [names.index(f"person_{number:03d}_{joint}") for joint in SMPL24]
    parents = {child: place for place, node in enumerate(file.nodes) for child in node.children or ()}
    channels = {
        (c.target.node, c.target.path): file.animations[0].samplers[c.sampler] for c in file.animations[0].channels
    }
    local = np.tile(np.eye(4), (count, 24, 1, 1))
    for place, joint in enumerate(joints):
        local[:, place, :3, 3] = file.nodes[joint].translation
        if (joint, "translation") in channels:
            local[:, place, :3, 3] = array(file, channels[joint, "translation"].output)
        turns = array(file, channels[joint, "rotation"].output)
        assert (np.abs(np.linalg.norm(turns, axis=1) - 1) < 1e-5).all()
        assert ((turns[1:] * turns[:-1]).sum(axis=1) > 0).all()  # else players turn the long way round
        local[:, place, :3, :3] = Rotation.from_quat(turns).as_matrix()
    world = local.copy()
    for place, joint in enumerate(joints):
        if parents[joint] in joints:
            world[:, place] = world[:, joints.index(parents[joint])] @ local[:, place]
    return world, array(file, channels[joints[0], "rotation"].input)[:, 0], joints


def test_joints_lie_where_the_run_has_them(file: Any, scene: Scene, wanted: dict[int, np.ndarray]) -> None:
    for person in scene.people:
        world, time_s, _ = posed(file, person.number, person.count)
        found = world[..., :3, 3] @ Y_UP_FROM_Z_UP
        assert np.linalg.norm(found - wanted[person.number], axis=-1).max() < 0.001
        np.testing.assert_allclose(time_s, (person.first_sample + np.arange(person.count)) / 30, atol=1e-6)


def test_the_skin_moves_as_the_body_model_moves_it(file: Any, scene: Scene, run_files: Any) -> None:
    from dpmesh.body.load import load_body
    from pipeline.motion.posing import vertex_positions

    person = scene.people[1]
    world, _, joints = posed(file, person.number, person.count)
    mesh_node = next(node for node in file.nodes if node.name == f"{person.name}_body")
    skin = file.skins[mesh_node.skin]
    assert skin.joints == joints
    bind = array(file, skin.inverseBindMatrices).reshape(24, 4, 4).transpose(0, 2, 1)
    attributes = file.meshes[mesh_node.mesh].primitives[0].attributes
    points, weights = array(file, attributes.POSITION), array(file, attributes.WEIGHTS_0)
    moves = array(file, attributes.JOINTS_0)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    row = 30
    matrices = (world[row] @ bind)[moves]  # (V, 4, 4, 4)
    blended = (matrices * weights[..., None, None]).sum(axis=1)
    found = (blended[:, :3, :3] @ points[..., None])[..., 0] + blended[:, :3, 3]
    data = np.load(run_files.track(person.number))
    pose = np.zeros((1, 24, 3), np.float32)
    pose[0, :22] = data["poses"][row, :66].reshape(22, 3)
    real = vertex_positions(load_body(), pose, data["betas"][:10], data["trans"][row : row + 1])[0]
    off_mm = 1000 * np.linalg.norm(found @ Y_UP_FROM_Z_UP - real, axis=-1)
    assert off_mm.max() < 15 and np.quantile(off_mm, 0.99) < 3  # the fifth weight of a few vertices is lost


def test_who_is_not_there_is_a_speck(file: Any) -> None:
    names = [node.name for node in file.nodes]
    animation = file.animations[0]
    shown = {}
    for channel in animation.channels:
        if channel.target.path == "scale":
            sampler = animation.samplers[channel.sampler]
            assert sampler.interpolation == "STEP"
            shown[names[channel.target.node]] = (array(file, sampler.input)[:, 0], array(file, sampler.output)[:, 0])
    assert set(shown) == {"person_002", "person_004"}  # the first is there all the time
    np.testing.assert_allclose(shown["person_002"][0], [0, 19.5 / 30], atol=1e-6)
    np.testing.assert_allclose(shown["person_002"][1], [glb.SPECK, 1])
    np.testing.assert_allclose(shown["person_004"][0], [0, 39.5 / 30], atol=1e-6)
    np.testing.assert_allclose(shown["person_004"][1], [1, glb.SPECK])


def test_shape_camera_and_ground_are_told(file: Any, scene: Scene) -> None:
    person = next(node for node in file.nodes if node.name == "person_002")
    assert person.extras["betas"][0] == pytest.approx(1.5) and person.extras["body_model"] == "open_body"
    assert "not of SMPL" in file.asset.extras["note"]
    camera = next(node for node in file.nodes if node.name == "camera")
    matrix = np.array(camera.matrix).reshape(4, 4).T
    np.testing.assert_allclose(matrix[:3, 2], [0, 0, 1], atol=1e-6)  # it looks along -z; people stand there
    yfov = file.cameras[camera.camera].perspective.yfov
    assert np.degrees(yfov) == pytest.approx(2 * np.degrees(np.arctan(180 / 800)))
    assert any(node.name == "ground" for node in file.nodes)


def test_four_joints_per_vertex_and_all_weight_kept() -> None:
    weights = np.array([[0.5, 0.2, 0.1, 0.1, 0.05, 0.05], [0, 0, 0, 0, 0, 1.0]])
    joints, kept = glb.strongest(weights, 4)
    np.testing.assert_allclose(kept, [[5 / 9, 2 / 9, 1 / 9, 1 / 9], [1, 0, 0, 0]])
    assert joints.tolist() == [[0, 1, 2, 3], [5, 0, 0, 0]]


def test_a_file_that_ends_early_is_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.glb"
    glb.write(path, scene, None)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RunError, match="no whole GLB when read back"):
        glb.check(path, scene, None)
