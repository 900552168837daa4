import hashlib
import json
import os
from pathlib import Path

import pytest

from configs.errors import RunError
from pipeline.flow.outputs import (
    Entry,
    RunFolder,
    check_folder,
    describe_files,
    is_own_name,
    person_files,
    person_number,
    read_hash,
    remove,
)

RECORD = json.dumps({"status": "done", "settings": {}})


def write(folder: Path, *names: str, text: str = "mine") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("name", ["", "observations", "motion", "tracks"])
def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "out" / "clip"
    (folder if name else folder.parent).mkdir(parents=True)
    (folder / name if name else folder).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link"):
        check_folder(folder, tmp_path / "clip.mp4")


def test_the_output_itself_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    check_folder(tmp_path / "out" / "clip", tmp_path / "clip.mp4")


@pytest.mark.parametrize("name", ["tracks/person_001.npz", "overlay.mp4", "observations/state.npz", "run.json"])
def test_files_that_no_run_made_are_refused_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, text='{"status": "mine"}')
    with pytest.raises(RunError, match=f"{name}: no run made this file; move it away"):
        check_folder(tmp_path, Path("clip.mp4"))


@pytest.mark.parametrize("text", [RECORD, "", "{"])
def test_what_a_run_left_without_a_record_of_nodes_is_taken_over(tmp_path: Path, text: str) -> None:
    write(tmp_path, "run.json", text=text)
    write(tmp_path, "tracks/person_001.npz")
    check_folder(tmp_path, Path("clip.mp4"))


def test_a_folder_with_other_things_in_it_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt", "tracks/person_001_edited_2.npz", "overlay.mp4.bak", "person_001.npz")
    check_folder(tmp_path, Path("clip.mp4"))


@pytest.mark.parametrize("name", ["tracks", "motion"])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(RunError, match=f"{name}: is a file"):
        check_folder(tmp_path, Path("clip.mp4"))


@pytest.mark.parametrize("output", ["frames", "frames/out/frames", ".", "link/out"])
def test_results_do_not_go_into_the_images_they_are_made_from(tmp_path: Path, output: str) -> None:
    write(tmp_path, "frames/0001.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "frames")
    with pytest.raises(RunError, match="results would go into the images"):
        check_folder(tmp_path / output, tmp_path / "frames")
    check_folder(tmp_path / "out" / "frames", tmp_path / "frames")


def test_a_video_is_not_overwritten_by_its_own_overlay(tmp_path: Path) -> None:
    write(tmp_path, "overlay/overlay.mp4", "clip/clip.mp4")
    write(tmp_path, "overlay/run.json", "overlay/nodes.json", text=RECORD)
    with pytest.raises(RunError, match="would overwrite the input"):
        check_folder(tmp_path / "overlay", tmp_path / "overlay" / "overlay.mp4")
    check_folder(tmp_path / "clip", tmp_path / "clip" / "clip.mp4")  # beside its results it is safe


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("motion/person_001.npz", True),
        ("motion/person_1000.npz", True),
        ("tracks/person_012_smplx.npz", True),  # of older versions
        ("tracks_x/person_012.npz", True),
        ("tracks_x/person_012_smplx.npz", False),
        ("export/glb/people.glb", True),
        ("export/bvh/person_012.bvh", True),
        ("export/../people.glb", False),
        ("export/glb/notes.glb", False),
        ("quality.json", True),
        ("observations/shard_000000.npz", True),
        ("overlay.mp4", True),
        ("mosaic.mp4", True),
        ("views/cam 01/overlay.mp4", True),
        ("tables/people.csv", True),
        ("tables/joints/person_001.parquet", True),
        ("views/../overlay.mp4", False),
        ("views/a/b/overlay.mp4", False),
        ("views/cam01/mosaic.mp4", False),
        ("tables/other.csv", False),
        ("motion/person_001_smplx.npz", False),
        ("motion/person_01.npz", False),
        ("tracks/person_٠٠١.npz", False),
        ("tracks/../overlay.mp4", False),
        ("/overlay.mp4", False),
        ("overlay.mp4\n", False),
        ("observations/notes.npz", False),
        ("nodes.json", False),
    ],
)
def test_names_of_results_are_exactly_those_that_a_run_makes(name: str, is_own: bool) -> None:
    assert is_own_name(name) == is_own


def test_people_come_in_order_of_their_numbers_and_keep_them(tmp_path: Path) -> None:
    numbers = [1, 2, 100, 101, 999, 1000, 1001, 10000]
    write(tmp_path, *(f"motion/person_{number:03d}.npz" for number in numbers))
    write(tmp_path, "motion/person_001_edited.npz", "motion/person_2.npz", "tracks/person_001.npz")
    assert [person_number(path) for path in person_files(tmp_path, "motion")] == numbers


def test_only_people_of_the_record_are_the_runs(tmp_path: Path) -> None:
    write(tmp_path, "motion/person_001.npz", "motion/person_900.npz")
    entry = {"fingerprint": "a", "files": {"motion/person_001.npz": 4}, "hashes": {}}
    write(tmp_path, "nodes.json", text=json.dumps({"motion": entry}))
    assert [path.name for path in person_files(tmp_path, "motion")] == ["person_001.npz"]


def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(RunError, match=r"run\.json: no run made this file"):
        check_folder(tmp_path, Path("clip.mp4"))


def test_names_tell_person_and_layout_apart(tmp_path: Path) -> None:
    files = RunFolder(tmp_path)
    names = [files.track(1), files.track(12, "smplx"), files.exported("glb", "glb"), files.exported("bvh", "bvh", 2)]
    assert [path.relative_to(tmp_path).as_posix() for path in names] == [
        *("tracks/person_001.npz", "tracks_x/person_012.npz", "export/glb/people.glb", "export/bvh/person_002.bvh"),
    ]
    assert person_number(files.motion(4711)) == 4711


def test_files_of_a_run_are_described_with_format_and_hash(tmp_path: Path) -> None:
    write(tmp_path, "motion/person_001.npz", "tracks/person_001.npz", "tracks_x/person_001.npz", "tables/people.csv")
    names = ["motion/person_001.npz", "tracks/person_001.npz", "tracks_x/person_001.npz", "tables/people.csv"]
    digest = read_hash(tmp_path / names[0])
    entry = {"fingerprint": "a", "files": dict.fromkeys(names, 4), "hashes": dict.fromkeys(names, digest)}
    write(tmp_path, "nodes.json", text=json.dumps({"export": entry}))
    found = describe_files(tmp_path)
    assert [found[name]["format"] for name in names] == ["dpmesh motion", "AMASS SMPL-H", "AMASS SMPL-X", "csv"]
    assert found[names[1]] == {"format": "AMASS SMPL-H", "bytes": 4, "sha256": hashlib.sha256(b"mine").hexdigest()}


def test_a_file_of_an_older_run_in_its_older_place_is_cleared(tmp_path: Path) -> None:
    name = "tracks/person_001_smplx.npz"
    write(tmp_path, name)
    short = hashlib.sha256(b"mine").hexdigest()[:32]  # older versions kept half of the digits
    remove(tmp_path, Entry(files={name: 4}, hashes={name: short}), [name])
    assert not (tmp_path / name).exists()
