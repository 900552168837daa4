"""Quality of each person: what the run measured, or, for older runs, what its motion files tell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report.objects import read_object
from pipeline.view.scene import Scene, ScenePerson


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a person as the report shows it."""

    key: str
    title: str
    unit: str
    digits: int
    low: float | None = None  # values on the wrong side of it are marked; None: never
    is_high_good: bool = True
    factor: float = 1.0

    def show(self, value: object) -> str:
        """Return a value with its unit; "not measured" where there is none."""
        if not isinstance(value, int | float):
            return "not measured"
        return f"{value * self.factor:.{self.digits}f} {self.unit}".strip()

    def is_poor(self, value: object) -> bool:
        """Whether the value should make a user look at this person."""
        if self.low is None or not isinstance(value, int | float):
            return False
        return value < self.low if self.is_high_good else value > self.low


MEASURES = (
    Measure("observed_fraction", "seen, not filled in", "%", 0, 0.6, factor=100),
    Measure("confidence", "confidence of the joints", "%", 0, 0.5, factor=100),
    Measure("refined_fraction", "refined", "%", 0, factor=100),
    Measure("foot_sliding_m_s", "standing feet slide", "m/s", 2, 0.3, is_high_good=False),
    Measure("jitter_m_s3", "jitter", "m/s³", 0),
    Measure("reprojection_px", "distance from the keypoints", "px", 1),
    Measure("longest_gap_s", "longest time unseen", "s", 1),
    Measure("path_m", "distance walked", "m", 1),
)


def read_or_measure(path: Path, scene: Scene) -> dict[int, dict[str, Any]]:
    """Return the quality of everybody in the scene, by person."""
    known = read_object(path) or {}
    rows = known.get("people", [])
    found = {row["person"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("person"), int)}
    return {person.id: found.get(person.id) or measured(person) for person in scene.people}


def measured(person: ScenePerson) -> dict[str, float]:
    """Return what motion files of older runs tell."""
    return {
        "observed_fraction": float(person.is_observed.mean()),
        "refined_fraction": float(person.is_refined.mean()),
        "confidence": float(person.confidence[person.is_observed].mean()) if person.is_observed.any() else 0.0,
        "path_m": float(np.linalg.norm(np.diff(person.pelvis_m[:, :2], axis=0), axis=1).sum()),
    }
