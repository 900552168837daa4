"""What a run says of itself, and the cameras of a capture, made bad: the contract of `fuzz_contract` is kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from forked_command import run_forked
from fuzz_contract import RUN, Keeps, fuzzed
from fuzz_seeds import FRAMES, SIZE, npz
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_arrays, bad_json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def edited(room: Path) -> Path:
    """Return a finished run with edits."""
    arguments = [word if word != "out" else "edited" for word in RUN]
    for command in ([*arguments, "--keypoints", "coco.json"], ["edit", "edited/clip", "--split", "1@2"]):
        outcome = run_forked(command, room)
        assert outcome.code == 0, outcome
    return room / "edited" / "clip"


@pytest.mark.parametrize("name", ["nodes.json", "run.json", "edits.json"])
def test_records_of_a_run(keeps: Keeps, room: Path, edited: Path, name: str) -> None:
    others = {f"out/clip/{p.relative_to(edited)}": p.read_bytes() for p in sorted(edited.rglob("*")) if p.is_file()}
    good = json.loads((edited / name).read_text())
    again = [*RUN, "--keypoints", "coco.json"]
    commands = st.sampled_from([again, ["inspect", "out/clip"], ["edit", "out/clip", "--drop", "2"]])

    @fuzzed
    @given(bad_json(good), commands)
    def check(data: bytes, command: list[str]) -> None:
        keeps(others | {f"out/clip/{name}": data, "coco.json": (room / "coco.json").read_bytes()}, command)

    check()


def _capture(room: Path) -> dict[str, bytes]:
    camera = {"name": "clip", "K": np.diag([80.0, 80, 1]).tolist(), "R": np.eye(3).tolist(), "t": [0.0, 0, 3]}
    return {
        "capture/calibration.json": json.dumps({"cameras": [camera | {"size": [SIZE, SIZE]}]}).encode(),
        "capture/reference_3d_coco17.npz": npz({"kp3d_smooth": np.zeros((1, FRAMES, 17, 3))}),
        "capture/clip.mp4": (room / "clip.mp4").read_bytes(),
        "p.json": (room / "coco.json").read_bytes(),
    }


EVALUATE = ["evaluate", "capture", "capture", "--refine", "off", "--set", "detect.keypoints=p.json", "--output", "out"]


def test_calibrations(keeps: Keeps, room: Path) -> None:
    files = _capture(room)

    @fuzzed
    @given(bad_json(json.loads(files["capture/calibration.json"])))
    def check(data: bytes) -> None:
        keeps(files | {"capture/calibration.json": data}, EVALUATE)

    check()


def test_references(keeps: Keeps, room: Path) -> None:
    files = _capture(room)

    @fuzzed
    @given(bad_arrays({"kp3d_smooth": np.zeros((1, FRAMES, 17, 3))}))
    def check(data: bytes) -> None:
        keeps(files | {"capture/reference_3d_coco17.npz": data}, EVALUATE)

    check()
