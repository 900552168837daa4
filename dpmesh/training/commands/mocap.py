"""Make a pose bank."""

import argparse
from pathlib import Path

from configs.command import OptionParser
from dpmesh.training.commands.options import run_command
from dpmesh.training.mocap.check import check_collections, format_table
from dpmesh.training.mocap.convert import convert, read_archives
from dpmesh.training.mocap.target import body_rest_joints


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data mocap", description=__doc__)
    parser.add_argument("--archive", action="append", type=Path, required=True, help="tar archive, once for each")
    parser.add_argument("--output", type=Path, required=True, help="npz to write")
    parser.add_argument("--check", action="store_true", help="also print the retargeting error of each collection")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the bank."""
    rest_m = body_rest_joints(options.body)
    files = read_archives(options.archive)
    bank = convert(files, rest_m)
    bank.write(options.output)
    if options.check:
        print(format_table(check_collections(files, rest_m)))
    print(f"{options.output}  {len(bank.names)} sequences  {len(bank.pose)} frames  {bank.rate_hz:g} fps")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
