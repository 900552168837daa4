"""The command `dpmesh-video bench analytics`: the measures beside PedPy, and a large crowd."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely

from configs.command import OptionParser
from pipeline.analytics.density import Grid, cells_of, classic_density, density_profile, part_inside, voronoi_density
from pipeline.analytics.speed import individual_speed
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.analytics.trajectory_files import write_hdf5
from pipeline.bench.line import measure
from pipeline.cli.tables import print_table

RATE_HZ = 10.0
CELL_M = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench analytics", description="Analytics: speed beside PedPy, and memory.")
    parser.add_argument("--people", type=int, default=1000, help="people of the large crowd; 0: leave it out")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the large crowd is there")
    parser.add_argument("--cells", type=int, nargs=2, default=(50, 75), help="rows and columns of the profile")
    parser.add_argument("--frames", type=int, default=30, help="frames of the comparison; 0: leave it out")
    options = parser.parse_args(arguments)
    if options.frames:
        rows = compare(121, options.frames, tuple(options.cells))
        print_table(rows, title=f"121 people x {options.frames} frames, profile of {options.cells[0]} x "
                    f"{options.cells[1]} cells; seconds of one processor")  # fmt: skip
    if options.people:
        print_table(
            measure_crowd(options.people, options.minutes),
            title=f"analyze: {options.people} people x {options.minutes:g} min at {RATE_HZ:g} frames/s, from HDF5",
        )
    return 0


def wander(people: int, frames: int, size_m: tuple[float, float], seed: int = 0) -> Trajectories:
    """Return people who walk about in a rectangle and turn back at its sides."""
    rng = np.random.default_rng(seed)
    size = np.array(size_m)
    heading = rng.uniform(0, 2 * np.pi, (people, 1)) + rng.normal(0, 0.05, (people, frames)).cumsum(axis=1)
    step = rng.normal(1.3, 0.2, (people, 1, 1)) / RATE_HZ * np.stack([np.cos(heading), np.sin(heading)], axis=2)
    place = rng.uniform(0, size, (people, 2))[:, None] + step.cumsum(axis=1)
    folded = np.abs((place + size) % (2 * size) - size)  # a mirror at every side
    xy_m = np.clip(folded, 0.01, size - 0.01).reshape(-1, 2)
    return sorted_trajectories(np.repeat(np.arange(people), frames), np.tile(np.arange(frames), people), xy_m, RATE_HZ)


def compare(people: int, frames: int, cells: tuple[int, int]) -> list[tuple[str, ...]]:
    """Return the seconds of PedPy and of ours, their ratio, and the largest difference of their results."""
    import pandas
    import pedpy

    size = (cells[1] * CELL_M, cells[0] * CELL_M)
    walkers = wander(people, frames, size)
    x, y = walkers.xy_m.T
    table = pandas.DataFrame({"id": walkers.person, "frame": walkers.frame, "x": x, "y": y})
    theirs, room = pedpy.TrajectoryData(table, RATE_HZ), shapely.box(0, 0, *size)
    area, inner = pedpy.WalkableArea(room), shapely.box(*(0.25 * np.array(size)), *(0.75 * np.array(size)))
    measured = pedpy.MeasurementArea(inner)
    all_frames = walkers.frame_range

    def their_voronoi() -> np.ndarray:
        polygons = pedpy.compute_individual_voronoi_polygons(traj_data=theirs, walkable_area=area)
        found, _ = pedpy.compute_voronoi_density(individual_voronoi_data=polygons, measurement_area=measured)
        return np.array(found.density)

    def their_profile() -> np.ndarray:
        polygons = pedpy.compute_individual_voronoi_polygons(traj_data=theirs, walkable_area=area)
        found = pedpy.compute_density_profile(
            data=polygons, walkable_area=area, grid_size=CELL_M, density_method=pedpy.DensityMethod.VORONOI
        )
        return np.array(found)[:, ::-1]

    def their_speed() -> np.ndarray:
        exclude = pedpy.SpeedCalculation.BORDER_EXCLUDE
        found = pedpy.compute_individual_speed(traj_data=theirs, frame_step=5, speed_calculation=exclude)
        return np.array(found.sort_values(["id", "frame"]).speed)

    def our_speed() -> np.ndarray:
        found = individual_speed(walkers, 5, "exclude").speed
        return found[np.isfinite(found)]

    pairs: dict[str, tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]] = {
        "classic density": (
            lambda: np.array(pedpy.compute_classic_density(traj_data=theirs, measurement_area=measured).density),
            lambda: classic_density(walkers, inner),
        ),
        "individual speed": (their_speed, our_speed),
        "Voronoi density": (
            their_voronoi,
            lambda: voronoi_density(part_inside(cells_of(walkers, room), inner), all_frames),
        ),
        "profile": (
            their_profile,
            lambda: density_profile(cells_of(walkers, room), Grid.over(room.bounds, CELL_M)),
        ),
    }
    rows: list[tuple[str, ...]] = [("measure", "PedPy", "ours", "ratio", "largest difference")]
    for name, (their, our) in pairs.items():
        (expected, their_s), (found, our_s) = _timed(their), _timed(our)
        off = float(np.abs(found - expected).max())
        rows.append((name, f"{their_s:.3f}", f"{our_s:.4f}", f"{their_s / our_s:.0f}", f"{off:.1e}"))
    return rows


def _timed(function: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the result and the seconds of the processor, which other programs do not lengthen."""
    start = time.process_time()
    found = function()
    return found, time.process_time() - start


def measure_crowd(people: int, minutes: float) -> list[tuple[str, ...]]:
    """Return seconds and memory of the command `analyze` on a large crowd, in a process of its own."""
    frames = round(minutes * 60 * RATE_HZ)
    side = float(np.sqrt(people / 0.4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crowd.h5"
        write_hdf5(path, wander(people, frames, (side, side)))
        (Path(folder) / "line.json").write_text(
            f'{{"lines": [{{"name": "middle", "points_m": [[{side / 2}, 0], [{side / 2}, {side}]]}}]}}'
        )
        command = [sys.executable, "-m", "pipeline.cli", "analyze", str(path), "--lines", f"{folder}/line.json"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run = measure([*command, "--output", folder])
        processor_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        read_mib = path.stat().st_size / 2**20
    return [
        ("positions", "file MiB", "seconds", "of a processor", "peak MiB"),
        (f"{people * frames:,}", f"{read_mib:.0f}", f"{run.seconds:.1f}", f"{processor_s:.1f}", f"{run.peak_mib:.0f}"),
    ]
