"""Pose2Sim beside our own line on the same keypoints of a capture: seconds, and errors against its 3D reference.

The peer runs in a Python of its own, where `pip install --no-deps pose2sim==0.10.49` and what it imports are there
(rtoml anytree c3d statsmodels filterpy tqdm pandas opencv-python-headless matplotlib scipy). It gets what every camera
saw as a camera without distortion would have seen it, its own default settings and no plots. Which of its people is
which is only known to it over short gaps, so its errors are those of whoever is nearest in each frame.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from configs.command import OptionParser
from configs.errors import InputError, RunError
from configs.gaps import longest_gap_s
from configs.read import read_settings
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from pipeline.capture import find_capture
from pipeline.cli.evaluate_app import PARTLY
from pipeline.cli.options import camera_names
from pipeline.cli.tables import note, print_table, report_result
from pipeline.device import choose_device
from pipeline.evaluation.capture import REFERENCE_FILE, read_reference
from pipeline.evaluation.multiview import HEAD, WorldJoints, joints_of_sightings, measure
from pipeline.models import Models
from pipeline.motion.posing import joint_positions
from pipeline.multiview.fusion import RIG_FROM_WORLD, track_rows
from pipeline.multiview.people import people_of, refined_rows
from pipeline.multiview.run import run_capture
from pipeline.multiview.settings import capture_settings
from pipeline.multiview.views import View, pinhole_keypoints

NAMES = (
    *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
    *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
)  # COCO's order, by Pose2Sim's names
PEER = """
import json, sys, time
from pathlib import Path
import rtoml
import Pose2Sim
from Pose2Sim import Pose2Sim as peer
config = rtoml.load(Path(Pose2Sim.__file__).parent / "Demo_SinglePerson" / "Config.toml")
project, is_crowd, rate = Path(sys.argv[1]), sys.argv[2] == "many", float(sys.argv[3])
config["project"] |= {"project_dir": str(project), "multi_person": is_crowd, "frame_rate": rate, "frame_range": "all"}
config["pose"]["pose_model"] = "Body"
config["personAssociation"]["single_person"]["tracked_keypoint"] = "RShoulder"
config["triangulation"] |= {"make_c3d": False}
config["filtering"] |= {"display_figures": False, "save_filt_plots": False, "make_c3d": False}
seconds = {}
for step in ("personAssociation", "triangulation", "filtering"):
    start = time.perf_counter()
    getattr(peer, step)(config)
    seconds[step] = time.perf_counter() - start
Path(sys.argv[4]).write_text(json.dumps(seconds))
"""


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What Pose2Sim made of a capture."""

    triangulated: dict[int, WorldJoints]
    filtered: dict[int, WorldJoints]
    seconds: float  # association and triangulation
    filter_seconds: float


def run_peer(python: Path, views: Sequence[View], rate_hz: float, is_crowd: bool) -> PeerResult:
    """Return the people that Pose2Sim finds in what the cameras saw.

    Args:
        python: of an environment with Pose2Sim.
        is_crowd: its mode for several people; the other one takes the person with the least reprojection error.

    Raises:
        RunError: it failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="pose2sim-"))
    try:
        write_project(folder, views)
        told = folder / "seconds.json"
        words = [str(folder), "many" if is_crowd else "one", str(rate_hz), str(told)]
        done = subprocess.run([str(python), "-c", PEER, *words], cwd=folder, capture_output=True, text=True)
        if done.returncode or not told.is_file():
            raise RunError(f"{python}: Pose2Sim failed: {done.stderr.strip()[-2000:]}")
        seconds = json.loads(told.read_text())
        files = sorted((folder / "pose-3d").glob("*.trc"))
        filtered = [path for path in files if "filt" in path.stem]
        plain = [path for path in files if path not in filtered]
        return PeerResult(
            {number: read_trc(path) for number, path in enumerate(plain, start=1)},
            {number: read_trc(path) for number, path in enumerate(filtered, start=1)},
            seconds["personAssociation"] + seconds["triangulation"],
            seconds["filtering"],
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_project(folder: Path, views: Sequence[View]) -> None:
    """Write a calibration and one OpenPose file per camera and frame, as Pose2Sim reads them."""
    last = max(int(view.rows.frame_index.max(initial=-1)) for view in views)
    tables = []
    for number, view in enumerate(views, start=1):
        camera = view.camera
        width, height = camera.size_px or tuple(int(2 * middle) for middle in camera.matrix[:2, 2])
        focal, (x, y) = camera.focal_px, camera.matrix[:2, 2]
        turn = cv2.Rodrigues(camera.rotation)[0].ravel().tolist()
        tables.append(
            f'[cam{number:02d}]\nname = "cam{number:02d}"\nsize = [{width}.0, {height}.0]\n'
            f"matrix = [[{focal}, 0.0, {x}], [0.0, {focal}, {y}], [0.0, 0.0, 1.0]]\n"
            f"distortions = [0.0, 0.0, 0.0, 0.0]\nrotation = {turn}\n"
            f"translation = {camera.translation_m.tolist()}\nfisheye = false\n"
        )
        poses = folder / "pose" / f"cam{number:02d}_json"
        poses.mkdir(parents=True)
        for frame in range(last + 1):
            rows = np.flatnonzero(view.rows.frame_index == frame)
            people = [
                {"person_id": [-1], "pose_keypoints_2d": [round(float(value), 4) for value in points.ravel()]}
                for points in pinhole_keypoints(view, rows)
            ]
            path = poses / f"cam{number:02d}_{frame:06d}.json"
            path.write_text(json.dumps({"version": 1.3, "people": people}))
    (folder / "calibration").mkdir()
    (folder / "calibration" / "Calib.toml").write_text("\n".join(tables))


def read_trc(path: Path) -> WorldJoints:
    """Return the joints in a TRC file of Pose2Sim: Y up, metres, frames counted from 0; joints it lacks are NaN."""
    lines = path.read_text().splitlines()
    names = lines[3].split("\t")[2::3]
    rows = [line.split("\t") for line in lines[5:] if line.strip()]
    numbers = np.array(
        [[float(cell) if cell.strip() else np.nan for cell in row[: 2 + 3 * len(names)]] for row in rows]
    )
    places = numbers[:, 2:].reshape(len(numbers), -1, 3)[..., [2, 0, 1]]  # Y, Z, X of a world whose Z is up
    joints = np.full((len(numbers), len(NAMES), 3), np.nan)
    for column, name in enumerate(names[: places.shape[1]]):
        if name in NAMES:
            joints[:, NAMES.index(name)] = places[:, column]
    return WorldJoints(numbers[:, 0].astype(np.int64), joints)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench multiview", description="Our line beside Pose2Sim, on one capture.")
    parser.add_argument("capture", type=Path, help="calibration, a video per camera, 3D reference")
    parser.add_argument("--pose2sim", type=Path, required=True, help="Python of an environment with Pose2Sim")
    parser.add_argument("--cameras", help="names, such as cam01,cam02; else all with a video")
    parser.add_argument("--detector", help="pose weights")
    parser.add_argument("--output", type=Path, default=Path("out"), help="where the views' runs lie")
    parser.add_argument("--refine", choices=["smooth", "fit", "guided"], help="guided, if not given")
    options = parser.parse_args(arguments)
    if not options.pose2sim.is_file():
        raise InputError(f"{options.pose2sim}: no such file; give the Python of an environment with Pose2Sim")
    given = {"detect.weights": options.detector, "refine.mode": options.refine, "overlay.is_written": False}
    settings = capture_settings(read_settings(None, given, []))
    capture = find_capture(options.capture, None)
    reference = read_reference(options.capture / REFERENCE_FILE)
    names = camera_names(options.cameras)
    done = run_capture(capture, options.output, settings, names=names, on_view=report_result)
    if done.problem:
        note(f"warning: {done.problem}")
    frames = done.frame_count
    rows = list(_ours(done.views, float(done.rate), settings, reference, frames))
    peer = run_peer(options.pose2sim, done.views, float(done.rate), is_crowd=len(reference) > 1)
    for name, people, seconds in (
        ("Pose2Sim, triangulation", peer.triangulated, peer.seconds),
        ("Pose2Sim, filtered", peer.filtered, peer.seconds + peer.filter_seconds),
    ):
        rows.append((name, *measure(people, reference).row(), f"{seconds:.2f}", f"{frames / seconds:.1f}"))
    print_table([("", *HEAD, "seconds", "frames/s"), *rows], title=f"{len(done.views)} cameras, {frames} frames")
    return PARTLY if done.problem else 0


def _ours(
    views: Sequence[View], rate_hz: float, settings: RunSettings, reference: np.ndarray, frames: int
) -> list[tuple[str, ...]]:
    """Return the lines of triangulation and of the refined people, with the seconds that each takes."""
    use_one_thread_each()
    models = Models(settings, choose_device(settings.runtime.device))
    body = models.body()
    models.motion_prior()
    start = time.perf_counter()
    people = people_of(views, rate_hz)
    triangulated_s = time.perf_counter() - start
    tracks = [track_rows(seen, views, body, longest_gap_s(settings), person.id) for person, seen in people]
    fits = refined_rows([track for track, _ in tracks], body, settings, models)
    seconds = time.perf_counter() - start
    seen = {person.id: joints_of_sightings(seen) for person, seen in people}
    fitted = {
        person.id: WorldJoints(at, joint_positions(body, fit.pose, fit.betas, fit.trans, "coco17") @ RIG_FROM_WORLD)
        for (person, _), (_, at), fit in zip(people, tracks, fits, strict=True)
    }
    return [
        (name, *measure(joints, reference).row(), f"{taken:.2f}", f"{frames / taken:.1f}")
        for name, joints, taken in (
            ("ours, triangulation", seen, triangulated_s),
            (f"ours, people ({settings.refine.mode})", fitted, seconds),
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
