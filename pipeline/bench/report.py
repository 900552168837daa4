"""How large the report is and how long it takes to write: of made-up runs with people who walk about."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from configs.command import OptionParser
from configs.option_types import positive_int
from configs.output_schema import ReportSettings
from configs.schema import RunSettings
from configs.skeletons import SMPL24
from pipeline.cli.tables import print_table
from pipeline.flow.atomic import write_json, write_npz
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import RunRecord, VideoRecord
from pipeline.motion.layouts import SMPLH, full_poses
from pipeline.motion.write import BETAS
from pipeline.report.write import write_page
from pipeline.results import Run

RATE_HZ = 30.0
WIDTH, HEIGHT, FOCAL_PX = 1280, 720, 1100.0
CAMERA_HEIGHT_M = 1.6
PELVIS_M = 0.93  # of the open body's mean shape, over its soles
TURN_RAD = 0.25  # of each joint, to either side
NOISE_RAD = 0.003  # motion that compresses no better than a real one


def make_run(folder: Path, people: int, seconds: float, *, name: str = "walkers.mp4", gap: bool = True) -> Run:
    """Write the folder of a run of people who walk in circles, every joint moving; return it.

    Args:
        name: of the input, as `run.json` says it.
        gap: whether everybody is filled in for a tenth of the time.
    """
    files, count = RunFolder(folder), int(seconds * RATE_HZ)
    record = RunRecord(
        settings=RunSettings().model_dump(mode="json"), input=name, status="done", frames=count, people=people,
        video=VideoRecord(width=WIDTH, height=HEIGHT, rate="30", codec="h264", duration_s=seconds), program="0",
    )  # fmt: skip
    tracks = [files.track(number) for number in range(1, people + 1)]
    for number, path in enumerate(tracks, start=1):
        write_npz(path, _walker(number, count, gap))
    write_json(files.record, record.dump())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in tracks}
    write_json(files.nodes, {"export": {"fingerprint": "made", "files": sizes, "hashes": {}}})
    return Run(folder)


def _walker(number: int, count: int, has_gap: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    times = np.arange(count) / RATE_HZ
    speed, radius = rng.uniform(0.4, 1.4), rng.uniform(0.8, 3.0)
    angle = speed / radius * times + rng.uniform(0, 2 * np.pi)
    middle = np.array([rng.uniform(-4, 4), rng.uniform(6, 12)])
    waves = rng.uniform(0.5, 2.5, (1, 22, 3)) * times[:, None, None] * 2 * np.pi + rng.uniform(0, 6, (1, 22, 3))
    pose = np.zeros((count, 24, 3))
    pose[:, :22] = TURN_RAD * np.sin(waves) + rng.normal(0, NOISE_RAD, (count, 22, 3))
    upright = Rotation.from_euler("x", 90, degrees=True)  # the body at rest has y up
    pose[:, 0] = (Rotation.from_rotvec(angle[:, None] * [0.0, 0.0, 1.0]) * upright).as_rotvec()
    trans = np.stack([middle[0] + radius * np.cos(angle), middle[1] + radius * np.sin(angle)], axis=-1)
    trans = np.column_stack([trans, np.full(count, PELVIS_M + 0.25)])
    seen = np.ones(count, bool)
    if has_gap:
        seen[int(0.3 * count) : int(0.4 * count)] = False
    betas = np.zeros(BETAS, np.float32)
    betas[:2] = rng.normal(0, 0.7, 2)
    matrix = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1.0]])
    stand = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, CAMERA_HEIGHT_M], [0, 0, 0, 1]], np.float64)
    return {
        "poses": full_poses(pose.astype(np.float32), SMPLH),
        "trans": trans.astype(np.float32),
        "betas": betas,
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(RATE_HZ),
        "timestamps": times,
        "frame_index": np.arange(count),
        "is_observed": seen,
        "is_refined": np.arange(count) >= count // 5,
        "joint_confidence": rng.uniform(0.6, 1.0, (count, len(SMPL24))).astype(np.float32) * seen[:, None],
        "camera_k": np.tile(matrix, (count, 1, 1)),
        "world_from_cam": stand,
        "original_timestamps": times,
        "original_frame_index": np.arange(count),
        "track_id": np.array(number),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench report", description=__doc__)
    parser.add_argument("--people", type=positive_int, nargs="+", default=[3, 20])
    parser.add_argument("--seconds", type=positive_int, nargs="+", default=[10, 300], help="as many as --people")
    parser.add_argument("--keep", type=Path, default=None, help="folder to leave the runs and their pages in")
    options = parser.parse_args(arguments)
    if len(options.people) != len(options.seconds):
        parser.error(f"--people names {len(options.people)} runs and --seconds {len(options.seconds)}; give as many")
    rows = [("people", "seconds", "page MB", "written in s", "samples/s in the scene")]
    with tempfile.TemporaryDirectory() as spare:
        for people, seconds in zip(options.people, options.seconds, strict=True):
            run = make_run((options.keep or Path(spare)) / f"{people}x{seconds}", people, seconds)
            begun = time.perf_counter()
            thinning = write_page(run.files.report, run, ReportSettings())
            spent = time.perf_counter() - begun
            size = run.files.report.stat().st_size / 1e6
            kept = thinning.rate_hz / thinning.stride
            rows.append(
                (str(people), str(seconds), f"{size:.2f}", f"{spent:.1f}", f"{kept:.0f} of {thinning.rate_hz:.0f}")
            )
    print_table(rows, title="reports without a video")
    return 0


if __name__ == "__main__":
    sys.exit(main())
