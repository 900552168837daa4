"""Fits the weights of `trackers.costs` to simulated crowds: `python -m trackers.bench.fit CLIPS`.

Every pair of a track and a detection near it, as the tracker with its present weights meets them, is one row: whether
both are the same person. The fit is that of a logistic regression with a small ridge.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from configs.command import OptionParser, exit_code_of
from configs.schema import TrackSettings
from trackers.bench.clips import read_clips
from trackers.costs import WEIGHTS_PATH, expect, pair_blocks
from trackers.tracker import Tracker
from trackers.types import Detections

ROWS_MAX = 30_000  # of a clip
RIDGE = 1e-4
SPREAD_MIN = 0.02  # of a feature; one that hardly varies gets no large weight


class _Witness(Tracker):
    """A tracker that keeps the features of the pairs it meets."""

    def __init__(self) -> None:
        super().__init__(TrackSettings())
        self.truth: dict[bytes, int] = {}  # whom a box shows
        self.features: list[np.ndarray] = []
        self.is_same: list[np.ndarray] = []

    def _associate(
        self, people: Detections, looks: np.ndarray | None, covered: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        known = self._known
        if len(known) and len(people):
            tracked, found = (
                np.array([self.truth[box.tobytes()] for box in boxes])
                for boxes in (known.boxes_xyxy, people.boxes_xyxy)
            )
            for row, column, features in pair_blocks(expect(known, self._time_s), people, covered):
                is_person = tracked[row] > 0
                self.features.append(features[is_person])
                self.is_same.append((tracked[row] == found[column])[is_person])
        return super()._associate(people, looks, covered)


def meet(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return features (R, F) of the pairs of a clip, and whether both are the same person (R,)."""
    with np.load(folder / "detections.npz", allow_pickle=False) as file:
        arrays = dict(file)
    edges = np.searchsorted(arrays["frame_index"], np.arange(len(arrays["time_s"]) + 1))
    cuts, witness = set(arrays["cuts"].tolist()), _Witness()
    for frame, time_s in enumerate(arrays["time_s"]):
        rows = slice(edges[frame], edges[frame + 1])
        people = Detections(arrays["boxes_xyxy"][rows], arrays["scores"][rows], arrays["keypoints"][rows])
        witness.truth |= {
            box.tobytes(): int(who) for box, who in zip(people.boxes_xyxy, arrays["truth_id"][rows], strict=True)
        }
        if frame in cuts:
            witness.end_all()
        witness.update(people, float(time_s), frame)
    features, is_same = np.concatenate(witness.features), np.concatenate(witness.is_same)
    kept = np.random.default_rng(0).random(len(features)) < ROWS_MAX / len(features)
    return features[kept], is_same[kept]


def fit(features: np.ndarray, is_same: np.ndarray) -> np.ndarray:
    """Return the weights (F,) of a logistic regression."""
    spread = np.maximum(features.std(axis=0), SPREAD_MIN)
    spread[0] = 1.0
    scaled = features / spread

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = scaled @ weights
        wrong = 1 / (1 + np.exp(-np.clip(odds, -50, 50))) - is_same
        value = (np.logaddexp(0, odds) - is_same * odds).mean() + RIDGE * (weights**2).sum()
        return float(value), scaled.T @ wrong / len(odds) + 2 * RIDGE * weights

    found = minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 400})
    return np.asarray(found.x / spread)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write; return the exit code."""
    return exit_code_of(lambda: _run(_parse(arguments)))


def _run(options: argparse.Namespace) -> None:
    parts = [meet(clip.folder) for clip in read_clips(options.clips)]
    features, is_same = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights = fit(features, is_same)
    right = ((features @ weights > 0) == is_same).mean()
    options.output.write_text(json.dumps({"pairs": len(features), "weights": [round(w, 4) for w in weights.tolist()]}))
    sys.stdout.write(f"{len(features)} pairs, {is_same.mean():.1%} of them the same person; {right:.2%} told right\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="python -m trackers.bench.fit", description=(__doc__ or "").strip())
    parser.add_argument("clips", type=Path, help="folder of `dpmesh-video data crowd-detections`")
    parser.add_argument("--output", type=Path, default=WEIGHTS_PATH, help="where the weights go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
