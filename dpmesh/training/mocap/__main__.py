"""`python -m dpmesh.training.mocap --archive A.tar.xz --output poses.npz`: make a pose bank."""

import argparse
import logging
import sys
from pathlib import Path

from configs.errors import DpmeshVideoError
from dpmesh.training.mocap.check import check_collections, format_table
from dpmesh.training.mocap.convert import convert, read_archives
from dpmesh.training.mocap.target import body_rest_joints


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dpmesh.training.mocap", description=__doc__)
    parser.add_argument("--archive", action="append", type=Path, required=True, help="tar archive, once for each")
    parser.add_argument("--output", type=Path, required=True, help="npz to write")
    parser.add_argument("--check", action="store_true", help="also print how true each collection is to its source")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        rest_m = body_rest_joints(options.body)
        files = read_archives(options.archive)
        bank = convert(files, rest_m)
        bank.write(options.output)
        if options.check:
            print(format_table(check_collections(files, rest_m)))
    except DpmeshVideoError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.output}  {len(bank.names)} sequences  {len(bank.pose)} frames  {bank.rate_hz:g} fps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
