"""Motions, bodies and the shards of a run, made bad: the contract of `fuzz_contract` is kept."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from fuzz_contract import RUN, Keeps, fuzzed
from fuzz_seeds import small_body
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_arrays, bad_bytes, bad_member, bad_pickle

pytestmark = pytest.mark.slow


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def test_motion_files(keeps: Keeps, room: Path) -> None:
    path = room / "runs" / "clip" / "tracks" / "person_001.npz"
    good = path.read_bytes()

    @fuzzed
    @given(st.one_of(bad_bytes(good, head=4096), bad_arrays(_arrays(path)), bad_member(good, head=128)))
    def check(data: bytes) -> None:
        keeps({"motion.npz": data}, ["inspect", "motion.npz"])

    check()


def test_npz_bodies(keeps: Keeps, room: Path) -> None:
    from configs.weights import resolve

    path = Path(resolve("open-body"))
    good, coco = path.read_bytes(), (room / "coco.json").read_bytes()

    @fuzzed
    @given(st.one_of(bad_arrays(_arrays(path)), bad_bytes(good, head=256), bad_member(good, head=128)))
    def check(data: bytes) -> None:
        keeps({"body.npz": data, "p.json": coco}, [*RUN, "--keypoints", "p.json", "--body", "body.npz"])

    check()


def test_pickled_bodies(keeps: Keeps, room: Path) -> None:
    content = small_body()
    goods = [pickle.dumps(content, protocol) for protocol in (0, 2, 4)]
    coco = (room / "coco.json").read_bytes()

    @fuzzed
    @given(st.one_of(*[bad_pickle(good) for good in goods]))
    def check(data: bytes) -> None:
        files = {"basicModel_f.pkl": data, "p.json": coco}
        keeps(files, [*RUN, "--keypoints", "p.json", "--body", "basicModel_f.pkl"])

    check()


@pytest.mark.parametrize("name", ["state.npz", "shard_000000.npz"])
def test_observations_of_a_run(keeps: Keeps, room: Path, name: str) -> None:
    run = room / "runs" / "clip"
    path = run / "observations" / name
    good = path.read_bytes()
    others = {f"out/clip/{p.relative_to(run)}": p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}
    commands = st.sampled_from([[*RUN, "--keypoints", "coco.json", "--fps", "20"], ["edit", "out/clip", "--drop", "1"]])

    @fuzzed
    @given(st.one_of(bad_bytes(good, head=512), bad_arrays(_arrays(path)), bad_member(good, head=128)), commands)
    def check(data: bytes, command: list[str]) -> None:
        files = others | {f"out/clip/observations/{name}": data, "coco.json": (room / "coco.json").read_bytes()}
        keeps(files, command)

    check()


def test_observations_of_a_stopped_run(keeps: Keeps, room: Path) -> None:
    run = room / "runs" / "clip"
    arrays = _arrays(run / "observations" / "state.npz")
    journal = json.loads(str(arrays.pop("journal")))
    kept = {"journal": np.asarray(json.dumps(journal | {"is_complete": False})), "sha256": arrays.pop("sha256")}
    files = {f"out/clip/{p.relative_to(run)}": p.read_bytes() for p in run.rglob("*") if p.is_file()}
    files["coco.json"] = (room / "coco.json").read_bytes()
    name, again = "out/clip/observations/state.npz", [*RUN, "--keypoints", "coco.json"]
    assert keeps(files, again).code == 0

    @fuzzed
    @given(bad_arrays(arrays, keep=kept))
    def check(data: bytes) -> None:
        keeps(files | {name: data}, again)

    check()
