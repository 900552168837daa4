"""The built file: a SMPL-format body that stands, is closed and symmetric, and whose shapes are people."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import dpmesh.body
from configs.skeletons import LANDMARKS, SMPL24, SMPL_PARENTS
from dpmesh.body.load import read_structure
from dpmesh.body.structure import BodyStructure

FILE = Path(dpmesh.body.__file__).parent / "data" / "open_body.npz"


@cache
def body() -> BodyStructure:
    return read_structure()


def joint(name: str) -> np.ndarray:
    return body().joint_regressor[SMPL24.index(name)] @ body().v_template


def landmark(name: str) -> np.ndarray:
    return sum(share * body().v_template[vertex] for vertex, share in body().landmarks[name].items())


def shaped(betas: np.ndarray) -> np.ndarray:
    return body().v_template + body().shapedirs @ betas.astype(np.float32)


def volume_l(vertices: np.ndarray) -> float:
    a, b, c = (vertices[body().faces[:, corner]].astype(np.float64) for corner in range(3))
    return 1000 * float((a * np.cross(b, c)).sum() / 6)


def test_file_is_small_and_holds_no_pickles() -> None:
    assert FILE.stat().st_size < 3_000_000
    with np.load(FILE, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_body_has_the_size_that_was_planned() -> None:
    assert 6000 < len(body().v_template) <= 7000
    assert np.unique(body().faces).size == len(body().v_template)
    assert 2000 < len(body().faces_coarse) < 3000


@pytest.mark.parametrize("which", ["faces", "faces_coarse"])
def test_surface_is_closed_and_turned_outwards(which: str) -> None:
    faces = getattr(body(), which)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges)
    assert all((b, a) in directed for a, b in directed)
    vertices, edge_count = np.unique(faces).size, len(edges) // 2
    assert vertices - edge_count + len(faces) == 2  # Euler: one closed surface without handles
    assert volume_l(body().v_template) > 40


def test_body_is_its_own_mirror_image() -> None:
    with np.load(FILE) as arrays:
        mirror = arrays["mirror"]
    flip = np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(body().v_template[mirror], body().v_template * flip, atol=1e-6)
    np.testing.assert_allclose(body().shapedirs[mirror], body().shapedirs * flip[:, None], atol=1e-6)
    other = {"left": "right", "right": "left"}
    swap = [SMPL24.index("_".join(other.get(part, part) for part in name.split("_"))) for name in SMPL24]
    np.testing.assert_allclose(body().weights[mirror], body().weights[:, swap], atol=1e-6)
    np.testing.assert_allclose(body().joint_regressor[:, mirror], body().joint_regressor[swap], atol=1e-6)


def test_skin_follows_few_joints_and_joints_follow_few_vertices() -> None:
    np.testing.assert_allclose(body().weights.sum(1), 1.0, atol=1e-5)
    assert body().weights.min() >= 0 and (body().weights > 0).sum(1).max() <= 6
    assert (body().weights.max(0) > 0.4).all()
    np.testing.assert_allclose(body().joint_regressor.sum(1), 1.0, atol=1e-5)
    assert body().joint_regressor.min() >= 0 and (body().joint_regressor > 0).sum(1).max() <= 60


def test_rest_is_an_upright_t_pose_that_faces_forward_with_the_left_at_plus_x() -> None:
    height = np.ptp(body().v_template[:, 1])
    assert 1.6 < height < 1.8
    assert np.linalg.norm(joint("pelvis") - [0, -0.22, 0.03]) < 0.02
    for name in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"):
        left, right = joint(f"left_{name}"), joint(f"right_{name}")
        assert left[0] > 0.05
        np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-5)
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand")):
        bone = joint(f"left_{end}") - joint(f"left_{start}")
        assert bone[0] / np.linalg.norm(bone) > 0.98
    for start, end in (("hip", "knee"), ("knee", "ankle")):
        bone = joint(f"left_{end}") - joint(f"left_{start}")
        assert -bone[1] / np.linalg.norm(bone) > 0.98
    heights = [
        joint(name)[1] for name in ("left_ankle", "left_knee", "left_hip", "pelvis", "spine1", "spine2", "spine3")
    ]
    assert heights == sorted(heights)
    assert joint("left_foot")[2] > joint("left_ankle")[2] + 0.08
    assert landmark("nose")[2] > joint("head")[2] + 0.05


def test_landmarks_are_where_their_names_say() -> None:
    assert set(body().landmarks) == set(LANDMARKS)
    assert landmark("left_eye")[0] > 0.02 > abs(landmark("nose")[0])
    assert landmark("left_ear")[0] > landmark("left_eye")[0] + 0.02
    assert landmark("left_ear")[2] < landmark("left_eye")[2] - 0.04
    assert landmark("head_top")[1] > body().v_template[:, 1].max() - 0.005
    assert landmark("left_big_toe")[2] > joint("left_foot")[2] > landmark("left_heel")[2]
    assert landmark("left_small_toe")[0] > landmark("left_big_toe")[0] + 0.03
    for name in LANDMARKS:
        if name.startswith("left_"):
            np.testing.assert_allclose(landmark(name), landmark(name.replace("left", "right")) * [-1, 1, 1], atol=1e-5)


def test_first_shape_number_makes_taller_and_the_others_slimmer() -> None:
    for number in range(10):
        step = np.eye(10)[number]
        if number == 0:
            assert np.ptp(shaped(step)[:, 1]) > np.ptp(shaped(-step)[:, 1]) + 0.1
        else:
            assert volume_l(shaped(step)) < volume_l(shaped(-step))


def test_shapes_within_three_deviations_are_people() -> None:
    betas = np.concatenate(
        [3 * np.eye(10), -3 * np.eye(10), np.random.default_rng(0).normal(size=(60, 10)).clip(-3, 3)]
    )
    for row in betas:
        vertices = shaped(row)
        joints = body().joint_regressor @ vertices
        height = np.ptp(vertices[:, 1])
        assert 1.35 < height < 2.05
        assert 14 < volume_l(vertices) / height**2 < 40
        bones = np.linalg.norm(joints[1:] - joints[list(SMPL_PARENTS[1:])], axis=1)
        mean_bones = np.linalg.norm(
            (body().joint_regressor @ body().v_template)[1:]
            - (body().joint_regressor @ body().v_template)[list(SMPL_PARENTS[1:])],
            axis=1,
        )
        assert (bones > 0.5 * mean_bones).all() and (bones < 1.7 * mean_bones).all()
        assert np.linalg.norm(joints[0] - [0, -0.22, 0.03]) < 0.03


def test_shape_directions_do_not_overlap_and_grow_smaller() -> None:
    flat = body().shapedirs.reshape(-1, 10).astype(np.float64)
    gram = flat.T @ flat
    lengths = np.sqrt(np.diag(gram))
    assert (np.diff(lengths) < 0).all()
    np.testing.assert_allclose(gram / np.outer(lengths, lengths), np.eye(10), atol=1e-3)


def test_every_part_of_the_skin_is_named_and_lies_where_its_name_says() -> None:
    parts, names = body().vertex_part, body().part_names
    middle = {name: body().v_template[parts == index].mean(0) for index, name in enumerate(names)}
    assert set(np.unique(parts)) == set(range(len(names)))
    assert middle["feet"][1] < middle["shanks"][1] < middle["thighs"][1] < middle["torso"][1] < middle["neck"][1]
    assert middle["neck"][1] < middle["head"][1] < middle["hair"][1]
    assert middle["hair"][2] < middle["head"][2]
    reach = [
        np.abs(body().v_template[parts == names.index(name), 0]).mean() for name in ("upper_arms", "forearms", "hands")
    ]
    assert reach == sorted(reach)
