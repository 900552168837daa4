"""The command `dpmesh-video evaluate difference`."""

import sys
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from pipeline.cli.tables import print_table, say
from pipeline.evaluation.difference import FAR_M, compare_tracks
from pipeline.results import Run

PERIODS_SHOWN = 8


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(
        prog="dpmesh-video evaluate difference",
        description="Print how far two runs of one clip are apart, in identities and joints (camera axes).",
    )
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="folders of two runs of one clip, as out/clip")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    first, second = (Run(path) for path in options.runs)
    found = compare_tracks(list(first.tracks()), list(second.tracks()), first.body)
    share = found.same_rows / max(1, *found.rows)
    print_table(
        [
            ("", str(options.runs[0]), str(options.runs[1]), "the same"),
            ("people", str(found.people[0]), str(found.people[1]), str(found.same_people)),
            ("rows", str(found.rows[0]), str(found.rows[1]), f"{found.same_rows} ({share:.2%})"),
        ],
        title="identities",
    )
    if len(found.apart_m):
        middle, high = np.quantile(found.apart_m, (0.5, 0.95))
        millimetres = [f"{1000 * value:.3f}" for value in (middle, high, found.apart_m.max())]
        print_table([("median mm", "95 % mm", "largest mm"), tuple(millimetres)], title="joints of people in both")
    periods = found.far_periods()
    said = ", ".join(f"{begin:.1f} to {end:.1f} s" for begin, end in periods[:PERIODS_SHOWN])
    more = f" and {len(periods) - PERIODS_SHOWN} more periods" if len(periods) > PERIODS_SHOWN else ""
    say(f"apart by more than {1000 * FAR_M:g} mm: {f'{said}{more}' if periods else 'never'}")
    return 0
