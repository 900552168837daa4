"""`dpmesh-video export` from outside."""

from pathlib import Path

import numpy as np
import pytest
from exported_run import make_run, turning_and_lying
from real_command import ended, start

from dpmesh.body.load import load_body
from pipeline.cli.entry import execute


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "clip"
    make_run(folder, [turning_and_lying(number, 0, 20, 30.0) for number in (1, 2, 3)], load_body())
    return folder


def test_the_command_names_what_it_wrote(run_folder: Path) -> None:
    words = "export clip --format bvh,trc --person 1,3 --fps 60 --unit cm --root-at-origin --in-place -o library"
    code, out, err = ended(start(*words.split(), folder=run_folder.parent))
    assert (code, err) == (0, "")
    names = [f"library/{form}/person_{number:03d}.{form}" for form in ("bvh", "trc") for number in (1, 3)]
    assert out.splitlines() == names
    lines = (run_folder.parent / names[0]).read_text().splitlines()
    assert "Frames: 39" in lines and "Frame Time: 0.01666667" in lines
    positions = np.array([[float(word) for word in line.split()[:3]] for line in lines[lines.index("MOTION") + 3 :]])
    assert np.abs(positions[:, [0, 2]]).max() == 0 and np.abs(positions[:, 1]).max() > 1  # centimetres above the origin


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("", 2, "no --format is given"),
        ("--format obj", 2, "'obj' is unknown; choose from bvh, glb"),
        ("--format csv --unit mm", 2, "expected m or cm"),
        ("--format csv --fps fast", 2, "'fast' is no rate"),
        ("--format csv --person x", 2, "expected person numbers, such as 1,3"),
        ("--format csv --person 7", 1, "person 7 is not in this run; there is 1, 2, 3"),
        ("--format fbx --blender nosuch", 2, "nosuch: no such program; give --blender PATH"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    run_folder: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, message: str
) -> None:
    assert execute(["export", str(run_folder), *words.split()]) == code
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out and len(captured.err.splitlines()) == 1
    assert not (run_folder / "export").exists()
