"""The commands for Panoptic on a folder as users have it: half downloaded, one video broken, annotations late."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from panoptic_files import standing, write_annotation, write_sequence_calibration
from real_command import ended, start

from pipeline.bench.filmed_people import cameras_round
from pipeline.cli.entry import execute
from pipeline.cli.panoptic_commands import table3_rows
from pipeline.demo import DEMO_CLIP
from pipeline.evaluation.panoptic import SequenceErrors, spread
from pipeline.evaluation.table3 import Errors
from pipeline.media import VideoWriter, read_frames
from pipeline.results import Run

FIRST, COUNT, SIZE, RATE = 168, 4, (640, 360), Fraction(30000, 1001)
FAST = ["--detector", "bundled", "--set", "detect.second_stage=off", "--set", "detect.image_px=320"]
FAST += ["--set", "refine.mode=smooth", "--set", "link.frames_min=2"]


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cameras 00_00 and 00_01 with people from frame 168 on, 00_02 broken, 00_03 not downloaded."""
    folder = tmp_path_factory.mktemp("panoptic") / "160906_pizza1"
    cameras = [
        replace(camera, matrix=np.array([[700.0, 0, 320], [0, 700, 180], [0, 0, 1]]), size_px=SIZE)
        for camera in cameras_round(4)
    ]
    write_sequence_calibration(folder, cameras)
    (folder / "hdVideos").mkdir()
    images = [frame.image for frame in read_frames(DEMO_CLIP, start_s=2.0, end_s=2.0 + COUNT / 25 - 0.01)]
    assert len(images) == COUNT
    black, green = np.zeros_like(images[0]), np.full_like(images[0], (0, 135, 0))
    for node in range(2):
        with VideoWriter(folder / f"hdVideos/hd_00_{node:02d}.mp4", *SIZE, RATE) as video:
            for index in range(FIRST + COUNT):
                image = images[index - FIRST] if index >= FIRST else black
                video.write(green if (node, index) == (1, 170) else image, index / float(RATE))
    (folder / "hdVideos/hd_00_02.mp4").write_bytes((folder / "hdVideos/hd_00_01.mp4").read_bytes()[:3000])
    for frame in range(FIRST, FIRST + COUNT):
        write_annotation(folder, frame, {0: standing(), 5: standing(0.8)})
    write_annotation(folder, FIRST + 1, {}).write_text('{"bodies": [')
    return folder


def test_it_is_inspected_run_and_measured(sequence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        code = execute([*words])
        return code, *capsys.readouterr()

    code, out, _ = run("inspect", str(sequence), "--sheet", str(sequence.parent / "rig.png"))
    rows = {line.split()[1]: line for line in out.splitlines() if line.startswith("│")}
    assert code == 0 and "cannot be read" in rows["00_02"] and "none" in rows["00_03"] and "100%" in rows["00_01"]
    assert "hdPose3d_stage1_coco19: 4 annotated frames (joints19), 168 to 171, 0 gaps" in out
    assert "1 annotation files left out" in out and "body3DScene_00000169.json" in out and "2 people in frame" in out

    words = ["panoptic", str(sequence), "--frames", "168:172", *FAST]
    code, out, err = ended(start(*words, folder=sequence.parent))
    assert code == 3 and "hd_00_02.mp4" in err and "00_01: 1 green frames left out: 170" in err
    assert "from 2 views  4 frames" in out
    tracks = list(Run(sequence.parent / "out" / sequence.name).tracks())
    assert tracks and {int(frame) for track in tracks for frame in track.frame_index} <= set(range(168, 172))

    protocol = [
        "-o",
        str(sequence.parent / "out"),
        "--protocol",
        "voxelpose",
        "--cameras",
        "0,1,2,3",
        "--every",
        "1",
        "--frames",
        "168:172",
    ]
    code, out, err = run("evaluate", "panoptic", str(sequence), *protocol, *FAST)
    assert code == 3 and "no video of 00_03" in err and "hd_00_02.mp4" in err and "00000169.json" in err
    row = next(line.split("│")[1:-1] for line in out.splitlines() if "160906_pizza1" in line and "│" in line)
    assert [cell.strip() for cell in row[1:4]] == ["2", "4", "6"], "cameras, frames, people"

    alone = ["-o", str(sequence.parent / "out"), "--cameras", "0,2", "--frames", "170:172", "--images", "1"]
    code, out, err = run("evaluate", "panoptic", str(sequence), "nowhere", *alone, *FAST)
    assert code == 3 and "hd_00_02.mp4" in err and "nowhere" in err
    cells = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in out.splitlines() if line[:1] == "│"}
    assert cells["images"] == "1" and cells["people in them"] == "2" and cells["DPMesh, as published"] == "120.5"
    assert float(cells["ROMP: over 14 joints, 150 mm if missed"]) > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["panoptic", "SEQ", "--cameras", "00_03"], 1, "camera '00_03': it has no video; choose from 00_00"),
        (["panoptic", "SEQ", "--cameras", "00_00,07_12"], 1, "07_12 is a VGA camera"),
        (["panoptic", "SEQ", "--frames", "9:3"], 2, "ends before it starts"),
        (["evaluate", "panoptic", "SEQ", "--protocol", "mpjpe"], 2, "choose crmh, romp, valid or voxelpose"),
        (["evaluate", "panoptic", "SEQ", "--protocol", "voxelpose", "--camera-set", "CMU9"], 2, "choose CMU0, CMU1"),
        (["evaluate", "panoptic", "SEQ", "--cameras", "16"], 1, "camera '00_16': the calibration does not know it"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    sequence: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([str(sequence) if word == "SEQ" else word for word in words]) == code
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_the_published_row_stands_beside_ours() -> None:
    names = ("160422_haggling1", "160422_mafia2", "160422_ultimatum1", "160906_pizza1")
    errors = {
        "crmh": Errors(np.array([10.0, 20.0]), 3),
        "romp": Errors(np.array([1.0]), 1),
        "valid": Errors(np.array([50.0]), 2),
    }
    found = [SequenceErrors(name, 7, errors, "") for name in names]
    rows = {row[0]: row[1:] for row in table3_rows(found, ["crmh", "valid"])}
    assert rows["CRMH: over 17 joints, nearest body"] == ("15.0",) * 5
    assert rows["recall of the same, %"] == ("50.0",) * 5 and not any(name.startswith("ROMP") for name in rows)
    assert rows["DPMesh, as published"] == ("97.2", "109.8", "114.3", "120.5", "110.4")
    assert rows["images"][0] == "7" and rows["people in them"][0] == "3"
    lone = {row[0]: row[1:] for row in table3_rows([replace(found[0], name="170407_office2")], ["crmh"])}
    assert lone["DPMesh, as published"] == ("-", "-")


def test_images_are_spread_evenly() -> None:
    assert spread(np.arange(168, 268), 3).tolist() == [168, 218, 267]
    assert spread(np.arange(5), 9).tolist() == spread(np.arange(5), 0).tolist() == [0, 1, 2, 3, 4]
