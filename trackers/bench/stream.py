"""Speed and memory of the tracker over a long video: `python -m trackers.bench.stream CLIP --minutes 100`.

The detections of one clip come forwards and backwards, over and over, so that nobody jumps and people are born and lost
as long as it lasts.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs.command import OptionParser, exit_code_of
from configs.option_types import positive_float
from configs.schema import TrackSettings
from trackers.bench.clips import read_detections
from trackers.tracker import Tracker

PARTS = 10
RATE_HZ = 25.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    return exit_code_of(lambda: _run(_parse(arguments)))


def _run(options: argparse.Namespace) -> None:
    found = read_detections(options.clip)
    found = found + found[-2:0:-1]
    people = float(np.mean([len(one) for one in found]))
    sys.stdout.write(
        f"{people:.1f} detections per frame\n| minute | frames/s | memory MB | identities |\n|---|---|---|---|\n"
    )
    tracker, frame, highest = Tracker(TrackSettings()), 0, 0
    for part in range(1, PARTS + 1):
        start, first = time.process_time(), frame
        for frame in range(first, round(part * options.minutes * 60 * RATE_HZ / PARTS)):
            shown = tracker.update(found[frame % len(found)], frame / RATE_HZ, frame)
            highest = max(highest, int(shown.track_ids.max(initial=0)))
        frame += 1
        rate = (frame - first) / max(time.process_time() - start, 1e-9)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"| {part * options.minutes / PARTS:g} | {rate:.0f} | {memory:.1f} | {highest} |\n")
        sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="python -m trackers.bench.stream", description=(__doc__ or "").strip())
    parser.add_argument("clip", type=Path, help="a clip of `dpmesh-video data crowd-detections`")
    parser.add_argument("--minutes", type=positive_float, default=100.0, help="of video, at 25 frames per second")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
