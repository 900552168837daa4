"""What more cameras and more people cost: association, triangulation and fusion of simulated views."""

import sys
import time
from collections.abc import Sequence
from itertools import pairwise

from configs.command import OptionParser
from configs.gaps import longest_gap_s
from configs.option_types import positive_int
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from dpmesh.body import BodyModel, load_body
from pipeline.bench.capture_memory import bench_capture_memory
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.cli.tables import print_table
from pipeline.multiview.fusion import sightings_of, track_rows
from pipeline.multiview.people import who_is_who
from pipeline.multiview.views import view_of

RATE_HZ, FRAMES = 30.0, 30
ROOM_M = 4.0  # from its middle to the cameras


def time_rig(body: BodyModel, cameras: int, people: int) -> tuple[float, ...]:
    """Return the seconds for `FRAMES` frames: who is who, triangulation, fusion; and how many people were found."""
    walkers = Walkers(body, people, FRAMES)
    ids = [[who + 1] * FRAMES for who in range(people)]
    views = [view_of(camera, walkers.seen_by(camera, ids, noise_px=2.0)) for camera in cameras_round(cameras, ROOM_M)]
    clock = [time.perf_counter()]
    found = who_is_who(views, RATE_HZ)
    clock.append(time.perf_counter())
    seen = [sightings_of(person, views, RATE_HZ) for person in found]
    clock.append(time.perf_counter())
    for person, each in zip(found, seen, strict=True):
        track_rows(each, views, body, longest_gap_s(RunSettings()), person.id)
    clock.append(time.perf_counter())
    return *(after - before for before, after in pairwise(clock)), len(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench rig", description=__doc__)
    parser.add_argument("--cameras", type=positive_int, nargs="+", default=[4, 8, 16, 31])
    parser.add_argument("--people", type=positive_int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument(
        "--memory-min", type=float, nargs="+", help="memory of captures of so many minutes in place of seconds"
    )
    options = parser.parse_args(arguments)
    if options.memory_min:
        for table in bench_capture_memory(options.memory_min, options.cameras[0], options.people[0]):
            print_table(table.rows, title=table.title)
        return 0
    use_one_thread_each()
    body = load_body(None)
    time_rig(body, 2, 1)  # what is loaded and made once
    rows: list[tuple[str, ...]] = [
        ("cameras", "people", "who is who s", "triangulation s", "fusion s", "frames/s", "people found")
    ]
    for cameras in options.cameras:
        for people in options.people:
            *seconds, found = time_rig(body, cameras, people)
            cells = (f"{each:.2f}" for each in seconds)
            rows.append((str(cameras), str(people), *cells, f"{FRAMES / sum(seconds):.1f}", str(found)))
    print_table(rows, title=f"{FRAMES} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
