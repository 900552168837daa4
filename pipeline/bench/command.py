"""The commands `dpmesh-video bench line`, `precision`, `crowd` and `refine-memory`, and their options."""

from pathlib import Path

from configs.command import OptionParser
from pipeline.bench.crowd import bench_crowd
from pipeline.bench.line import bench_line
from pipeline.bench.precision import bench_precision
from pipeline.bench.refine import bench_refine_memory
from pipeline.cli.tables import print_table
from pipeline.demo import DEMO_CLIP


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench", description="Print figures of this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    line = commands.add_parser("line", help="time and memory of the whole line against one look of the detector")
    line.add_argument("--short-s", type=float, default=10.0, help="length of the short input")
    line.add_argument("--long-s", type=float, default=600.0, help="length of the long input; 0: none")
    precision = commands.add_parser("precision", help="bodies of a bfloat16 run against those of a float32 run")
    for command in (line, precision):
        command.add_argument("--clip", type=Path, default=DEMO_CLIP, help="video; `line` loops it")
        command.add_argument("--detector", default="bundled", help="pose weights")
    memory = commands.add_parser("refine-memory", help="memory of refining short and long tracks")
    memory.add_argument("--short-min", type=float, default=1.0, help="minutes of motion of the short tracks")
    memory.add_argument("--long-min", type=float, default=20.0, help="minutes of motion of the long tracks")
    memory.add_argument("--people", type=int, default=5)
    memory.add_argument("--refine", choices=["smooth", "fit"], default="fit", help="mode of refinement")
    memory.add_argument("--steps", type=int, default=2, help="solver steps")
    crowd = commands.add_parser("crowd", help="memory and time of many people in a frame")
    crowd.add_argument(
        "--people", type=int, nargs="+", default=[20, 500, 2000], help="number of people in each of two frames"
    )
    crowd.add_argument("--overlay", action="store_true", help="also write the overlay")
    options = parser.parse_args(arguments)
    if options.command == "line":
        tables = bench_line(options.clip, options.detector, options.short_s, options.long_s)
    elif options.command == "refine-memory":
        given = options.short_min, options.long_min, options.people, options.refine, options.steps
        tables = bench_refine_memory(*given)
    elif options.command == "crowd":
        tables = bench_crowd(options.people, options.overlay)
    else:
        tables = bench_precision(options.clip, options.detector)
    for table in tables:
        print_table(table.rows, title=table.title)
    return 0
