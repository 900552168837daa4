"""Keypoint files of every tool, made bad: the contract of `fuzz_contract` is kept."""

import json

import pytest
from fuzz_contract import RUN, Keeps, fuzzed
from fuzz_seeds import KEYPOINT_FILES, openpose_frame, ultralytics_label
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_bytes, bad_json, bad_text

pytestmark = pytest.mark.slow
IDS = st.sampled_from([[], ["--keep-ids"]])


@pytest.mark.parametrize("family", KEYPOINT_FILES)
def test_every_good_file_is_taken(keeps: Keeps, family: str) -> None:
    for make in KEYPOINT_FILES[family]:
        outcome = keeps({"points.json": json.dumps(make()).encode()}, [*RUN, "--keypoints", "points.json"])
        assert outcome.code == 0, (make, outcome)


@pytest.mark.parametrize("family", KEYPOINT_FILES)
def test_keypoint_files(keeps: Keeps, family: str) -> None:
    @fuzzed
    @given(st.one_of(*[bad_json(make()) for make in KEYPOINT_FILES[family]]), IDS)
    def check(data: bytes, ids: list[str]) -> None:
        keeps({"points.json": data}, [*RUN, "--keypoints", "points.json", *ids])

    check()


def test_openpose_folders(keeps: Keeps) -> None:
    good = json.dumps(openpose_frame()).encode()
    names = st.sampled_from(
        ["a_000002_keypoints.json", "cam1.2.json", "2.json", "x.json", "9" * 200 + ".json", "2.txt"]
    )

    @fuzzed
    @given(bad_json(openpose_frame()), names)
    def check(data: bytes, name: str) -> None:
        files = {f"points/a_{n:06d}_keypoints.json": good for n in (0, 1, 3)} | {f"points/{name}": data}
        keeps(files, [*RUN, "--keypoints", "points"])

    check()


def test_label_folders(keeps: Keeps) -> None:
    good = ultralytics_label()
    names = st.sampled_from(["clip_2.txt", "2.txt", "clip.txt", "classes.txt", "clip_99999999999999999999.txt"])

    @fuzzed
    @given(st.one_of(bad_text(good.decode()), bad_bytes(good)), names, IDS)
    def check(data: bytes, name: str, ids: list[str]) -> None:
        files = {f"labels/clip_{n}.txt": good for n in (1, 3)} | {f"labels/{name}": data}
        keeps(files, [*RUN, "--keypoints", "labels", *ids])

    check()
