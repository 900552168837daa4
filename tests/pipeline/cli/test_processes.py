"""The installed command as scripts and terminals meet it: stopped while it writes, good and bad calls of each."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked_command import run_forked
from real_command import ended, start, start_program
from small_room import ARGUMENTS, digests, run_whole

from pipeline.flow.record import read_record

pytestmark = pytest.mark.slow
ADVICE = "the same command goes on where this one stopped"
SIGNS = {"observe": "observations/state.npz", "motion": "motion", "export": "tracks", "overlay": "overlay*"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip, and in `whole` what a run without a stop makes of it."""
    folder = tmp_path_factory.mktemp("processes")
    run_whole(folder)
    return folder


def wait_for(process: subprocess.Popen[bytes], clip: Path, sign: str) -> None:
    """Return when the first file that fits appears; fails where the command ends before."""
    while not any(clip.glob(sign)):
        assert process.poll() is None, ended(process)
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("node", SIGNS)
def test_a_run_that_is_stopped_while_it_writes_gives_the_code_and_goes_on(
    room: Path, node: str, number: signal.Signals
) -> None:
    shutil.rmtree(room / "out", ignore_errors=True)
    process = start(*ARGUMENTS, folder=room)
    wait_for(process, room / "out" / "clip", SIGNS[node])
    process.send_signal(number)
    process.send_signal(number)  # as `timeout` does, and fingers
    code, out, err = ended(process)
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert (code, out) == (128 + number, "")
    assert err.splitlines()[-1] == f"interrupted{by}; {ADVICE}" and "Traceback" not in err, err
    assert read_record(room / "out" / "clip").status == "stopped"
    assert not list((room / "out").rglob("*.part"))
    assert run_forked(ARGUMENTS, room).code == 0
    assert digests(room / "out") == digests(room / "whole")


def test_nohup_lets_a_run_live_when_its_terminal_closes(room: Path) -> None:
    shutil.rmtree(room / "out", ignore_errors=True)
    process = start(*ARGUMENTS, folder=room, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(process, room / "out" / "clip", SIGNS["observe"])
    process.send_signal(signal.SIGHUP)
    code, out, err = ended(process)
    assert code == 0 and out, err
    assert digests(room / "out") == digests(room / "whole")


def test_a_cut_video_and_a_folder_with_a_broken_one_end_with_3(room: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(room / "clip.mp4", tmp_path / "clips" / "good.mp4")
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"no video at all")
    make_cut(tmp_path / "cut.mp4")
    options = ["--model", str(room / "model"), "--refine", "off", "--no-overlay", "--set", "detect.image_px=64"]
    folder = start("run", "clips", *options, "--output", "a", folder=tmp_path)
    cut = start("run", "cut.mp4", *options, "--output", "b", folder=tmp_path)
    code, out, err = ended(folder)
    assert code == 3 and "good" in out and "broken" not in out and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1, err
    code, out, err = ended(cut)
    assert code == 3 and "cut" in out and "Traceback" not in err, (code, out, err)
    assert read_record(tmp_path / "b" / "cut").status == "partial"


def make_cut(path: Path) -> None:
    """Write a video whose header promises more than the file holds."""
    import av
    import numpy as np

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        generator = np.random.default_rng(0)
        for _ in range(12):
            picture = generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def test_every_command_says_0_or_1_as_it_went(room: Path, tmp_path: Path) -> None:
    shutil.copytree(room / "whole", tmp_path / "out")
    shutil.copy(room / "clip.mp4", tmp_path / "clip.mp4")
    cache = tmp_path / "cache"
    (tmp_path / "file").touch()
    (tmp_path / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n")
    calls = [
        ("demo --output file", 1),
        ("doctor", 0),
        ("inspect out/clip", 0),
        ("inspect out/clip --sheet sheet.png", 0),
        ("inspect out/clip --sheet file/sheet.png", 1),
        ("inspect out/clip --tracks people.png", 0),
        ("inspect clip.mp4 --tracks people.png", 1),
        ("inspect file", 1),
        ("evaluate reprojection out/clip", 0),
        ("evaluate reprojection out", 1),
        ("evaluate truth out/clip file", 1),
        ("evaluate tracking out/clip --truth gt.txt", 0),
        ("evaluate tracking gt.txt --truth file", 1),
        ("evaluate capture .", 1),
        ("evaluate sequences .", 1),
        ("evaluate motions .", 1),
        ("edit out/clip", 0),
        ("edit out/clip --merge 1,9", 2),
        ("weights list", 0),
        ("weights verify", 0),
        ("weights verify nosuch", 1),
        ("weights where motion-prior", 0),
        ("weights where nosuch", 1),
        ("weights import dpmesh file", 1),
        ("weights export dpmesh nosuch out.pth.tar", 1),
    ]
    problems = []
    for words, code in calls:
        found, out, err = ended(start(*words.split(), folder=tmp_path, environment={"DPMESH_VIDEO_CACHE": str(cache)}))
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        is_told = not code or errors == err.splitlines()[-1:]
        if found != code or not is_told or "Traceback" in err or (not out and not code):
            problems.append(f"{words}: {found} for {code}, {out!r}, {err!r}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_that_is_stopped_gives_the_code_and_keeps_its_step(number: signal.Signals, tmp_path: Path) -> None:
    from swaying_people import write_swaying_people

    from dpmesh.body import load_body

    (tmp_path / "motion").mkdir()
    write_swaying_people(tmp_path / "motion" / "motion_0000000.npz", load_body(None))
    words = "--motion motion --output run --width 16 --layers 1 --batch-rows 2 --float32 --threads 1 --steps 1000000"
    process = start_program([sys.executable, "-m", "pipeline.cli", "train", "motion-prior", *words.split()], tmp_path)
    while not (tmp_path / "run" / "log.jsonl").exists():
        assert process.poll() is None, ended(process)
        time.sleep(0.01)
    process.send_signal(number)
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (128 + number, "") and "Traceback" not in err, err
    assert re.fullmatch(r"stopped at step \d+; give the same command again", err.splitlines()[-1]), err
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
