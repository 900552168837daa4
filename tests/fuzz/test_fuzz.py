"""Damaged and hostile files, in thousands: whatever is given, the command keeps its contract.

The contract: an exit code of the list, one line that says what is wrong where it failed, no traceback, less than 1 GiB
of memory beyond the imports, under 60 s, and no file touched outside the output. `make fuzz` runs it for half an hour
and more: `DPMESH_FUZZ_EXAMPLES` is the number of files of each kind, `DPMESH_FUZZ_RANDOM=1` draws others every time.
"""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from forked_command import Outcome, preload, run_forked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import bad_bytes, bad_json

from configs.schema import RunSettings

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("DPMESH_FUZZ_EXAMPLES", "25"))
EXTRA_MIB_MAX, SECONDS_MAX = 1024, 60.0
SIZE, FRAMES = 64, 4
QUICK = ("--refine", "off", "--no-overlay", "--set", "link.frames_min=1", "--set", "runtime.threads=1")
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="DPMESH_FUZZ_RANDOM" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one good file of each kind, made once."""
    preload()
    return make_good_files(tmp_path_factory.mktemp("good"))


def make_good_files(folder: Path) -> Path:
    from pipeline.media import VideoWriter

    with VideoWriter(folder / "clip.mp4", SIZE, SIZE, Fraction(10)) as video:
        for number in range(FRAMES):
            video.write(np.full((SIZE, SIZE, 3), 40 * number, np.uint8))
    (folder / "coco.json").write_text(json.dumps(coco_results()))
    outcome = run_forked(["run", "clip.mp4", "--keypoints", "coco.json", *QUICK, "--output", "runs"], folder)
    assert outcome.code == 0, outcome
    return folder


def keypoints_17() -> list[float]:
    """Return a person who stands upright in the middle of the picture."""
    xs = [32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28]
    ys = [8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58]
    return [float(value) for x, y in zip(xs, ys, strict=True) for value in (x, y, 0.9)]


def coco_results() -> list[dict[str, Any]]:
    return [
        {"image_id": frame, "category_id": 1, "keypoints": keypoints_17(), "score": 0.9, "bbox": [20, 4, 26, 58]}
        for frame in range(FRAMES)
    ]


def coco_annotations() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7 + n, "file_name": f"clip_{n:06d}.jpg", "width": SIZE, "height": SIZE} for n in range(FRAMES)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
        "annotations": [
            {"id": n, "image_id": 7 + n, "category_id": 1, "keypoints": keypoints_17(), "num_keypoints": 17}
            for n in range(FRAMES)
        ],
    }


def halpe_results() -> list[dict[str, Any]]:
    more = [32.0, 60.0, 0.8] * 9
    return [
        {"image_id": f"{n}.jpg", "category_id": 1, "keypoints": keypoints_17() + more, "score": 2.9, "idx": 1}
        for n in range(FRAMES)
    ]


def instance_info() -> dict[str, Any]:
    points = np.array(keypoints_17()).reshape(17, 3)
    person = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist(), "bbox": [[20, 4, 46, 62]]}
    return {"meta_info": {}, "instance_info": [{"frame_id": n + 1, "instances": [person]} for n in range(FRAMES)]}


def openpose_frame() -> dict[str, Any]:
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [32.0, 30.0, 0.9] * 25}]}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return size and content of every file that is not output."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if "out" not in path.relative_to(folder).parts and not path.name.startswith(".std")
    }


@pytest.fixture
def keeps(room: Path, tmp_path: Path) -> Iterator[Callable[..., Outcome]]:
    """Return what runs a command beside bad files and checks the contract."""
    count = 0

    def check(files: dict[str, bytes], arguments: list[str], *, is_output_bad: bool = False) -> Outcome:
        nonlocal count
        count += 1
        folder = tmp_path / f"case{count}"
        folder.mkdir()
        (folder / "clip.mp4").symlink_to(room / "clip.mp4")
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / "victim.txt").write_text("mine")
        before = snapshot(folder)
        outcome = run_forked(arguments, folder, seconds_max=SECONDS_MAX)
        shown = f"{arguments}\n{outcome.stdout[-2000:]}\n{outcome.stderr[-4000:]}"
        assert outcome.code in (0, 1, 2, 3), f"exit code {outcome.code}: {shown}"
        assert "Traceback" not in outcome.stdout + outcome.stderr, shown
        assert outcome.code != 1 or outcome.error_lines, f"no line says why: {shown}"
        assert max(map(len, outcome.stderr.splitlines()), default=0) < 2000, f"a line without end: {shown}"
        assert outcome.extra_mib < EXTRA_MIB_MAX, f"{outcome.extra_mib:.0f} MiB: {shown}"
        assert snapshot(folder) == before, f"files outside the output changed: {shown}"
        shutil.rmtree(folder)
        return outcome

    yield check


RUN = ["run", "clip.mp4", *QUICK, "--output", "out"]


@pytest.mark.parametrize("make", [coco_results, coco_annotations, halpe_results, instance_info])
def test_keypoint_files(keeps: Callable[..., Outcome], make: Callable[[], Any]) -> None:
    @fuzzed
    @given(bad_json(make()))
    def check(data: bytes) -> None:
        keeps({"points.json": data}, [*RUN, "--keypoints", "points.json"])

    check()


def test_openpose_folders(keeps: Callable[..., Outcome]) -> None:
    good = json.dumps(openpose_frame()).encode()

    @fuzzed
    @given(bad_json(openpose_frame()), st.sampled_from(["a_000002_keypoints.json", "cam1.2.json", "2.json", "x.json"]))
    def check(data: bytes, name: str) -> None:
        files = {f"points/a_{n:06d}_keypoints.json": good for n in (0, 1, 3)} | {f"points/{name}": data}
        keeps(files, [*RUN, "--keypoints", "points"])

    check()


def test_presets(keeps: Callable[..., Outcome]) -> None:
    tree = RunSettings().model_dump(mode="json")

    @fuzzed
    @given(bad_json(tree), st.booleans())
    def check(data: bytes, is_yaml: bool) -> None:
        if is_yaml:
            try:
                data = yaml.safe_dump(json.loads(data.decode("utf-8"))).encode()
            except (ValueError, yaml.YAMLError, RecursionError):
                return
        outcome = keeps({"mine.yaml": data}, ["run", "--settings", "--preset", "mine.yaml"])
        assert outcome.code in (0, 2), outcome

    check()


def test_assignments(keeps: Callable[..., Outcome]) -> None:
    names = [f"{section}.{key}" for section, keys in RunSettings().model_dump().items() for key in keys]
    values = st.one_of(
        st.sampled_from(
            ["", "null", "[]", "{}", "&a [*a]", "1e999", ".nan", "9" * 5000, "[" * 2000, "!!python/x y", "-1"]
        ),
        st.text(max_size=30).filter(lambda text: "\x00" not in text),
    )

    @fuzzed
    @given(st.sampled_from(names), values)
    def check(name: str, value: str) -> None:
        text = f"{name}={value}".encode("utf-8", "replace").decode()
        assert keeps({}, ["run", "--settings", "--set", text]).code in (0, 2)

    check()


def test_motion_files(keeps: Callable[..., Outcome], room: Path) -> None:
    good = (room / "runs" / "clip" / "tracks" / "person_001.npz").read_bytes()

    @fuzzed
    @given(bad_bytes(good, head=4096))
    def check(data: bytes) -> None:
        keeps({"motion.npz": data}, ["inspect", "motion.npz"])

    check()


@st.composite
def bad_arrays(draw: Any, good: dict[str, np.ndarray]) -> bytes:
    """Return an `.npz` in which some arrays have other shapes, types or numbers, or are not there."""
    arrays = dict(good)
    for _ in range(draw(st.integers(1, 4))):
        if not arrays:
            break
        name = draw(st.sampled_from(sorted(arrays)))
        array = arrays[name]
        kind = draw(st.sampled_from(["drop", "flat", "empty", "nan", "type", "cut", "more", "scalar", "huge", "text"]))
        if kind == "drop":
            del arrays[name]
        elif kind == "flat":
            arrays[name] = array.reshape(-1)
        elif kind == "empty":
            arrays[name] = array[:0] if array.ndim else array.reshape(1)[:0]
        elif kind == "nan" and array.dtype.kind == "f":
            arrays[name] = np.full_like(array, draw(st.sampled_from([np.nan, np.inf, -1e30, 0.0])))
        elif kind == "type":
            dtype = draw(st.sampled_from(["f2", ">f8", "i1", "u8", "?", "c16", "S3", "U5"]))
            with np.errstate(all="ignore"):
                arrays[name] = array.astype(dtype) if array.dtype.kind in "fiub" else array
        elif kind == "cut":
            arrays[name] = array[..., :-1] if array.ndim else array
        elif kind == "more":
            arrays[name] = np.stack([array, array])
        elif kind == "scalar":
            arrays[name] = np.array(draw(st.sampled_from([0, -1, 1e300, np.nan])))
        elif kind == "huge" and array.dtype.kind in "iu":
            arrays[name] = np.full_like(array, np.iinfo(array.dtype).max)
        elif kind == "text":
            arrays[name] = np.array(draw(st.sampled_from(["", "female", "[x]", "\x1b[31m"])))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_arrays_of_motion_files(keeps: Callable[..., Outcome], room: Path) -> None:
    with np.load(room / "runs" / "clip" / "tracks" / "person_001.npz") as file:
        good = dict(file)

    @fuzzed
    @given(bad_arrays(good))
    def check(data: bytes) -> None:
        keeps({"motion.npz": data}, ["inspect", "motion.npz"])

    check()


def test_bodies(keeps: Callable[..., Outcome], room: Path) -> None:
    from configs.weights import resolve

    with np.load(resolve("open-body")) as file:
        good = dict(file)

    @fuzzed
    @given(bad_arrays(good))
    def check(data: bytes) -> None:
        coco = (room / "coco.json").read_bytes()
        keeps({"body.npz": data, "p.json": coco}, [*RUN, "--keypoints", "p.json", "--body", "body.npz"])

    check()


@pytest.mark.parametrize(("name", "option"), [("motion-prior", "refine.prior"), ("compact", "recover.model")])
def test_model_folders(keeps: Callable[..., Outcome], room: Path, name: str, option: str) -> None:
    from configs.weights import resolve

    source = Path(resolve(name))
    config = json.loads((source / "config.json").read_text())
    weights = next(source.glob("*.safetensors"))
    head = weights.read_bytes()[: 2**14]

    @fuzzed
    @given(st.one_of(bad_json(config), bad_bytes(head, head=128)))
    def check(data: bytes) -> None:
        is_config = len(data) < 2**13
        files = {
            "model/config.json": data if is_config else json.dumps(config).encode(),
            f"model/{weights.name}": b"" if is_config else data,
            "p.json": (room / "coco.json").read_bytes(),
        }
        if is_config:
            files[f"model/{weights.name}"] = weights.read_bytes()
        arguments = [word for word in RUN if word not in ("--refine", "off")]
        keeps(files, [*arguments, "--keypoints", "p.json", "--set", f"{option}=model"])

    check()


def media_seeds() -> dict[str, bytes]:
    """Return one small file of each kind of moving picture."""
    import av
    from av.video.frame import VideoFrame
    from PIL import Image

    seeds = {}
    for suffix, codec in [
        ("mp4", "libx264"),
        ("mkv", "libx264"),
        ("avi", "mpeg4"),
        ("ts", "mpeg2video"),
        ("h264", "libx264"),
    ]:
        buffer = io.BytesIO()
        kind = {"mkv": "matroska", "ts": "mpegts"}.get(suffix, suffix)
        with av.open(buffer, "w", format=kind) as output:
            stream = output.add_stream(codec, rate=10)
            stream.width = stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            for number in range(FRAMES):
                image = np.full((SIZE, SIZE, 3), 60 * number, np.uint8)
                output.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24")))
            output.mux(stream.encode(None))
        seeds[suffix] = buffer.getvalue()
    pictures = [Image.fromarray(np.full((SIZE, SIZE, 3), 60 * n, np.uint8)) for n in range(FRAMES)]
    for suffix in ("gif", "png", "webp", "tiff"):
        buffer = io.BytesIO()
        pictures[0].save(buffer, suffix, save_all=True, append_images=pictures[1:])
        seeds[suffix] = buffer.getvalue()
    return seeds


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "h264", "gif", "png", "webp", "tiff"])
def test_media(keeps: Callable[..., Outcome], room: Path, suffix: str) -> None:
    good = media_seeds()[suffix]

    @fuzzed
    @given(bad_bytes(good, head=1024))
    def check(data: bytes) -> None:
        files = {f"bad.{suffix}": data, "p.json": (room / "coco.json").read_bytes()}
        keeps(files, ["run", f"bad.{suffix}", *QUICK, "--output", "out", "--keypoints", "p.json"])

    check()


def test_calibrations(keeps: Callable[..., Outcome], room: Path) -> None:
    camera = {"name": "clip", "K": np.diag([80.0, 80, 1]).tolist(), "R": np.eye(3).tolist(), "t": [0.0, 0, 3]}
    good = {"cameras": [camera | {"size": [SIZE, SIZE]}]}
    buffer = io.BytesIO()
    np.savez(buffer, kp3d_smooth=np.zeros((1, FRAMES, 17, 3)))

    @fuzzed
    @given(bad_json(good))
    def check(data: bytes) -> None:
        files = {
            "capture/calibration.json": data,
            "capture/reference_3d_coco17.npz": buffer.getvalue(),
            "capture/clip.mp4": (room / "clip.mp4").read_bytes(),
        }
        points = ["--set", f"detect.keypoints={room / 'coco.json'}"]
        keeps(files, ["evaluate", "capture", "capture", "--refine", "off", *points, "--output", "out"])

    check()


@pytest.mark.parametrize("name", ["nodes.json", "run.json"])
def test_records_of_a_run(keeps: Callable[..., Outcome], room: Path, name: str) -> None:
    run = room / "runs" / "clip"
    others = {
        f"out/clip/{path.relative_to(run)}": path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != name
    }
    good = json.loads((run / name).read_text())

    @fuzzed
    @given(bad_json(good), st.booleans())
    def check(data: bytes, is_run: bool) -> None:
        points = (room / "coco.json").read_bytes()
        files = others | {f"out/clip/{name}": data, "coco.json": points}
        again = [*RUN, "--keypoints", "coco.json"]
        keeps(files, again if is_run else ["inspect", "out/clip"])

    check()
