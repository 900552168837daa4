"""How much memory and time a crowd takes: the whole command on keypoints of many people in few frames."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.bench.line import BenchTable, measure_command
from pipeline.media import VideoWriter

WIDTH, HEIGHT, PERSON_PX = 1280, 720, 40
FRAMES = 2
# x and y of the COCO keypoints of a person who stands, as fractions of the box.
STANDING = (
    *((0.5, 0.06), (0.53, 0.04), (0.47, 0.04), (0.57, 0.06), (0.43, 0.06), (0.64, 0.2), (0.36, 0.2), (0.7, 0.36)),
    *((0.3, 0.36), (0.72, 0.5), (0.28, 0.5), (0.58, 0.52), (0.42, 0.52), (0.59, 0.75), (0.41, 0.75), (0.6, 0.97)),
    (0.4, 0.97),
)


def bench_crowd(counts: Sequence[int], is_overlay_written: bool) -> Iterator[BenchTable]:
    """Yield one table: each number of people against the first."""
    rows: list[tuple[str, ...]] = [("people per frame", "rows", "seconds", "ms per row", "MiB", "over the first")]
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "crowd.mp4")
        first_mib = 0.0
        for count in counts:
            keypoints = write_keypoints(Path(folder) / f"{count}.json", count)
            output = Path(folder) / str(count)
            given = ["--keypoints", str(keypoints), "--refine", "off", "--set", "link.frames_min=1"]
            given += [] if is_overlay_written else ["--no-overlay"]
            run = measure_command(clip, output, given)
            first_mib = first_mib or run.peak_mib
            per_row = f"{1000 * run.seconds / max(1, run.rows):.0f}"
            over = f"{run.peak_mib - first_mib:+.0f} MiB"
            rows.append((str(count), str(run.rows), f"{run.seconds:.1f}", per_row, f"{run.peak_mib:.0f}", over))
    yield BenchTable(f"{FRAMES} frames of a crowd, --refine off", rows)


def write_clip(path: Path) -> Path:
    """Write a clip of gray frames."""
    with VideoWriter(path, WIDTH, HEIGHT, Fraction(25)) as video:
        for frame in range(FRAMES):
            video.write(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), frame / 25)
    return path


def write_keypoints(path: Path, count: int) -> Path:
    """Write COCO results of this many people on a grid, in every frame."""
    columns = int(np.ceil(np.sqrt(count * WIDTH / HEIGHT)))
    step = np.array([WIDTH / columns, (HEIGHT - PERSON_PX) / -(-count // columns)])
    places = np.stack([np.arange(count) % columns, np.arange(count) // columns], axis=1) * step
    points = places[:, None] + np.array(STANDING) * (0.6 * PERSON_PX, PERSON_PX)
    keypoints = np.concatenate([points, np.full((count, 17, 1), 0.9)], axis=2).reshape(count, -1).round(2)
    people = [
        {"image_id": frame, "category_id": 1, "score": 0.9, "keypoints": person}
        for frame in range(FRAMES)
        for person in keypoints.tolist()
    ]
    path.write_text(json.dumps(people))
    return path
