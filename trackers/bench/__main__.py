"""Trackers beside each other on the same detections, each tuned on clips of other seeds by the same search.

    python -m trackers.bench --clips TEST --tune TUNE [--peers PYTHON] [--only NAME ...]

The clips come from `dpmesh-video data crowd-detections`. Peers are installed for another Python, as one of them is a
package called `trackers`, too. Motion of the camera is given to all who can take it, and at a cut all begin anew. For
the truth that counts hidden people, gaps of up to 50 frames are filled by a straight line where that is better on the
clips for tuning: for all alike.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from configs.command import OptionParser, exit_code_of
from configs.option_types import positive_int
from trackers.bench.clips import Boxes, Clip, read_clips
from trackers.bench.search import BOXES_ONLY, GRIDS, OURS, PeerProcess, Tracked, own_tracker, score, tune


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    return exit_code_of(lambda: _run(_parse(arguments)))


def _run(options: argparse.Namespace) -> None:
    clips, tuning = read_clips(options.clips), read_clips(options.tune)
    sys.stdout.write("| density | truth | tracker | HOTA | IDF1 | MOTA | switches | frames/s | filled |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|---|---|\n")
    for name in options.only or GRIDS:
        if name in (OURS, BOXES_ONLY):
            _measure(own_tracker(), name, clips, tuning, options.trials)
        elif options.peers is not None:
            peer = PeerProcess(options.peers, name)
            try:
                _measure(peer.track, name, clips, tuning, options.trials)
            finally:
                peer.close()


def _measure(track: Tracked, name: str, clips: list[Clip], tuning: list[Clip], trials: int) -> None:
    """Tune a tracker and print its rows."""
    done: dict[str, list[tuple[Boxes, float]]] = {}
    for truth, choice in tune(track, name, tuning, trials).items():
        key = json.dumps(choice.settings)
        answers = done.setdefault(key, done.get(key) or [track(clip.folder, choice.settings) for clip in clips])
        for density in dict.fromkeys(clip.density for clip in clips):
            rows = [k for k, clip in enumerate(clips) if clip.density == density]
            mine = [clips[k] for k in rows]
            values = score(mine, [answers[k][0] for k in rows], truth, is_filled=choice.is_filled)
            rate = sum(clip.frames for clip in mine) / max(sum(answers[k][1] for k in rows), 1e-9)
            sys.stdout.write(
                f"| {density} | {truth} | {name} | {values['HOTA']:.1f} | {values['IDF1']:.1f} | {values['MOTA']:.1f} "
                f"| {values['switches']:.0f} | {rate:.0f} | {'yes' if choice.is_filled else 'no'} |\n"
            )
        sys.stderr.write(f"{name}, {truth}: {json.dumps(choice.settings)}\n")
        sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="python -m trackers.bench", description=(__doc__ or "").strip())
    parser.add_argument("--clips", required=True, type=Path, help="folder of the clips to measure on")
    parser.add_argument("--tune", required=True, type=Path, help="folder of clips of other seeds")
    parser.add_argument("--peers", type=Path, help="a Python that has the peers; without it, only this project's")
    parser.add_argument("--only", nargs="+", choices=list(GRIDS), help="some of them")
    parser.add_argument("--trials", type=positive_int, default=12, help="settings that are tried of each")
    options = parser.parse_args(arguments)
    if options.clips.resolve() == options.tune.resolve():
        parser.error("--tune: is the folder of --clips; give clips of other seeds, or nothing is measured")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
