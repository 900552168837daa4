"""The command `dpmesh-video evaluate crowd`: analytics against simulated crowds whose answers are known."""

from configs.command import OptionParser
from pipeline.cli.tables import print_table, say
from pipeline.evaluation.crowds import error_tables
from pipeline.evaluation.simulated_crowd import ROOM_M


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video evaluate crowd", description="Analytics on simulated crowds.")
    parser.add_argument("--densities", type=float, nargs="+", default=[0.1, 0.25, 0.5], help="people per square metre")
    parser.add_argument("--heights", type=float, nargs="+", default=[2.5, 4.0, 8.0], help="of the camera, metres")
    parser.add_argument("--crowds", type=int, default=6, help="crowds of each density; figures are their means")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is watched")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    errors, intervals = error_tables(given.densities, given.heights, given.crowds, given.seconds, given.seed)
    room = f"{ROOM_M[0]:g} x {ROOM_M[1]:g} m"
    print_table(errors, title=f"errors, {given.crowds} crowds of {room} for {given.seconds:g} s")
    print_table(intervals, title="how often 90 % intervals hold the truth")
    say("aims on true tracks: people 3 %, density 10 %, speed 5 %; intervals 85 to 95 % where everybody is found")
    return 0
