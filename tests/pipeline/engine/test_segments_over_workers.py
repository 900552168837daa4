"""Segments of a long clip over processes and over Ray into a store: the bytes of one run that goes through it."""

import importlib.util
import json
from pathlib import Path

import pytest
from forked_command import preload, run_forked
from real_command import ended, start
from small_room import FRAMES, digests, furnish
from store_check import check_store

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
TIMES = 8  # as long as the small room's clip
OPTIONS = (
    *("--keypoints", "points.json", "--model", "model", "--set", "runtime.chunk_frames=4"),
    *("--set", "runtime.segment_s=2", "--set", "link.frames_min=1"),
    *("--set", "refine.steps=20", "--set", "refine.shape_steps=8"),
)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_long_clip_is_seen_in_segments_and_joined(engine: str, tmp_path: Path) -> None:
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (extra `cluster`)")
    furnish(tmp_path, frames=TIMES * FRAMES)
    preload()
    plain = run_forked(("run", "clip.mp4", *OPTIONS, "--output", "plain"), tmp_path, seconds_max=300.0)
    assert plain.code == 0, plain
    (tmp_path / "clips.csv").write_text("path\nclip.mp4\n")
    words = ("run", "clips.csv", *OPTIONS, "--engine", engine, "--workers", "2", "--output", "out")
    code, _, err = ended(start(*words, folder=tmp_path, environment={"OMP_NUM_THREADS": "1"}))
    assert code == 0, err
    assert digests(tmp_path / "out" / "clip") == digests(tmp_path / "plain" / "clip")
    rows = check_store(str(tmp_path / "out"), {"clip": tmp_path / "plain" / "clip"})
    assert [row.status for row in rows][-1] == "done"

    import polars

    table = polars.read_parquet(tmp_path / "out" / "status.parquet")
    of_segments = [unit for unit in table["unit"] if ".s0" in unit]
    assert len(set(of_segments)) >= 3, table
    assert json.loads((tmp_path / "out" / "clip" / "run.json").read_text())["status"] == "done"
