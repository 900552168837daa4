"""Warnings in words that a user understands, each with what can be done."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.report.facts import Facts

FOCAL_SLACK = 0.005  # of the image's diagonal, which is what is assumed where nothing is known


@dataclass(frozen=True, slots=True)
class Note:
    """One warning."""

    title: str
    text: str
    is_bad: bool = False  # whether a part of the result is missing


def find_notes(facts: Facts) -> list[Note]:
    """Return what a user should know before using the result, the gravest first."""
    record, notes = facts.record, list[Note]()
    if record.status == "partial":
        notes.append(Note("The result is incomplete.", record.problem, True))
    if not facts.scene.people:
        notes.append(
            Note("Nobody was found.", "Try another detector or a larger detect.image_px, and look at the video.", True)
        )
    notes += [Note("The cameras do not fit each other well.", problem) for problem in record.capture.problems]
    notes += _of_geometry(facts)
    notes += _of_people(facts)
    return notes


def _of_geometry(facts: Facts) -> list[Note]:
    if not facts.scene.people:
        return []
    notes, known = list[Note](), facts.ground
    if not facts.record.cameras and _is_focal_assumed(facts):
        notes.append(
            Note(
                "The focal length was assumed: distances from the camera may be off by 20 % or more.",
                "If you know it, run again with --focal (in pixels).",
            )
        )
    if known is not None and known.focal_source == "weighed" and known.focal_px and known.focal_sigma_px:
        error = round(100 * known.focal_sigma_px / known.focal_px)
        notes.append(
            Note(
                f"The focal length is uncertain by {error} %, and so are distances from the camera.",
                "People alone do not tell it here. If you know it, run again with --focal (in pixels).",
            )
        )
    if known is not None and not known.is_ground_measured:
        reason = f" ({known.reason})" if known.reason else ""
        notes.append(
            Note(
                f"The ground was not measured{reason}.",
                "The camera was taken as level: people may lean, and their height above the floor is not known.",
            )
        )
    if known is not None and known.is_fixed is False:
        notes.append(Note("The camera moves.", "Positions are as if it stood still: paths on the floor are not true."))
    if facts.scene.floor.is_guessed:
        notes.append(
            Note("The floor was drawn where the feet are.", "The run did not find it; heights above it are a guess.")
        )
    return notes


def _is_focal_assumed(facts: Facts) -> bool:
    if facts.ground is not None:
        return facts.ground.focal_source == "diagonal"
    camera = next(iter(facts.scene.cameras), None)
    if camera is None:
        return False
    diagonal = float(np.hypot(*camera.size_px))
    return abs(camera.focal_px - diagonal) < FOCAL_SLACK * diagonal


def _of_people(facts: Facts) -> list[Note]:
    poor = [number for number, each in facts.quality.items() if _value(each, "confidence") < 0.5]
    unseen = [number for number, each in facts.quality.items() if _value(each, "observed_fraction") < 0.6]
    sliding = [number for number, each in facts.quality.items() if _value(each, "foot_sliding_m_s", 0.0) > 0.3]
    notes = []
    if poor:
        notes.append(
            Note(f"{_people(poor)}: most joints were hardly visible.", "Poses there are a guess; check the video.")
        )
    if unseen:
        notes.append(Note(f"{_people(unseen)}: hidden for much of the time.", "Grey bodies are filled in, not seen."))
    if sliding:
        notes.append(
            Note(f"{_people(sliding)}: standing feet slide.", "With a still camera, try refine.is_contact_on=true.")
        )
    return notes


def _value(quality: dict[str, Any], key: str, otherwise: float = 1.0) -> float:
    value = quality.get(key)
    return float(value) if isinstance(value, int | float) else otherwise


def _people(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:12]))
    more = f" and {len(numbers) - 12} more" if len(numbers) > 12 else ""
    return f"{'Person' if len(numbers) == 1 else 'People'} {shown}{more}"
