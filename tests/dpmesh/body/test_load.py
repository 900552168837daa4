"""Opening bodies: a user's npz and pkl, and what is refused."""

import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from configs.errors import WeightsError
from dpmesh.body import load_body
from dpmesh.body.joint_sets import SMPL_LANDMARK_VERTICES
from dpmesh.body.load import read_structure
from dpmesh.body.smpl_pickle import read_smpl_pickle

SMPL_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")


@pytest.fixture
def smpl_sized(small_arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A body of SMPL's size that carries nothing but SMPL's keys."""
    arrays = {name: small_arrays[name] for name in SMPL_KEYS}
    count = 6890
    return arrays | {
        "v_template": np.random.default_rng(0).normal(size=(count, 3)),
        "shapedirs": np.zeros((count, 3, 10)),
        "posedirs": np.zeros((count, 3, 207), np.float32),
        "J_regressor": np.eye(24, count),
        "weights": np.eye(24)[np.arange(count) % 24],
    }


@pytest.fixture
def fake_chumpy():
    """Classes that pickle as `chumpy` objects do, gone again before the file is read."""
    leaf, selection = types.ModuleType("chumpy.ch"), types.ModuleType("chumpy.reordering")
    leaf.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    selection.Select = type("Select", (), {"__module__": "chumpy.reordering"})
    modules = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": leaf, "chumpy.reordering": selection}
    sys.modules.update(modules)

    def remove() -> None:
        for name in modules:
            sys.modules.pop(name, None)

    yield leaf.Ch, selection.Select, remove
    remove()


def write_pickle(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_with_chumpy_and_sparse_matrices_gives_the_arrays(
    tmp_path: Path, small_arrays: dict, fake_chumpy, protocol: int
) -> None:
    leaf_class, selection_class, remove = fake_chumpy
    leaf, selection = leaf_class(), selection_class()
    leaf.x = small_arrays["v_template"]
    shapedirs = small_arrays["shapedirs"]
    backwards = np.arange(shapedirs.size)[::-1]
    selection.__dict__.update(a=shapedirs.reshape(-1)[::-1].copy(), idxs=backwards, preferred_shape=shapedirs.shape)
    sparse = scipy.sparse.csc_matrix(small_arrays["J_regressor"])
    stored = {"v_template": leaf, "shapedirs": selection, "J_regressor": sparse, "J": leaf_class(), "bs_style": "lbs"}
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", stored, protocol)
    remove()
    found = read_smpl_pickle(path, SMPL_KEYS)
    assert "chumpy" not in sys.modules
    assert found.keys() == {"v_template", "shapedirs", "J_regressor"}
    for name, array in found.items():
        np.testing.assert_array_equal(array, small_arrays[name])


def test_a_smpl_pickle_becomes_a_body(tmp_path: Path, smpl_sized: dict) -> None:
    sparse = scipy.sparse.csc_matrix(smpl_sized["J_regressor"])
    structure = read_structure(write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", dict(smpl_sized, J_regressor=sparse)))
    np.testing.assert_allclose(structure.v_template, smpl_sized["v_template"], atol=1e-6)
    np.testing.assert_allclose(structure.joint_regressor, smpl_sized["J_regressor"])
    assert structure.landmarks == {name: {vertex: 1.0} for name, vertex in SMPL_LANDMARK_VERTICES.items()}


def test_a_smpl_sized_body_gives_the_known_vertices_as_landmarks(tmp_path: Path, smpl_sized: dict) -> None:
    path = tmp_path / "SMPL_NEUTRAL.npz"
    np.savez(path, **smpl_sized)
    body = load_body(path)
    rest = torch.zeros(1, 24, 3), torch.zeros(1, 10), torch.zeros(1, 3)
    points = body.joints(*rest, joint_set="dpmesh30")[0]
    mesh = body.vertices(*rest)[0]
    torch.testing.assert_close(points[24:], mesh[[331, 2802, 6262, 3489, 3990, 411]])


class Evil:
    def __init__(self, call: object, *arguments: object) -> None:
        self.made_by = (call, arguments)

    def __reduce__(self):
        return self.made_by


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [(os.system, ("touch owned",), "system"), (eval, ("1",), "eval"), (getattr, ("a", "b"), "getattr"),
     (subprocess.run, (["touch", "owned"],), r"\.run,"), (np.load, ("x",), "load")],
)  # fmt: skip
def test_a_pickle_that_asks_for_anything_else_is_refused_by_name_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: object, arguments: tuple, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", {"extra": Evil(call, *arguments)})
    with pytest.raises(WeightsError, match=named):
        load_body(path)
    assert not (tmp_path / "owned").exists()


def test_a_sparse_matrix_with_indices_outside_itself_is_refused(tmp_path: Path, small_arrays: dict) -> None:
    sparse = scipy.sparse.csc_matrix(small_arrays["J_regressor"])
    sparse.indices[:] = 10**6
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", dict(small_arrays, J_regressor=sparse))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_body(path)


def test_a_chumpy_expression_is_named_with_what_it_holds(tmp_path: Path, small_arrays: dict, fake_chumpy) -> None:
    leaf_class, _, remove = fake_chumpy
    product = leaf_class()
    product.left, product.right = 1, 2
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", dict(small_arrays, v_template=product))
    remove()
    with pytest.raises(WeightsError, match="left, right"):
        load_body(path)


@pytest.mark.parametrize("name", ["none.npz", "none.pkl"])
def test_a_missing_file_says_where_to_get_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=r"no such file.*smpl\.is\.tue\.mpg\.de"):
        load_body(tmp_path / name)


@pytest.mark.parametrize("name", ["broken.npz", "broken.pkl"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a body")
    with pytest.raises(WeightsError, match=name):
        load_body(tmp_path / name)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "body.fbx").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"ends in \.npz or \.pkl"):
        load_body(tmp_path / "body.fbx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("weights"), "lacks weights"),
        (lambda arrays: arrays.pop("landmark_names"), "60 vertices"),
        (lambda arrays: arrays.update(kintree_table=np.zeros((2, 52), np.int64)), "tree of 24"),
        (lambda arrays: arrays.update(weights=arrays["weights"][:, :20]), "weights"),
        (lambda arrays: arrays.update(shapedirs=arrays["shapedirs"][..., :4]), "shapedirs"),
        (lambda arrays: arrays.update(f=arrays["f"] + 40), "faces"),
        (lambda arrays: arrays.update(landmark_vertices=arrays["landmark_vertices"] + 60), "landmark"),
    ],
)
def test_a_body_that_does_not_fit_together_is_refused(tmp_path: Path, small_arrays: dict, change, message: str) -> None:
    change(small_arrays)
    path = tmp_path / "body.npz"
    np.savez(path, **small_arrays)
    with pytest.raises(WeightsError, match=message):
        load_body(path)


def test_more_than_ten_shape_numbers_are_cut_to_ten(tmp_path: Path, small_arrays: dict) -> None:
    ten = small_arrays["shapedirs"]
    small_arrays["shapedirs"] = np.concatenate([ten, np.ones((60, 3, 6))], axis=2)
    np.savez(tmp_path / "body.npz", **small_arrays)
    np.testing.assert_allclose(read_structure(tmp_path / "body.npz").shapedirs, ten, atol=1e-6)


def test_loading_a_body_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    load_body()
    assert capsys.readouterr().out == ""
