"""Command: look for the person of every training crop with a detector, so that recovery learns its real errors.

Beside each shard `crops_N.npz` a file `detected_N.npz` appears with `keypoints` (n, 17, 3): x, y in pixels of the crop
and confidence, NaN where the detector did not find the person.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from trackers.detector import PoseDetector
from trackers.types import Detections

DPMESH30_OF_COCO = (24, 25, 26, 27, 28, 16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8)
FAR = 0.25  # of the person's extent: people whose keypoints are farther off on average are somebody else
SCORE_MIN = 0.05
BATCH = 50


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m trackers.training.crop_keypoints", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--crops", type=Path, nargs="+", required=True, help="folders of shards")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    detector: PoseDetector | None = None
    found, total = 0, 0
    for path in sorted(path for folder in options.crops for path in folder.glob("crops_*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            images, joints = arrays["image"], arrays["joints30_px"][:, list(DPMESH30_OF_COCO)]
        if detector is None:
            detector = PoseDetector(
                options.weights,
                device=options.device,
                image_px=images.shape[1],
                score_min=SCORE_MIN,
                people_max=8,
                batch_frames=BATCH,
            )
        people = detector.detect(list(images))
        keypoints = np.stack([_person(seen, true) for seen, true in zip(people, joints, strict=True)])
        part = path.with_name("." + path.name)
        with open(part, "wb") as file:
            np.savez(file, keypoints=keypoints, allow_pickle=False)
        part.replace(path.with_name(path.name.replace("crops_", "detected_")))
        found, total = found + int(np.isfinite(keypoints[:, 0, 0]).sum()), total + len(keypoints)
        sys.stderr.write(f"{path.name}: {found} of {total} people found\n")
    return 0


def _person(seen: Detections, joints: np.ndarray) -> np.ndarray:
    """Return the keypoints (17, 3) of the detection that fits the true joints (17, 2) best, or NaN."""
    if len(seen) == 0:
        return np.full((17, 3), np.nan, np.float32)
    extent = max(float(np.ptp(joints, axis=0).max()), 10.0)
    miss = np.linalg.norm(seen.keypoints[..., :2] - joints, axis=-1).mean(axis=1) / extent
    best = int(miss.argmin())
    return seen.keypoints[best] if miss[best] < FAR else np.full((17, 3), np.nan, np.float32)


if __name__ == "__main__":
    sys.exit(main())
