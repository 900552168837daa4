"""One rig written in every layout is the same rig when it is read."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from pipeline.capture import Camera, read_calibration
from pipeline.capture.calibration import Calibration

SIZE = (1088, 1920)


def rig() -> list[Camera]:
    """Three cameras at head height round the origin, z up; the third name sorts before the second as a string."""
    cameras = []
    for name, angle in (("1", 0.3), ("2", 2.4), ("10", 4.2)):
        centre = np.array([3 * np.cos(angle), 3 * np.sin(angle), 1.6])
        forward = -centre / np.linalg.norm(centre)
        right = np.cross(forward, [0, 0, 1]) / np.linalg.norm(np.cross(forward, [0, 0, 1]))
        rotation = np.stack([right, np.cross(forward, right), forward])
        matrix = np.array([[1650.0 + angle, 0, 540], [0, 1660.0, 955], [0, 0, 1]])
        bent = np.array([-0.05, 0.14, 0.0006, 0.0007, 0.0])
        cameras.append(Camera(name, matrix, rotation, -rotation @ centre, bent, SIZE))
    return cameras


def own_json(folder: Path) -> Path:
    entries = [
        {"name": c.name, "size": SIZE, "K": c.matrix.tolist(), "R": c.rotation.tolist(), "dist": c.distortion.tolist(),
         "t": (100 * c.translation_m).tolist()}
        for c in rig()
    ]  # fmt: skip
    path = folder / "calibration.json"
    path.write_text(json.dumps({"unit": "cm", "cameras": entries}))
    return path


def panoptic(folder: Path) -> Path:
    """Y points down and lengths are centimetres: (x, z, -y) / 100 is the world of `rig`."""
    up = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    entries = [
        {"name": c.name, "type": "hd", "resolution": SIZE, "K": c.matrix.tolist(), "distCoef": c.distortion.tolist(),
         "R": (c.rotation @ up).tolist(), "t": (100 * c.translation_m)[:, None].tolist()}
        for c in rig()
    ]  # fmt: skip
    entries.append(entries[0] | {"name": "01_01", "type": "vga"})
    path = folder / "calibration_x.json"
    path.write_text(json.dumps({"calibDataSource": "x", "cameras": entries}))
    return path


def tables(folder: Path, unit: float = 1.0, head: str = "", extra: str = "") -> Path:
    text = "[metadata]\nadjusted = false\n"
    for c in rig():
        turn = cv2.Rodrigues(c.rotation)[0].reshape(-1).tolist()
        text += f'[{head}{c.name if head else "int_" + c.name}]\nname = "{c.name}"\nsize = [1088.0, 1920.0]\n'
        text += f"matrix = {c.matrix.tolist()}\ndistortions = {c.distortion[:4].tolist()}\nrotation = {turn}\n"
        text += f"translation = {(c.translation_m * unit).tolist()}\nfisheye = false\n"
    path = folder / "Calib.toml"
    path.write_text(text + extra)
    return path


def pose2sim(folder: Path) -> Path:
    return tables(folder)


def aniposelib(folder: Path) -> Path:
    return tables(folder, unit=1000.0)


def caliscope(folder: Path) -> Path:
    matrix = "matrix = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]\n"
    return tables(folder, head="cameras.", extra=f"[cameras.7]\nignore = true\n{matrix}[cameras.8]\n{matrix}")


def qualisys(folder: Path) -> Path:
    cameras = []
    for c in reversed(rig()):
        axes = np.diag([1.0, -1.0, -1.0]) @ c.rotation
        turn = " ".join(f'r{i + 1}{j + 1}="{axes[i, j]:.12f}"' for i in range(3) for j in range(3))
        (x, y, z), k, d = 1000 * c.centre_m, 64 * c.matrix, c.distortion
        cameras.append(
            f'<camera model="Miqus Video" serial="{c.name}">'
            f'<fov_video left="4" top="2" right="{SIZE[0] + 3}" bottom="{SIZE[1] + 1}"/>'
            f'<transform x="{x}" y="{y}" z="{z}" {turn}/>'
            f'<intrinsic focalLengthU="{k[0, 0]}" focalLengthV="{k[1, 1]}" '
            f'centerPointU="{k[0, 2] + 64 * 4}" centerPointV="{k[1, 2] + 64 * 2}" '
            f'radialDistortion1="{d[0]}" radialDistortion2="{d[1]}" radialDistortion3="{d[4]}" '
            f'tangentalDistortion1="{d[2]}" tangentalDistortion2="{d[3]}"/></camera>'
        )
    cameras.append('<camera model="Miqus M3" serial="99"/>')
    path = folder / "Calib.qca.txt"
    path.write_text(f"<?xml version='1.0'?><calibration><cameras>{''.join(cameras)}</cameras></calibration>")
    return path


def easymocap(folder: Path) -> Path:
    def matrix(name: str, values: np.ndarray) -> str:
        rows, columns = values.shape
        data = ", ".join(repr(float(value)) for value in values.reshape(-1))
        lines = [f"rows: {rows}", f"cols: {columns}", "dt: d", f"data: [ {data} ]"]
        return f"{name}: !!opencv-matrix\r\n" + "".join(f"   {line}\r\n" for line in lines)

    lenses = places = "%YAML:1.0\r\n---\r\nnames:\r\n" + "".join(f'   - "{c.name}"\r\n' for c in rig())
    for c in rig():
        lenses += matrix(f"K_{c.name}", c.matrix) + matrix(f"dist_{c.name}", c.distortion[None])
        places += matrix(f"R_{c.name}", cv2.Rodrigues(c.rotation)[0]) + matrix(f"T_{c.name}", c.translation_m[:, None])
    (folder / "intri.yml").write_bytes(lenses.encode())
    (folder / "extri.yml").write_bytes(places.encode())
    return folder / "extri.yml"


def colmap(folder: Path) -> Path:
    lenses, images = "# Camera list\n", "# Image list\n"
    for index, c in enumerate(rig()):
        k = c.matrix
        numbers = [k[0, 0], k[1, 1], k[0, 2] + 0.5, k[1, 2] + 0.5, *c.distortion[:4]]
        lenses += f"{index} OPENCV {SIZE[0]} {SIZE[1]} {' '.join(map(str, numbers))}\n"
        x, y, z, w = Rotation.from_matrix(c.rotation).as_quat()
        shift = " ".join(map(str, c.translation_m.tolist()))
        images += f"{index} {w} {x} {y} {z} {shift} {index} {c.name}.jpg\n{'' if index else '1 2 -1'}\n"
    (folder / "cameras.txt").write_text(lenses)
    (folder / "images.txt").write_text(images)
    return folder / "images.txt"


WRITERS = [own_json, panoptic, pose2sim, aniposelib, caliscope, qualisys, easymocap, colmap]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("is_found", [False, True])
def test_a_rig_is_the_same_in_every_layout(write: Callable[[Path], Path], is_found: bool, tmp_path: Path) -> None:
    path = write(tmp_path)
    found = read_calibration(tmp_path if is_found else path)
    cameras = {camera.name.removeprefix("cam_"): camera for camera in found.cameras}
    assert list(cameras) == ["1", "2", "10"], "the file's order, or that of serial numbers"
    for wanted in rig():
        camera = cameras[wanted.name]
        np.testing.assert_allclose(camera.centre_m, wanted.centre_m, atol=1e-5)
        world = wanted.centre_m + wanted.forward * 3 + np.random.default_rng(0).normal(size=(20, 3)) * 0.4
        np.testing.assert_allclose(camera.project(world), wanted.project(world), atol=0.01)
        assert camera.size_px in (SIZE, None if write is easymocap else SIZE)


def notes_of(calibration: Calibration) -> str:
    return "\n".join(calibration.notes)


def test_what_was_assumed_or_left_out_is_said(tmp_path: Path) -> None:
    assert "1 cameras of type vga were left out" in notes_of(read_calibration(panoptic(tmp_path)))
    assert "taken to be mm: the cameras are up to 5" in notes_of(read_calibration(aniposelib(tmp_path)))
    said = notes_of(read_calibration(caliscope(tmp_path)))
    assert "camera 7 was left out: marked to be ignored" in said and "camera 8 was left out: it has no place" in said
    assert "1 cameras that film no video" in notes_of(read_calibration(qualisys(tmp_path)))
    assert "camera 1: the file does not give the size" in notes_of(read_calibration(easymocap(tmp_path)))
    assert "no scale" in notes_of(read_calibration(colmap(tmp_path)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("calib.pickle", b"\x80\x04", "a pickle can run any code"),
        ("calib.xcp", b"<x/>", "no known layout"),
        ("calib.json", b'{"cameras": [{"name": "a"}]}', "no calibration of a known layout"),
        ("calib.json", b'{"cameras": []}', "without a posed camera"),
        ("calib.json", b"[1, 2]", "no calibration of a known layout"),
        ("calib.toml", b"[a]\nmatrix = 3\n", "calib.toml"),
        ("calib.toml", b"[a\n", "no calibration of a known layout"),
        ("x.qca.txt", b"<calibration", "no XML"),
        ("x.qca.txt", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a document type"),
        ("x.qca.txt", b'<a><camera model="none" serial="3"/></a>', "camera 3: has no intrinsic"),
        ("extri.yml", b"%YAML:1.0\n---\n", "intri.yml is not beside it"),
        ("images.txt", b"1 1 0 0 0 0 0 0 1 a.jpg\n\n", "cameras.txt is not beside it"),
    ],
)
def test_what_is_no_calibration_is_refused(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_calibration(tmp_path / name)


def test_a_camera_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = own_json(tmp_path)
    found = json.loads(path.read_text())
    found["cameras"].append(found["cameras"][1])
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match="camera 2 is there twice"):
        read_calibration(path)


def test_a_model_of_camera_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = colmap(tmp_path)
    lenses = tmp_path / "cameras.txt"
    lenses.write_text(lenses.read_text().replace("OPENCV", "FOV", 1))
    with pytest.raises(InputError, match="camera model FOV is not read; convert it"):
        read_calibration(path)
