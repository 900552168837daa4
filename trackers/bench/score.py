"""HOTA, IDF1, MOTA and switches of a tracker's answer, by TrackEval."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trackers.association import box_overlaps
from trackers.bench.clips import Boxes


def measure(pairs: Sequence[tuple[Boxes, Boxes, int]]) -> dict[str, float]:
    """Return HOTA, IDF1 and MOTA in percent and the number of switches over clips: (truth, answer, frames) each.

    Source: TrackEval (Luiten et al. 2021), whose metrics are called on arrays in place of files.
    """
    import trackeval.metrics  # type: ignore[import-untyped]  # of development alone

    quiet = {"PRINT_CONFIG": False}
    total: dict[str, Any] = {}
    for metric in (trackeval.metrics.HOTA(), trackeval.metrics.Identity(quiet), trackeval.metrics.CLEAR(quiet)):
        parts = {str(k): metric.eval_sequence(_data(*pair)) for k, pair in enumerate(pairs)}
        total |= metric.combine_sequences(parts)
    return {
        "HOTA": 100 * float(np.mean(total["HOTA"])),
        "IDF1": 100 * float(total["IDF1"]),
        "MOTA": 100 * float(total["MOTA"]),
        "switches": float(total["IDSW"]),
    }


def _data(truth: Boxes, answer: Boxes, frames: int) -> dict[str, Any]:
    truth_names, truth_id = np.unique(truth.identity, return_inverse=True)
    answer_names, answer_id = np.unique(answer.identity, return_inverse=True)
    cuts = [np.searchsorted(boxes.frame_index, np.arange(frames + 1)) for boxes in (truth, answer)]
    spans = [[slice(at[t], at[t + 1]) for t in range(frames)] for at in cuts]
    return {
        "num_timesteps": frames,
        "num_gt_ids": len(truth_names),
        "num_tracker_ids": len(answer_names),
        "num_gt_dets": len(truth_id),
        "num_tracker_dets": len(answer_id),
        "gt_ids": [truth_id[span] for span in spans[0]],
        "tracker_ids": [answer_id[span] for span in spans[1]],
        "similarity_scores": [
            box_overlaps(truth.boxes_xyxy[a], answer.boxes_xyxy[b]) for a, b in zip(*spans, strict=True)
        ],
    }
