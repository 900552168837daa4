"""The front door: what a user does from Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_room import furnish

import dpmesh_video as dv
from configs.errors import InputError, SettingsError

SETTINGS = {
    "detect.keypoints": "points.json",
    "recover.model": "model",
    "link.frames_min": 1,
    "runtime.threads": 1,
    "refine.mode": "off",
    "overlay.is_written": False,
    "export.rate_hz": None,
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of two people, its keypoints, and a run of it in `out/clip`."""
    folder = tmp_path_factory.mktemp("room")
    furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dv.run("clip.mp4", settings=SETTINGS, progress=False)
    return folder


def test_a_run_gives_its_people_and_their_motion(room: Path) -> None:
    run = dv.open_run(room / "out" / "clip")
    assert [person.id for person in run] == [1, 2] and len(run) == 2
    person = run[2]
    assert (person.pose.shape, person.trans.shape, person.betas.shape) == ((12, 24, 3), (12, 3), (10,))
    assert person.frame_index.tolist() == list(range(12)) and np.allclose(np.diff(person.time_s), 1 / 12)
    assert (run.video.width, run.video.height, run.record.frames) == (96, 96, 12)
    assert run.settings.link.frames_min == 1


def test_joints_are_those_of_the_motion_file(room: Path) -> None:
    run = dv.open_run(room / "out" / "clip")
    for person in run:
        with np.load(person.path) as file:
            assert np.allclose(run.joints(person), file["joints_world"], atol=1e-4)
        assert run.joints(person.id, "coco17").shape == (12, 17, 3)
        vertices = run.vertices(person)
        assert vertices.shape[0] == 12 and vertices.shape[1] == len(run.body.structure.v_template)
        inside = run.joints(person)[:, 0]  # the pelvis
        assert (vertices.min(1) < inside).all() and (inside < vertices.max(1)).all()


def test_a_table_has_a_row_per_person_sample_and_joint(room: Path) -> None:
    run = dv.open_run(room / "out" / "clip")
    table = run.to_dataframe()
    assert table.columns == ["person", "frame", "time_s", "joint", "x_m", "y_m", "z_m"]
    assert table.height == 2 * 12 * 24
    row = table.row(12 * 24 + 3 * 24 + 5, named=True)
    assert (row["person"], row["frame"]) == (2, 3)
    assert np.allclose([row["x_m"], row["y_m"], row["z_m"]], run.joints(run[2])[3, 5])


def test_a_second_call_makes_nothing_again(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room)
    run = dv.run("clip.mp4", settings=SETTINGS, progress=False)
    assert not any(node["ran"] for node in run.record.nodes.values())


def test_edits_put_right_who_is_who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    dv.run("clip.mp4", settings=SETTINGS, progress=False)
    assert [person.id for person in dv.edit("out/clip", drop=["1"])] == [2]


def test_stills_give_the_bodies_of_every_image(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room)
    observed = dv.open_run("out/clip")
    track = next(observed.tracks())
    images = [np.full((96, 96, 3), 40, np.uint8)] * 2
    found = dv.recover(images, [track.keypoints[:1], track.keypoints[:0]], settings={"recover.model": "model"})
    assert [len(bodies.params) for bodies in found] == [1, 0]
    assert np.abs(found[0].params.trans - track.trans[:1]).max() < 0.5
    with pytest.raises(ValueError, match="got 1 arrays for 2 images"):
        dv.recover(images, [track.keypoints[:1]])
    with pytest.raises(ValueError, match=r"keypoints\[0\]"):
        dv.recover(images[:1], [track.keypoints[0]])


def test_what_goes_wrong_is_raised_as_itself(room: Path, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("not a video")
    with pytest.raises(InputError, match=r"no\.mp4"):
        dv.run(tmp_path / "no.mp4", tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="no such file"):
        dv.run(tmp_path / "absent.mp4")
    with pytest.raises(SettingsError, match="there is no such setting"):
        dv.run(room / "clip.mp4", settings={"refine.mood": "off"})
    with pytest.raises(InputError, match=r"holds no run\.json"):
        dv.open_run(tmp_path)
    with pytest.raises(KeyError, match="person 9"):
        dv.open_run(room / "out" / "clip")[9]


def test_a_clip_that_fails_costs_the_others_nothing(room: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "bad.mp4").write_text("not a video")
    results = dv.run_many([folder], tmp_path / "out", progress=False)
    assert [result.is_failed for result in results] == [True] and "bad.mp4" in results[0].problem
    with pytest.raises(InputError, match=r"bad\.mp4"):
        results[0].open()


def test_every_public_name_is_there_and_no_other() -> None:
    public = {name for name in vars(dv) if not name.startswith("_")} - {"Any", "Mapping", "Path", "Sequence"}
    functions = {name for name in dv.__all__ if callable(getattr(dv, name)) and not isinstance(getattr(dv, name), type)}
    assert public - {"TYPE_CHECKING", "check_packages"} == functions
    assert all(getattr(dv, name) is not None for name in dv.__all__) and dv.__all__ == sorted(dv.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dv.nothing


def test_importing_it_loads_no_library() -> None:
    heavy = "{'torch', 'numpy', 'pydantic', 'av', 'cv2', 'scipy', 'rich', 'typer', 'ultralytics'}"
    program = f"import sys, dpmesh_video; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_what_it_gives_prints_in_a_line(room: Path) -> None:
    run = dv.open_run(room / "out" / "clip")
    assert repr(run).endswith("out/clip: done, 2 people, 12 frames>") and "12 samples at 12 Hz" in repr(run[1])
