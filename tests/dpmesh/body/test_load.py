"""Opening bodies: a user's npz and pkl, and what is refused."""

import os
import pickle
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from configs.errors import WeightsError
from configs.skeletons import SMPL_LANDMARK_VERTICES
from dpmesh.body import load_body
from dpmesh.body.load import find_body, read_structure
from dpmesh.body.smpl_pickle import read_smpl_pickle

SMPL_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")


@pytest.fixture
def smpl_sized(small_arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A body of SMPL's size that carries nothing but SMPL's keys."""
    arrays = {name: small_arrays[name] for name in SMPL_KEYS}
    count = 6890
    return arrays | {
        "v_template": 0.2 * np.random.default_rng(0).normal(size=(count, 3)),
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
        (lambda arrays: arrays.update(f=arrays["f"] + 40), "f names vertices 40 to 98"),
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


def change_of(**changes):
    return lambda arrays: arrays.update({k: v(arrays[k]) if callable(v) else v for k, v in changes.items()})


def first_nan(array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_of(v_template=np.zeros(())), r"v_template: got shape \(\), expected \(V, 3\)"),
        (change_of(v_template=np.full(60, "a")), r"v_template: got shape \(60,\)"),
        (change_of(v_template=np.full((60, 3), "a")), "v_template is of type <U1, expected numbers"),
        (change_of(v_template=lambda a: a.astype(complex)), "v_template is of type <c16"),
        (change_of(v_template=first_nan), "v_template is not finite"),
        (change_of(v_template=lambda a: 100 * a), "expected 0.3 to 3.5 metres; is it in another unit"),
        (change_of(v_template=lambda a: 0 * a), "expected 0.3 to 3.5 metres"),
        (change_of(v_template=lambda a: a[:0]), "0 vertices"),
        (change_of(shapedirs=lambda a: a[0]), r"shapedirs: got shape \(3, 10\)"),
        (change_of(shapedirs=lambda a: a[:30]), r"shapedirs: got shape \(30, 3, 10\)"),
        (change_of(shapedirs=first_nan), "shapedirs is not finite"),
        (change_of(posedirs=lambda a: 1e6 * a), "posedirs moves vertices by"),
        (change_of(posedirs=lambda a: a[..., :50]), "posedirs: got shape"),
        (change_of(J_regressor=lambda a: 2 * a), "J_regressor: row 0 sums to 2, expected 1"),
        (change_of(J_regressor=lambda a: a.T), r"J_regressor: got shape \(60, 24\)"),
        (change_of(weights=lambda a: 0 * a), r"weights: row 0 sums to 0, expected 1 \(60 such rows\)"),
        (change_of(f=np.zeros((0, 3), int)), "f holds no triangle"),
        (change_of(f=lambda a: a + 0.5), "f holds numbers that are not whole"),
        (change_of(f=lambda a: -a.astype(int)), "f names vertices -58 to 0"),
        (change_of(kintree_table=np.zeros(3)), r"kintree_table, shape \(3,\)"),
        (change_of(kintree_table=np.zeros((2, 0), int)), "kintree_table"),
        (change_of(landmark_names=np.array(["nose"] * 12)), "landmark_names lacks left_eye"),
        (change_of(landmark_vertices=lambda a: a - 60), "landmark_vertices names vertices -59"),
        (lambda arrays: arrays.pop("landmark_weights"), "lacks landmark_weights"),
        (change_of(faces_coarse=np.full((4, 3), 60)), "faces_coarse names vertices 60"),
        (change_of(vertex_part=np.full(60, 3), part_names=np.array(["arm"])), "vertex_part names part 3"),
    ],
)
def test_a_body_whose_arrays_are_wrong_is_refused_by_the_name_of_the_array(
    tmp_path: Path, small_arrays: dict, change, message: str
) -> None:
    change(small_arrays)
    np.savez(tmp_path / "body.npz", **small_arrays)
    with pytest.raises(WeightsError, match=message) as caught:
        read_structure(tmp_path / "body.npz")
    assert "\n" not in str(caught.value)


def test_a_regressor_left_sparse_in_an_npz_says_how_to_save_it(tmp_path: Path, small_arrays: dict) -> None:
    small_arrays["J_regressor"] = np.array(scipy.sparse.csc_matrix(small_arrays["J_regressor"]), object)
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **small_arrays)
    with pytest.raises(WeightsError, match=r"save it dense, with J_regressor\.toarray\(\), or give the \.pkl"):
        read_structure(tmp_path / "SMPL_NEUTRAL.npz")


def sparse_state(shape: tuple[int, int]) -> bytes:
    matrix = scipy.sparse.csc_matrix(np.eye(2))
    matrix.__dict__["_shape"] = shape
    return pickle.dumps({"J_regressor": matrix}, protocol=2)


class Call:
    def __init__(self, function: object, *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def laughing(levels: int) -> list:
    value: list = [0.0]
    for _ in range(levels):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"v_template": Call(np.ndarray, (10**6, 1000))}, 2), "_ArrayClass"),
        (pickle.dumps({"v_template": Call(np.zeros(0).__reduce__()[0], np.ndarray, (10**9, 3), b"f")}, 2), "of shape"),
        (sparse_state((10**6, 10**6)), "J_regressor holds a sparse matrix of 1000000 x 1000000"),
        (sparse_state((24, 10**6)), "J_regressor"),
        (pickle.dumps({"v_template": laughing(12)}, 2), r"v_template is no array of numbers \(list\)"),
        (pickle.dumps({"v_template": np.array(laughing(1), object)}, 2), r"v_template is no array of numbers \(\|O"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "lacks v_template"),  # the 2,147,483,647th object, and no other
        (b"\x80\x04\x8e" + (10**13).to_bytes(8, "little") + b"x", "cannot be read"),
        (b"\x80\x02" + b"(" * 20_000 + b"t" * 19_999 + b".", "cannot be read"),
        (b"\x80\x02]q\x00h\x00a.", "holds a list"),
        (b"", "cannot be read"),
    ],
)
def test_a_pickle_that_asks_for_memory_is_refused_and_takes_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(WeightsError, match=message) as caught:
        read_structure(tmp_path / "SMPL_NEUTRAL.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * 2**20 and "\n" not in str(caught.value)


def test_a_pipe_for_a_body_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "body.npz")
    with pytest.raises(WeightsError, match="not a regular file"):
        load_body(tmp_path / "body.npz")


@pytest.mark.parametrize(
    ("name", "told", "choice", "wanted"),
    [
        ("SMPL_FEMALE.npz", None, "auto", "female"),
        ("basicmodel_f_lbs_10_207_0_v1.1.0.npz", None, "auto", "female"),
        ("basicModel_m_lbs_10_207_0_v1.0.0.npz", None, "auto", "male"),
        ("basicmodel_neutral_lbs_10_207_0_v1.1.0.npz", None, "auto", "neutral"),
        ("my_MALE_body.npz", None, "auto", "male"),
        ("SMPL_NEUTRAL.npz", "female", "auto", "female"),
        ("SMPL_NEUTRAL.npz", "female", "male", "male"),
        ("template.npz", None, "auto", "neutral"),
        ("template.npz", None, "female", "female"),
    ],
)
def test_the_gender_is_the_settings_else_the_files_else_the_names(
    tmp_path: Path, small_arrays: dict, name: str, told: str | None, choice: str, wanted: str
) -> None:
    np.savez(tmp_path / name, **small_arrays, **({"gender": np.array(told)} if told else {}))
    assert read_structure(tmp_path / name, gender=choice).gender == wanted


def test_the_open_body_is_neutral() -> None:
    assert find_body("open") is None and read_structure().gender == "neutral"


@pytest.mark.parametrize(
    ("files", "gender", "wanted"),
    [
        (["SMPL_NEUTRAL.pkl", "SMPL_FEMALE.pkl"], "auto", "SMPL_NEUTRAL.pkl"),
        (["smpl/SMPL_NEUTRAL.npz", "smplx/SMPLX_NEUTRAL.npz"], "auto", "smpl/SMPL_NEUTRAL.npz"),
        (["smpl/SMPL_NEUTRAL.npz", "smpl/SMPL_NEUTRAL.pkl"], "auto", "smpl/SMPL_NEUTRAL.pkl"),  # as smplx does
        (["smpl/SMPL_MALE.pkl", "smpl/SMPL_FEMALE.pkl"], "female", "smpl/SMPL_FEMALE.pkl"),
        (["basicmodel_f_lbs_10_207_0_v1.1.0.pkl"], "auto", "basicmodel_f_lbs_10_207_0_v1.1.0.pkl"),
    ],
)
def test_a_folder_as_smplx_takes_it_gives_its_body(tmp_path: Path, files: list[str], gender: str, wanted: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_body(str(tmp_path), gender) == tmp_path / wanted


@pytest.mark.parametrize(
    ("files", "gender", "message"),
    [
        ([], "auto", r"no SMPL_NEUTRAL\.pkl or \.npz"),
        (["SMPL_MALE.pkl", "SMPL_FEMALE.pkl"], "auto", r"with SMPL_FEMALE\.pkl, SMPL_MALE\.pkl; give one of them"),
        (["SMPL_NEUTRAL.pkl"], "female", r"with SMPL_NEUTRAL\.pkl; give one"),
        (["SMPL_NEUTRAL.pkl", "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"], "auto", "give one of them"),
    ],
)
def test_a_folder_that_does_not_tell_lists_what_it_holds(
    tmp_path: Path, files: list[str], gender: str, message: str
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(WeightsError, match=message):
        find_body(str(tmp_path), gender)
