"""Every difficult file through the whole command: read right, or refused in one line. Nobody is looked for."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.entry import execute
from pipeline.media import probe

REFUSED = {
    "audio_only.mp4",
    "audio_with_cover_art.mp4",
    "text_renamed.mp4",
    "truncated_no_moov.mp4",
    "zero_bytes.mp4",
}
ENDS_EARLY = {"truncated_faststart.mp4"}
FRAMES_DIFFER = {
    "image_folder_tricky": 10,  # of 12 pictures one is empty and one is of another size
}


def facts(folder: Path) -> dict[str, int]:
    with open(folder / "FACTS.csv", newline="") as file:
        return {row["file"].rstrip("/"): int(row["pyav_frames"] or 0) for row in csv.DictReader(file)}


@pytest.mark.slow
def test_every_difficult_file_is_read_right_or_refused(
    test_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = test_data / "data" / "nasty_inputs"
    (tmp_path / "nobody.json").write_text("[]")
    wanted = facts(folder)
    assert len(wanted) > 25
    problems = []
    for name, frames in wanted.items():
        capfd.readouterr()
        words = ["run", str(folder / name), "--output", str(tmp_path / "out" / name)]
        code = execute([*words, "--keypoints", str(tmp_path / "nobody.json")])
        said = capfd.readouterr()
        if name in REFUSED:
            right = code == 1 and said.err.count("error:") == 1 and not said.out
        else:
            frames = FRAMES_DIFFER.get(name, frames)
            right = code == (3 if name in ENDS_EARLY else 0) and f"  {frames} frames" in said.out
            overlays = list((tmp_path / "out" / name).rglob("overlay.mp4"))
            right = right and len(overlays) == 1 and probe(overlays[0]).frame_count == frames
        if not right:
            problems.append(f"{name}: code {code}, out {said.out!r}, err {said.err[-300:]!r}")
    assert not problems, "\n".join(problems)


def test_a_wrong_command_is_one_line_and_code_2(tmp_path: Path) -> None:
    for arguments in (["run"], ["run", "a.mp4", "--set", "x.y=1"], ["run", "a.mp4", "--no-such-option"], ["nothing"]):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 2, (arguments, done.stderr)
        assert "Traceback" not in done.stderr and done.stderr.strip()


def test_a_missing_file_is_one_line_and_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", "missing.mp4"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: missing.mp4") and done.stderr.count("\n") == 1
