"""Nasty inputs, each with its exit code and a word of its line: `make test-slow`."""

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked_command import Outcome, preload, run_forked
from PIL import Image

pytestmark = pytest.mark.slow
SIZE, FRAMES = 64, 4
QUICK = "--refine off --no-overlay --set link.frames_min=1 --set runtime.threads=1 --output out"
RUN = f"run clip.mp4 {QUICK}"
POINTS = f"{RUN} --keypoints points.json"
STATUS = {0: ("done",), 1: ("failed",), 2: ("failed",), 3: ("partial", "done")}
SECONDS_MAX, EXTRA_MIB_MAX = 60.0, 1024
XS = [32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28]
YS = [8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58]
BODY25 = f"{RUN} --keypoints-format body25"
PERSON = [float(value) for x, y in zip(XS, YS, strict=True) for value in (x, y, 0.9)]
STANDING = [float(value) for n in range(24) for value in (32 + 6 * (n % 2), 10 + 2 * n, 0.9)]

Make = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Case:
    """A command line, what it has to end with, and what makes the files that it reads."""

    words: str
    code: int
    told: str  # in what it writes
    make: Make = lambda folder: None


def put(name: str, data: bytes | str | object) -> Make:
    """Return what writes a file: bytes and text as they are, other values as JSON."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            path.write_text(data if isinstance(data, str) else json.dumps(data))

    return make


def both(*makers: Make) -> Make:
    def make(folder: Path) -> None:
        for each in makers:
            each(folder)

    return make


def entries(**change: Any) -> list[dict[str, Any]]:
    one = {"category_id": 1, "keypoints": PERSON, "score": 0.9}
    return [{"image_id": frame} | one | change for frame in range(FRAMES)]


def coco(**change: Any) -> dict[str, Any]:
    people = [{"id": n, "image_id": n, "category_id": 1, "keypoints": PERSON} for n in range(FRAMES)]
    images = [{"id": n, "file_name": f"{n}.jpg", "width": SIZE, "height": SIZE} for n in range(FRAMES)]
    return {"images": images, "categories": [{"id": 1, "name": "person"}], "annotations": people} | change


def openpose(values: list[float], name: str = "a_{}_keypoints.json") -> Make:
    frame = {"version": 1.3, "people": [{"pose_keypoints_2d": values}]}
    return both(*(put(f"folder/{name.format(n)}", frame) for n in range(FRAMES)))


def npz(name: str, **arrays: Any) -> Make:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return put(name, buffer.getvalue())


def body(**change: Any) -> Make:
    def make(folder: Path) -> None:
        from configs.weights import resolve

        with np.load(resolve("open-body")) as file:
            np.savez(folder / "body.npz", **(dict(file) | change))

    return make


def cut(share: float) -> Make:
    def make(folder: Path) -> None:
        data = (folder / "clip.mp4").read_bytes()
        (folder / "cut.mp4").write_bytes(data[: int(len(data) * share)])

    return make


def network(name: str, **change: Any) -> Make:
    def make(folder: Path) -> None:
        from configs.weights import resolve

        source = Path(resolve(name))
        shutil.copytree(source, folder / "model")
        config = json.loads((source / "config.json").read_text()) | change
        (folder / "model" / "config.json").write_text(json.dumps(config))

    return make


def after_run(make: Make) -> Make:
    """Return what gives the folder the results of a run, and then spoils them."""

    def prepare(folder: Path) -> None:
        shutil.copytree(folder.parent / "room" / "out", folder / "out")
        make(folder)

    return prepare


def pipe(name: str) -> Make:
    return lambda folder: os.mkfifo(folder / name)


def copy(name: str) -> Make:
    return lambda folder: shutil.copy(folder / "clip.mp4", folder / name)


def link(name: str, target: str) -> Make:
    return lambda folder: (folder / name).symlink_to(target)


class Runs:
    """An object whose pickle makes a file when it is opened."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch CODE_RAN",)


HUGE_PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (10**5).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00" + b"\x00" * 30
)
HUGE_NPY = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
HUGE_NPY += b"{'descr': '<f8', 'fortran_order': False, 'shape': (30000000000000, 3), }".ljust(117) + b"\n"
DEEP = "[" * 100_000

CASES: dict[str, Case] = {
    # What is no video
    "empty": Case("run a.mp4", 1, "empty", put("a.mp4", b"")),
    "text": Case("run a.mp4", 1, "a.mp4", put("a.mp4", "no video\n" * 20)),
    "zeros": Case("run a.mp4", 1, "a.mp4", put("a.mp4", bytes(50_000))),
    "missing": Case("run a.mp4", 1, "a.mp4"),
    "a pipe": Case("run a.mp4", 1, "a.mp4", pipe("a.mp4")),
    "a device": Case("run /dev/zero", 1, "/dev/zero"),
    "a link in a circle": Case("run a.mp4", 1, "a.mp4", both(link("a.mp4", "b.mp4"), link("b.mp4", "a.mp4"))),
    "a link to nothing": Case("run a.mp4", 1, "a.mp4", link("a.mp4", "nothing")),
    "an empty folder": Case("run a", 1, "neither videos nor images", lambda folder: (folder / "a").mkdir()),
    "a folder of text": Case("run a", 1, "neither videos nor images", put("a/readme.txt", "x")),
    "a pattern that fits nothing": Case("run *.mkv", 1, "*.mkv"),
    "an empty word": Case("run ''", 2, "empty"),
    "a name too long": Case(f"run {'a' * 300}.mp4", 1, "error: "),
    "cut in its header": Case(f"run cut.mp4 {QUICK}", 1, "cut.mp4", cut(0.5)),
    "a picture of 10 gigapixels": Case(f"run a {QUICK}", 1, "error: ", put("a/1.png", HUGE_PNG)),
    "a folder of broken pictures": Case(f"run a {QUICK}", 1, "error: ", put("a/1.jpg", b"\xff\xd8\xff no picture")),
    "a playlist": Case("run a.m3u8", 1, "a.m3u8", put("a.m3u8", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")),
    "a concatenation": Case("run a.mp4", 1, "a.mp4", put("a.mp4", "ffconcat version 1.0\nfile /etc/passwd\n")),
    "a path of a network": Case("run http://127.0.0.1:1/a.mp4", 1, "error: "),
    "beyond the end": Case(f"{POINTS} --start 100", 1, "start earlier"),
    # Several clips
    "one of two broken": Case(f"run clip.mp4 a.mp4 {QUICK} --detector bundled", 3, "error: ", put("a.mp4", b"x")),
    "all broken": Case(f"run b.mp4 a.mp4 {QUICK}", 1, "b.mp4", both(put("a.mp4", b"x"), put("b.mp4", b"x"))),
    "one missing": Case(f"run clip.mp4 a.mp4 {QUICK}", 1, "a.mp4"),
    # Command lines
    "no input": Case("run", 2, "no input"),
    "an unknown command": Case("runn clip.mp4", 2, "runn"),
    "an unknown option": Case("run clip.mp4 --fast", 2, "--fast"),
    "an unknown setting": Case("run clip.mp4 --set detect.speed=3", 2, "speed"),
    "a setting without a value": Case("run clip.mp4 --set detect.image_px", 2, "detect.image_px"),
    "a number that is none": Case("run clip.mp4 --set decode.end_s=.nan", 2, "decode.end_s"),
    "a start beyond all clocks": Case("run clip.mp4 --start 1e300", 2, "start_s"),
    "a negative start": Case("run clip.mp4 --start -1", 2, "start_s"),
    "an end before its start": Case("run clip.mp4 --start 2 --end 1", 2, "swap them"),
    "a rate of nothing": Case("run clip.mp4 --fps 0", 2, "rate_hz"),
    "people who are no numbers": Case("run clip.mp4 --people me", 2, "people"),
    "too many threads": Case("run clip.mp4 --set runtime.threads=20000", 2, "threads"),
    "a device that is not": Case("run clip.mp4 --device cuda:99", 2, "cuda:99"),
    "one keypoint file for two clips": Case(
        "run clip.mp4 b.mp4 --keypoints points.json", 2, "one clip", copy("b.mp4")
    ),
    # Presets
    "a preset of aliases": Case("run clip.mp4 --preset a.yaml", 2, "alias", put("a.yaml", "a: &a [*a, *a]")),
    "a preset nested deep": Case("run clip.mp4 --preset a.yaml", 2, "nested", put("a.yaml", DEEP)),
    "a preset that is no UTF-8": Case("run clip.mp4 --preset a.yaml", 2, "UTF-8", put("a.yaml", b"a: \xe4")),
    "a preset of a huge number": Case(
        "run clip.mp4 --preset a.yaml", 2, "digits", put("a.yaml", f"detect: {{image_px: {'9' * 5000}}}")
    ),
    "a preset that is a list": Case("run clip.mp4 --preset a.yaml", 2, "a.yaml", put("a.yaml", "[1, 2]")),
    "a preset that is a pipe": Case("run clip.mp4 --preset a.yaml", 2, "a.yaml", pipe("a.yaml")),
    "a preset that builds objects": Case(
        "run clip.mp4 --preset a.yaml", 2, "a.yaml", put("a.yaml", "a: !!python/object/apply:os.system [x]")
    ),
    # Keypoints
    "keypoints of nobody": Case(f"{RUN} --keypoints a.json", 0, "nobody", put("a.json", [])),
    "keypoints that are empty": Case(f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", b"")),
    "keypoints cut short": Case(f"{RUN} --keypoints a.json", 1, "JSON", put("a.json", '[{"image_id": 0, "keyp')),
    "keypoints nested deep": Case(f"{RUN} --keypoints a.json", 1, "nested", put("a.json", DEEP)),
    "a keypoint of 400 digits": Case(
        f"{RUN} --keypoints a.json", 1, "digits", put("a.json", entries(keypoints=[10**400, *PERSON[1:]]))
    ),
    "a keypoint far outside": Case(
        f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", entries(keypoints=[1e300, *PERSON[1:]]))
    ),
    "keypoints of text": Case(f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", entries(keypoints=["x"] * 51))),
    "keypoints of 16": Case(f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", entries(keypoints=PERSON[3:]))),
    "frames that are lists": Case(f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", entries(image_id=[1]))),
    "a frame below 0": Case(f"{RUN} --keypoints a.json", 1, "a.json", put("a.json", entries(image_id=-5))),
    "images whose ids are maps": Case(
        f"{RUN} --keypoints a.json", 1, "image 0", put("a.json", coco(images=[{"id": {}, "file_name": "1.jpg"}]))
    ),
    "COCO without pictures": Case(f"{RUN} --keypoints a.json", 0, "1 people", put("a.json", coco(images=[]))),
    "COCO of dogs and people": Case(
        f"{RUN} --keypoints a.json",
        1,
        "a.json",
        put("a.json", coco(categories=[{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}], annotations=[1])),
    ),
    "OpenPose of 24 points": Case(f"{RUN} --keypoints folder", 1, "24", openpose([1.0] * 72)),
    "OpenPose with NaN": Case(f"{BODY25} --keypoints folder", 0, "1 people", openpose([float("nan")] * 3 + STANDING)),
    "OpenPose with a broken frame": Case(
        f"{BODY25} --keypoints folder", 3, "cannot be read",
        both(openpose([32.0, 8, 1, *STANDING]), put("folder/a_2_keypoints.json", b"")),
    ),
    "an unknown order of points": Case(f"{POINTS} --keypoints-format body99", 2, "body99"),
    "an order of other points": Case(f"{POINTS} --keypoints-format halpe26", 1, "26"),
    "identities that are not there": Case(f"{POINTS} --keep-ids", 1, "keep-ids"),
    "keypoints that are a pipe": Case(f"{RUN} --keypoints a.json", 1, "a.json", pipe("a.json")),
    "keypoints of a folder of nothing": Case(f"{RUN} --keypoints a", 1, "a", lambda folder: (folder / "a").mkdir()),
    "missing keypoints": Case(f"{RUN} --keypoints a.json", 1, "a.json"),
    # Bodies
    "a body of one number": Case(f"{POINTS} --body a.npz", 1, "lacks shapedirs", npz("a.npz", v_template=np.zeros(()))),
    "a body of NaN": Case(f"{POINTS} --body body.npz", 1, "not finite", body(v_template=np.full((6881, 3), np.nan))),
    "a body without a tree": Case(f"{POINTS} --body body.npz", 1, "tree", body(kintree_table=np.zeros(3))),
    "a body of text": Case(f"{POINTS} --body body.npz", 1, "v_template", body(v_template=np.array(["a"] * 9))),
    "a body that runs code": Case(f"{POINTS} --body a.pkl", 1, "a.pkl", put("a.pkl", pickle.dumps(Runs()))),
    "a body of text in a pickle": Case(f"{POINTS} --body a.pkl", 1, "a.pkl", put("a.pkl", b"no pickle")),
    "a folder without a body": Case(f"{POINTS} --body .", 1, "error: "),
    "the whole disk as a body": Case(f"{POINTS} --body /", 1, "error: "),
    "a body that is not there": Case(f"{POINTS} --body a.npz", 1, "a.npz"),
    # Networks and detectors
    "a detector that runs code": Case(f"{RUN} --detector a.pt", 1, "a.pt", put("a.pt", pickle.dumps(Runs()))),
    "a detector of text": Case(f"{RUN} --detector a.pt", 1, "a.pt", put("a.pt", "no weights")),
    "a detector that is a pipe": Case(f"{RUN} --detector a.pt", 1, "a.pt", pipe("a.pt")),
    "a detector that is a folder": Case(f"{RUN} --detector a", 1, "error: ", put("a/b.txt", "x")),
    "a detector that is not there": Case(f"{RUN} --detector a.pt", 1, "a.pt"),
    "a network of negative width": Case(
        f"{POINTS} --refine fit --set refine.prior=model", 1, "width is -4", network("motion-prior", width=-4)
    ),
    "a network of a million heads": Case(
        f"{POINTS} --refine fit --set refine.prior=model", 1, "heads", network("motion-prior", heads=10**6)
    ),
    "a recovery network of text": Case(f"{POINTS} --model model", 1, "is not a network", put("model/config.json", "x")),
    "a recovery network that is not there": Case(f"{POINTS} --model nosuch", 1, "nosuch"),
    # Outputs
    "an output that is a file": Case(f"{POINTS} --output file", 1, "file", put("file", "mine")),
    "an output below a device": Case(f"{POINTS} --output /dev/null/a", 1, "/dev/null"),
    "an output that is a link": Case(POINTS, 1, "link", both(put("out/a.txt", "x"), link("out/clip", "."))),
    "a pipe for the log of errors": Case(
        POINTS, 0, "1 people", both(put("out/clip/a.txt", "x"), pipe("out/clip/error.log"))
    ),
    "a stranger's tracks": Case(POINTS, 1, "no run made", put("out/clip/tracks/person_001.npz", b"mine")),
    "frames into themselves": Case(
        f"run a {QUICK} --keypoints points.json --output .", 1, "--output", lambda f: _pictures(f / "a")
    ),
    # Records of earlier runs
    "a run of another clip": Case(
        f"run other/clip.mp4 {QUICK} --keypoints points.json", 1, "another video",
        after_run(put("other/clip.mp4", b"x")),
    ),
    "nodes that name other files": Case(
        POINTS, 0, "out/clip",
        after_run(put("out/clip/nodes.json", {"observe": {"fingerprint": "a", "files": {"../../victim.txt": 4}}})),
    ),
    "a damaged state": Case(POINTS, 1, "state", after_run(put("out/clip/observations/state.npz", b"x"))),
    "damaged edits": Case(POINTS, 1, "--clear", after_run(put("out/clip/edits.json", "{"))),
    "edits of somebody else": Case(
        POINTS, 1, "--clear",
        after_run(put("out/clip/edits.json", {"people": "x", "edits": [{"kind": "drop", "people": [1]}]})),
    ),
    "an edit of nobody": Case("edit out/clip --drop 9", 2, "no person 9", after_run(lambda folder: None)),
    "an edit of no run": Case("edit . --drop 1", 1, "run.json"),
    # Reading results
    "a damaged record": Case("inspect out/clip", 1, "run.json", after_run(put("out/clip/run.json", "[" * 9999))),
    "a damaged motion": Case(
        "inspect out/clip", 1, "person_001.npz", after_run(put("out/clip/tracks/person_001.npz", b"x"))
    ),
    "a motion that declares terabytes": Case("inspect a.npz", 1, "a.npz", put("a.npz", HUGE_NPY)),
    "the truth of something else": Case(
        "evaluate truth out/clip a.npz", 1, "a.npz", after_run(npz("a.npz", x=np.zeros(3)))
    ),
    "a picture of no overlay": Case("inspect out/clip --sheet a.png", 1, "no overlay", after_run(lambda folder: None)),
    "a picture of a motion file": Case(
        "inspect out/clip/tracks/person_001.npz --sheet a.png", 1, "run's folder", after_run(lambda folder: None)
    ),
    "a capture without cameras": Case("evaluate capture .", 1, "calibration"),
    "a calibration nested deep": Case(
        "evaluate capture a", 1, "error: ",
        both(put("a/calibration.json", DEEP), npz("a/reference_3d_coco17.npz", kp3d_smooth=np.zeros((1, 4, 17, 3)))),
    ),
    "weights of text": Case("weights import dpmesh a.pth.tar", 1, "a.pth.tar", put("a.pth.tar", "no weights")),
    "weights that run code": Case("weights import scorehmr a.pt", 1, "a.pt", put("a.pt", pickle.dumps(Runs()))),
    # Plans of the same
    "a plan of an empty file": Case("run a.mp4 --plan", 1, "cannot be read", put("a.mp4", b"")),
    "a plan of missing keypoints": Case(f"{RUN} --plan --keypoints a.json", 1, "a.json"),
    "a plan with a bad detector": Case(f"{RUN} --plan --detector a.pt", 1, "a.pt"),
    "a plan of two, one broken": Case(
        "run clip.mp4 a.mp4 --plan --detector bundled", 3, "cannot be read", put("a.mp4", b"x")
    ),
}  # fmt: skip

# data/nasty_inputs: the code, and a word of what is written; nobody is looked for.
GIVEN = {
    "audio_only.mp4": (1, "no video"),
    "audio_with_cover_art.mp4": (1, "error: "),
    "text_renamed.mp4": (1, "error: "),
    "truncated_no_moov.mp4": (1, "error: "),
    "zero_bytes.mp4": (1, "empty"),
    "truncated_faststart.mp4": (3, "cut off"),
    "one_frame.mp4": (0, "1 frames"),
    "tiny_32x32.mp4": (0, "20 frames"),
    "fps_1000.mp4": (0, "60 frames"),
    "bit_errors.mp4": (0, "75 frames"),
    "starts_mid_gop.ts": (0, "50 frames"),
    "zero_people.mp4": (0, "15 frames"),
    "animation.gif": (0, "12 frames"),
    "image_folder_tricky": (0, "10 frames"),
}


def _pictures(folder: Path) -> None:
    folder.mkdir()
    for number in range(FRAMES):
        Image.new("RGB", (SIZE, SIZE)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with `room`: a clip, its keypoints and the results of a run."""
    from pipeline.media import VideoWriter

    preload()
    folder = tmp_path_factory.mktemp("nasty")
    (folder / "room").mkdir()
    with VideoWriter(folder / "room" / "clip.mp4", SIZE, SIZE, Fraction(10)) as video:
        for number in range(FRAMES):
            video.write(np.full((SIZE, SIZE, 3), 40 * number, np.uint8))
    put("room/points.json", entries())(folder)
    assert run_forked(POINTS.split(), folder / "room").code == 0
    yield folder


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of everything that is not output."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if "out" not in path.relative_to(folder).parts and not path.name.startswith(".std")
    }


def check_contract(words: list[str], code: int, told: str, folder: Path) -> Outcome:
    before = snapshot(folder)
    outcome = run_forked(words, folder, seconds_max=SECONDS_MAX)
    said = f"{words}: code {outcome.code}\n{outcome.stdout[-2000:]}\n{outcome.stderr[-4000:]}"
    assert outcome.code == code, said
    assert "Traceback" not in outcome.stdout + outcome.stderr, said
    assert told in outcome.stdout + outcome.stderr, said
    if code in (1, 2) and "--plan" not in words:
        assert len(outcome.error_lines) == (words[1:3] == ["b.mp4", "a.mp4"]) + 1, said
    assert max(map(len, outcome.stderr.splitlines()), default=0) < 2000, said
    assert outcome.extra_mib < EXTRA_MIB_MAX, said
    assert snapshot(folder) == before, f"files outside the output changed: {said}"
    assert not (folder / "CODE_RAN").exists()
    return outcome


@pytest.mark.parametrize("name", CASES)
def test_a_nasty_input_ends_with_its_code_and_one_line(name: str, good: Path) -> None:
    case, folder = CASES[name], good / "case"
    folder.mkdir()
    try:
        for file in ("clip.mp4", "points.json"):
            shutil.copy2(good / "room" / file, folder)
        (folder / "victim.txt").write_text("mine")
        case.make(folder)
        is_read = case.words.startswith("run") and "--plan" not in case.words
        old = {path: path.read_bytes() for path in folder.glob("out/*/run.json")}
        check_contract([word.strip("'") for word in case.words.split()], case.code, case.told, folder)
        for path in folder.glob("out/*/run.json") if is_read else ():
            if path.read_bytes() != old.get(path):  # what was refused before it began leaves the earlier record
                status = json.loads(path.read_text())["status"]
                assert status in STATUS[case.code], status
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", GIVEN)
def test_a_difficult_file_ends_with_its_code_and_status(name: str, good: Path, test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "nobody.json").write_text("[]")
    source, (code, told) = test_data / "data" / "nasty_inputs" / name, GIVEN[name]
    words = ["run", str(source), *QUICK.split(), "--keypoints", "nobody.json"]
    check_contract(words, code, told, tmp_path)
    for path in tmp_path.glob("out/*/run.json"):
        assert json.loads(path.read_text())["status"] in STATUS[code]
