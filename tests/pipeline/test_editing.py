"""`edit` and `run --people` from outside: files, overlay and later runs follow who is who."""

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.entry import execute

SIZE, FRAMES = 96, 8
XS = np.array([32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28], float)
YS = np.array([8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58], float)
RUN = [
    *("run", "clip.mp4", "--keypoints", "points.json", "--output", "out", "--refine", "off", "--no-overlay"),
    *("--set", "link.frames_min=2", "--set", "runtime.threads=1"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip of two people side by side, and its run."""
    from pipeline.media import VideoWriter

    folder = tmp_path_factory.mktemp("edit")
    with VideoWriter(folder / "clip.mp4", SIZE, SIZE, Fraction(10)) as video:
        for number in range(FRAMES):
            video.write(np.full((SIZE, SIZE, 3), 20 * number, np.uint8))
    entries = [
        {
            "image_id": frame,
            "category_id": 1,
            "score": 0.9,
            "keypoints": np.stack([XS + shift + frame / 4, YS + 20, np.full(17, 0.9)], 1).ravel().tolist(),
        }
        for frame in range(FRAMES)
        for shift in (-10, 40)
    ]
    (folder / "points.json").write_text(json.dumps(entries))
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert execute(RUN) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def room(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it, as the current folder; where the copy lies, the record does not know."""
    folder = tmp_path / "room"
    shutil.copytree(made, folder)
    record = folder / "out" / "clip" / "run.json"
    record.write_text(record.read_text().replace(str(made), str(folder)))
    monkeypatch.chdir(folder)
    return folder


def sides(folder: Path) -> dict[int, str]:
    """Return on which side each person is, frame by frame: L and R, `-` for frames without."""
    from pipeline.flow.outputs import person_files, person_number
    from pipeline.motion.library import read_track

    found = {}
    for path in person_files(folder / "out" / "clip", "motion"):
        track, text = read_track(path), ["-"] * FRAMES
        for frame, box in zip(track.frame_index.tolist(), track.boxes_xyxy, strict=True):
            text[frame] = "L" if box[0] + box[2] < SIZE else "R"
        found[person_number(path)] = "".join(text)
    assert sorted(found) == [person_number(path) for path in person_files(folder / "out" / "clip", "tracks")]
    return found


def edits(folder: Path) -> list[str]:
    from pipeline.nodes.edits import read_edits

    return [str(edit) for edit in read_edits(folder / "out" / "clip")[1]]


def test_files_follow_swaps_splits_merges_and_drops_and_clear_takes_them_back(room: Path) -> None:
    start = sides(room)
    assert start == {1: "LLLLLLLL", 2: "RRRRRRRR"}
    assert execute(["edit", "out/clip", "--swap", "1,2@3"]) == 0
    assert sides(room) == {1: "LLLRRRRR", 2: "RRRLLLLL"}
    assert execute(["edit", "out/clip", "--split", "2@0.5s"]) == 0
    assert sides(room) == {1: "LLLRRRRR", 2: "RRRLL---", 3: "-----LLL"}
    assert execute(["edit", "out/clip", "--drop", "1", "--merge", "3,2"]) == 0
    assert sides(room) == {3: "RRRLLLLL"}
    assert execute(RUN) == 0  # a later run of the clip respects them
    assert sides(room) == {3: "RRRLLLLL"}
    assert execute(["edit", "out/clip", "--clear"]) == 0
    assert sides(room) == start
    assert not (room / "out" / "clip" / "edits.json").exists()


def test_without_edits_the_people_are_listed(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["edit", "out/clip"]) == 0
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith("│")] == ["1", "2"]
    assert not said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--merge 1,2", "in frame 0 twice"),
        ("--merge 1,9", "no person 9; people here: 1, 2"),
        ("--drop 0", "numbered from 1"),
        ("--drop １", "--drop 6"),
        ("--swap 1,2", "from a frame on"),
        ("--swap 1,1@3", "each once"),
        ("--swap 1,2@-3", "--swap 3,4@120"),
        ("--swap 1,2@nans", "--swap 3,4@120"),
        ("--split 1,2@3", "one person"),
        ("--merge 1", "2 or more people"),
        ("--drop 1 --drop 1", "no person 1"),
    ],
)
def test_wrong_edits_are_wrong_usage_and_change_nothing(
    room: Path, capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    before = (room / "out" / "clip" / "run.json").read_bytes()
    assert execute(["edit", "out/clip", *words.split(" ")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and told in err
    assert (room / "out" / "clip" / "run.json").read_bytes() == before
    assert not (room / "out" / "clip" / "edits.json").exists()


def test_an_edit_whose_run_fails_is_not_kept_so_that_the_same_command_does_it_once(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["edit", "out/clip", "--swap", "1,2@3"]) == 0
    swap = ["edit", "out/clip", "--swap", "1,2@6"]
    (room / "points.json").rename(room / "away.json")
    assert execute(swap) == 1
    assert edits(room) == ["--swap 1,2@3"]

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (room / "away.json").rename(room / "points.json")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.engine.choose.run_found", stopped)
        execute(swap)
    assert edits(room) == ["--swap 1,2@3"]
    assert execute(swap) == 0
    assert edits(room) == ["--swap 1,2@3", "--swap 1,2@6"]
    assert sides(room) == {1: "LLLRRRLL", 2: "RRRLLLRR"}


def test_a_run_is_edited_from_any_folder_and_after_its_video_was_moved(
    room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # points.json is given from the other folder
    folder = "../room/out/clip"
    assert execute(["edit", folder, "--drop", "1"]) == 0
    assert Path.cwd() == tmp_path / "elsewhere"
    assert sides(room) == {2: "RRRRRRRR"}
    (room / "clip.mp4").rename(tmp_path / "elsewhere" / "moved.mp4")
    assert execute(["edit", folder, "--clear"]) == 1
    assert "--input" in capsys.readouterr().err
    assert edits(room) == ["--drop 1"]
    (tmp_path / "elsewhere" / "other.mp4").write_bytes(b"other")
    assert execute(["edit", folder, "--clear", "--input", "other.mp4"]) == 1
    said = capsys.readouterr()
    assert "another video" in said.err and not said.out
    assert edits(room) == ["--drop 1"]
    assert execute(["edit", folder, "--clear", "--input", "moved.mp4"]) == 0
    assert sides(room) == {1: "LLLLLLLL", 2: "RRRRRRRR"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"people": "x", "edits": ["drop"]}',
        b'{"people": "x", "edits": [{"kind": ["a"], "people": [1]}]}',
        b'{"people": "x", "edits": [{"kind": "drop", "people": 5}]}',
        b'{"people": "x", "edits": [{"kind": "swap", "people": [1, 2], "time_s": NaN}]}',
    ],
)
def test_a_damaged_file_of_edits_is_one_line_until_it_is_taken_back(
    room: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    (room / "out" / "clip" / "edits.json").write_bytes(data)
    for words in (["edit", "out/clip"], RUN):
        assert execute(words) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: out/clip/edits.json: ") and err.count("\n") == 1 and "--clear" in err
    assert execute(["edit", "out/clip", "--clear"]) == 0
    assert sides(room) == {1: "LLLLLLLL", 2: "RRRRRRRR"}


def test_edits_of_other_people_stop_a_run_until_they_are_taken_back(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["edit", "out/clip", "--drop", "1"]) == 0
    capsys.readouterr()
    assert execute([*RUN, "--set", "link.frames_min=99"]) == 1  # nobody has a number with that
    assert "edit out/clip --clear" in capsys.readouterr().err
    assert execute(["edit", "out/clip", "--clear"]) == 0
    assert sides(room) == {}
    assert execute(RUN) == 0
    assert sides(room) == {1: "LLLLLLLL", 2: "RRRRRRRR"}


def test_people_writes_only_those_who_are_named_and_edits_go_on_from_there(
    room: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*RUN, "--people", "2"]) == 0
    assert sides(room) == {2: "RRRRRRRR"}
    assert execute(["edit", "out/clip", "--swap", "1,2@4"]) == 0
    assert sides(room) == {2: "RRRRLLLL"}
    assert execute([*RUN, "--people", "7"]) == 1
    told = capsys.readouterr().err
    assert "error: clip: link.people: there is no person 7; people here: 1, 2" in told
    assert sides(room) == {2: "RRRRLLLL"}  # what was there stays
    assert execute([*RUN, "--people", "2,7"]) == 0
    assert "there is no person 7" in caplog.text and "another --detector" not in caplog.text


def test_a_folder_without_a_run_that_was_read_to_its_end_is_refused(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(room / "out" / "clip" / "observations")
    for folder, told in (("out/clip", "not read to the end"), ("nowhere", "run.json"), ("clip.mp4", "run.json")):
        assert execute(["edit", folder, "--drop", "1"]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and err.count("\n") == 1 and told in err
