"""The readers of outside files alone, in this process: more cases than with whole commands.

Each returns, or raises an error that a user can act on, within seconds.
"""

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_contract import EXAMPLES, EXTRA_MIB_MAX, fuzzed
from fuzz_seeds import FILMS, FRAMES, IMAGES, KEYPOINT_FILES, SIZE, film, npz, picture, small_body
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import bad_arrays, bad_bytes, bad_json, bad_member, bad_pickle, bad_safetensors

from configs.errors import DpmeshVideoError
from configs.schema import RunSettings

pytestmark = pytest.mark.slow
SECONDS_MAX = 30.0
ALLOWED = (DpmeshVideoError, OSError)
many = settings(fuzzed, max_examples=5 * EXAMPLES)


@pytest.fixture
def reads(tmp_path: Path) -> Callable[..., None]:
    """Return what writes a bad file and has it read."""

    def check(name: str, data: bytes, read: Callable[[Path], Any], allowed: tuple[type, ...] = ALLOWED) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            read(path)
        except allowed as error:
            told = str(error)
            assert told and len(told) < 2000, told
        assert time.process_time() - start < SECONDS_MAX
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < EXTRA_MIB_MAX

    return check


@pytest.mark.parametrize("family", KEYPOINT_FILES)
@pytest.mark.parametrize("is_id_kept", [False, True])
def test_keypoints(reads: Callable[..., None], family: str, is_id_kept: bool) -> None:
    from trackers.keypoint_files import KeypointRecord

    images = [np.zeros((SIZE, SIZE, 3), np.uint8)] * FRAMES

    def read(path: Path) -> None:
        for found in KeypointRecord(path, is_id_kept=is_id_kept).find(images, range(FRAMES)):
            assert np.isfinite(found.keypoints).all() and np.isfinite(found.boxes_xyxy).all()

    @many
    @given(st.one_of(*[bad_json(make()) for make in KEYPOINT_FILES[family]]))
    def check(data: bytes) -> None:
        reads("points.json", data, read)

    check()


def test_motions_and_truths(reads: Callable[..., None], room: Path) -> None:
    from pipeline.evaluation.truth import read_truth
    from pipeline.motion.read import read_motion

    path = room / "runs" / "clip" / "tracks" / "person_001.npz"
    with np.load(path) as file:
        arrays = dict(file)
    good = path.read_bytes()

    @many
    @given(
        st.one_of(bad_arrays(arrays), bad_member(good, head=128), bad_bytes(good, head=4096)),
        st.sampled_from([read_motion, read_truth]),
    )
    def check(data: bytes, read: Callable[[Path], Any]) -> None:
        reads("motion.npz", data, read)

    check()


def test_bodies(reads: Callable[..., None]) -> None:
    import pickle

    from dpmesh.body.load import load_body

    body = small_body()
    dense = body | {"J_regressor": np.eye(24, 40)}
    good = npz(dense)

    @many
    @given(
        st.one_of(
            *[bad_pickle(pickle.dumps(body, protocol)).map(lambda data: ("m.pkl", data)) for protocol in (0, 2, 4)],
            *[bad(good).map(lambda data: ("m.npz", data)) for bad in (bad_bytes, bad_member)],
            bad_arrays(dense).map(lambda data: ("m.npz", data)),
        )
    )
    def check(bad: tuple[str, bytes]) -> None:
        reads(*bad, load_body)

    check()


@pytest.mark.parametrize("name", ["run.json", "nodes.json"])
def test_records(reads: Callable[..., None], room: Path, name: str) -> None:
    from pipeline.flow.outputs import read_entries
    from pipeline.flow.record import read_record

    good = json.loads((room / "runs" / "clip" / name).read_text())

    def read_settings(folder: Path) -> Any:
        return read_record(folder).run_settings(folder)

    readers: list[Callable[[Path], Any]] = [read_record, read_settings] if name == "run.json" else [read_entries]

    @many
    @given(bad_json(good), st.sampled_from(readers))
    def check(data: bytes, read: Callable[[Path], Any]) -> None:
        reads(name, data, lambda path: read(path.parent))

    check()


def test_edits(reads: Callable[..., None]) -> None:
    from pipeline.nodes.edits import read_edits

    kinds = [{"kind": "swap", "people": [1, 2], "frame": 3, "time_s": None}, {"kind": "drop", "people": [1]}]

    @many
    @given(bad_json({"people": "0" * 16, "edits": kinds}))
    def check(data: bytes) -> None:
        reads("edits.json", data, lambda path: read_edits(path.parent))

    check()


def test_calibrations(reads: Callable[..., None], room: Path, tmp_path: Path) -> None:
    from pipeline.capture import find_capture

    (tmp_path / "clip.mp4").symlink_to(room / "clip.mp4")
    camera = {"name": "clip", "K": np.diag([80.0, 80, 1]).tolist(), "R": np.eye(3).tolist(), "t": [0.0, 0, 3]}

    @many
    @given(bad_json({"cameras": [camera | {"size": [SIZE, SIZE], "dist": [0.0] * 5}]}))
    def check(data: bytes) -> None:
        reads("calibration.json", data, lambda path: find_capture(path.parent))

    check()


def test_annotations_of_panoptic(reads: Callable[..., None]) -> None:
    from pipeline.capture.panoptic import needed_annotations

    body = {"id": 0, "joints19": [1.0, -90.0, 3.0, 0.5] * 19}

    @many
    @given(bad_json({"version": 0.7, "univTime": 1.0, "bodies": [body, body | {"id": 1}]}))
    def check(data: bytes) -> None:
        name = "hdPose3d_stage1_coco19/body3DScene_00000168.json"
        reads(name, data, lambda path: needed_annotations(path.parents[1]).read())

    check()


@pytest.mark.parametrize("name", ["state.npz", "shard_000000.npz"])
def test_observations(reads: Callable[..., None], room: Path, tmp_path: Path, name: str) -> None:
    from pipeline.flow.store import ObservationStore
    from pipeline.nodes.group import find_spans

    run = room / "runs" / "clip" / "observations"
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with np.load(run / name) as file:
        arrays = dict(file)
    good = (run / name).read_bytes()

    @many
    @given(st.one_of(bad_arrays(arrays), bad_member(good, head=128)))
    def check(data: bytes) -> None:
        reads(name, data, lambda path: find_spans(ObservationStore(path.parent)))

    check()


def test_detectors(reads: Callable[..., None], pose_weights: Path) -> None:
    from trackers.pose_checkpoint import read_pose_checkpoint

    good = pose_weights.read_bytes()

    def read(path: Path) -> None:
        read_pose_checkpoint(path).read_tensors()

    @settings(many, max_examples=2 * EXAMPLES)
    @given(bad_member(good, name="data.pkl", head=4096))
    def check(data: bytes) -> None:
        reads("bad.pt", data, read)

    check()


def test_checkpoints(reads: Callable[..., None], tmp_path: Path) -> None:
    import torch

    from dpmesh.stored.checkpoint import read_checkpoint
    from dpmesh.stored.vposer import read_decoder

    goods = []
    for is_zip in (True, False):
        content = {"state_dict": {"a.weight": torch.ones(3, 4), "b": torch.zeros(5)}, "epoch": 3}
        torch.save(content, tmp_path / "good.pt", _use_new_zipfile_serialization=is_zip)
        goods.append((tmp_path / "good.pt").read_bytes())

    @many
    @given(
        st.one_of(bad_bytes(goods[0]), bad_member(goods[0]), bad_pickle(goods[1])),
        st.sampled_from([read_checkpoint, read_decoder]),
    )
    def check(data: bytes, read: Callable[[Path], Any]) -> None:
        reads("bad.pt", data, read)

    check()


def test_safetensors(reads: Callable[..., None]) -> None:
    import torch
    from safetensors.torch import save

    from dpmesh.stored.checkpoint import read_safetensors

    good = save({"a.weight": torch.ones(3, 4), "b": torch.zeros(5)})

    @many
    @given(bad_safetensors(good))
    def check(data: bytes) -> None:
        reads("bad.safetensors", data, read_safetensors)

    check()


def test_settings(reads: Callable[..., None]) -> None:
    import yaml

    from configs.read import read_settings

    tree: Any = RunSettings().model_dump(mode="json")
    text = yaml.safe_dump({key: tree[key] for key in ("link", "decode", "body")}).encode()

    @many
    @given(st.one_of(bad_json(tree), bad_bytes(text, head=10**6)))
    def check(data: bytes) -> None:
        reads("mine.yaml", data, lambda path: read_settings(str(path), {}, []))

    check()


@pytest.mark.parametrize("suffix", IMAGES)
def test_images(reads: Callable[..., None], suffix: str) -> None:
    from pipeline.media.images import plan_images, read_image

    good = picture(suffix)

    def read(path: Path) -> None:
        plan = plan_images(path)
        read_image(plan.files[0], plan.grey_max)

    @many
    @given(bad_bytes(good))
    def check(data: bytes) -> None:
        reads(f"bad.{suffix}", data, read)

    check()


@pytest.mark.parametrize("suffix", [suffix for suffixes in FILMS.values() for suffix in suffixes])
def test_films(reads: Callable[..., None], suffix: str) -> None:
    from pipeline.media import read_frames

    good = film(suffix)

    @settings(many, max_examples=2 * EXAMPLES)
    @given(bad_bytes(good, head=1024))
    def check(data: bytes) -> None:
        def read(path: Path) -> None:
            for number, _ in enumerate(read_frames(path)):
                assert number < 10_000

        reads(f"bad.{suffix}", data, read)

    check()
