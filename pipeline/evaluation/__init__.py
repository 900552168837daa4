"""How good a run is: against its own keypoints, and against the truth of a synthetic clip."""

from pipeline.evaluation.reprojection import ReprojectionReport, measure_reprojection
from pipeline.evaluation.truth import Truth, TruthReport, measure_against_truth, read_truth

__all__ = [
    "ReprojectionReport",
    "Truth",
    "TruthReport",
    "measure_against_truth",
    "measure_reprojection",
    "read_truth",
]
