"""The command `dpmesh-video evaluate crowd`: analytics against simulated crowds whose answers are known."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from configs.analytics_schema import AnalyticsSettings
from configs.command import OptionParser
from configs.option_types import positive_float, positive_int, whole
from pipeline.cli.tables import print_table, say
from pipeline.evaluation.crowds import HELD, TRUE, Figures, measure, ways_to_see
from pipeline.evaluation.line_crowds import HELD as LINE_HELD
from pipeline.evaluation.line_crowds import measure_line, read_line_crowd, run_line
from pipeline.evaluation.simulated_crowd import ROOM_M, simulate


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video evaluate crowd", description="Analytics on simulated crowds.")
    parser.add_argument(
        "--densities", type=positive_float, nargs="+", default=[0.1, 0.25, 0.5], help="people per square metre"
    )
    parser.add_argument(
        "--heights", type=positive_float, nargs="+", default=[2.5, 4.0, 8.0], help="of the camera, metres"
    )
    parser.add_argument(
        "--crowds", type=positive_int, default=6, help="crowds of each density; figures are their means"
    )
    parser.add_argument("--seconds", type=positive_float, default=10.0, help="how long each is watched")
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument(
        "--line", type=Path, nargs="+", help="clips of `data crowd-detections --heights` in place of simulated crowds: "
        "their detections go through the whole line",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("out"), help="where --line keeps its runs")
    parser.add_argument("--focal", action="store_true", help="--line is told the focal length")
    options = parser.parse_args(arguments)
    settings = AnalyticsSettings(sample_hz=0.5)
    if options.line:
        _measure_line(options.line, options.output, settings, is_focal_given=options.focal)
        return 0
    errors: list[tuple[str, ...]] = [
        ("crowd", "people", "density", "|density|", "speed", "|speed|", "flow", "|distance|", "groups F1")
    ]
    intervals: list[tuple[str, ...]] = [("crowd", *HELD)]
    for density in options.densities:
        found: dict[str, list[Figures]] = {}
        for number in range(options.crowds):
            seed = options.seed + number
            crowd = simulate(density, options.seconds, seed)
            for name, tracks, truth in ways_to_see(crowd, options.heights, seed, settings):
                found.setdefault(name, []).append(measure(crowd, tracks, truth, settings))
        for name, figures in found.items():
            row = f"{density:g}/m2, {name}"
            errors.append((row, *_shown(figures)))
            if name != TRUE:
                intervals.append((row, *(f"{100 * _mean(each.held[key] for each in figures):.0f} %" for key in HELD)))
    print_table(
        errors, title=f"errors, {options.crowds} crowds of {ROOM_M[0]:g} x {ROOM_M[1]:g} m for {options.seconds:g} s"
    )
    print_table(intervals, title="how often 90 % intervals hold the truth")
    say("aims on true tracks: people 3 %, density 10 %, speed 5 %; intervals 85 to 95 % where everybody is found")
    return 0


def _measure_line(folders: list[Path], output: Path, settings: AnalyticsSettings, *, is_focal_given: bool) -> None:
    rows: list[tuple[str, ...]] = [
        (
            "clip",
            "people",
            "density",
            "speed",
            "place",
            "found",
            "focal",
            "height",
            "tilt",
            *(f"{name} held" for name in LINE_HELD),
        )
    ]
    for folder in folders:
        crowd = read_line_crowd(folder)
        each = measure_line(crowd, run_line(crowd, output, is_focal_given=is_focal_given), settings)
        rows.append((
            crowd.name, *(f"{100 * value:+.0f} %" for value in (each.people, each.density, each.speed)),
            f"{each.place_m:.2f} m", f"{100 * each.found:.0f} %", f"{100 * each.focal:+.0f} %",
            f"{each.height_m:+.2f} m", f"{each.tilt_deg:+.1f}°",
            *(f"{100 * each.held[name]:.0f} %" for name in LINE_HELD),
        ))  # fmt: skip
    print_table(rows, title="detections through the whole line; errors, and how often 90 % intervals hold the truth")


def _mean(values: Iterable[float]) -> float:
    return float(np.nanmean(list(values)))


def _shown(found: list[Figures]) -> tuple[str, ...]:
    """Return the means over crowds as text; signed ones are means of signed errors."""

    def of(name: str) -> float:
        return _mean(getattr(each, name) for each in found)

    return (
        f"{100 * of('people'):+.1f} %", f"{100 * of('density'):+.1f} %", f"{100 * of('density_absolute'):.1f} %",
        f"{100 * of('speed'):+.1f} %", f"{100 * of('speed_absolute'):.1f} %", f"{100 * of('flow'):+.1f} %",
        f"{of('distance_m'):.2f} m", f"{100 * of('group_f1'):.0f} %",
    )  # fmt: skip
