"""Tables of one run refined in several ways."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped, join_rows
from pipeline.evaluation.motion_errors import JointChoice, MotionErrors, measure_motion
from pipeline.evaluation.reprojection import percent
from pipeline.evaluation.sightings import find_sightings
from pipeline.motion.posing import Body, joint_positions
from pipeline.types import MotionTrack

COLUMNS = (
    *("clip", "refine", "bodies", "found", "MPJPE mm", "PA-MPJPE mm", "accel. m/s^2", "sliding m/s", "place m"),
    *("in gaps", "MPJPE mm", "PA-MPJPE mm"),
)

WORSE = 0.01  # share
NOTHING = 1e-3  # of every unit in the table: an error this small is rounding, and has no percentage


@dataclass(frozen=True, slots=True)
class Reference(Shaped):
    """What P people truly do in T frames of a clip, in axes of a camera that does not move."""

    joints_m: Annotated[np.ndarray, "P", "T", "J", 3]  # NaN where unknown: rows with unknown joints of `choice` are out
    boxes_xyxy: Annotated[np.ndarray, "P", "T", 4]  # pixels; NaN where nobody can be seen
    is_wanted: Annotated[np.ndarray, "P", "T"]  # bool: who ought to be found
    choice: JointChoice


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clip, refined in several ways; all of them are measured at the same rows."""

    name: str
    wanted: int  # people and frames of the reference
    found: int  # of these, how many a row stands for
    by_mode: Mapping[str, MotionErrors]


def compare_runs(name: str, runs: Mapping[str, Sequence[MotionTrack]], body: Body, reference: Reference) -> Comparison:
    """Return the errors of one clip's runs, by mode; the first run says which rows stand for whom.

    Args:
        runs: tracks of the same rows, refined in different ways.

    Raises:
        ValueError: the runs do not have the same rows.
    """
    choice = reference.choice
    first = next(iter(runs.values()))
    for mode, tracks in runs.items():
        if [track.frame_index.tolist() for track in tracks] != [track.frame_index.tolist() for track in first]:
            raise ValueError(f"runs: {mode!r} has other rows than {next(iter(runs))!r}; refine one run in both ways")
    joints = {
        mode: [joint_positions(body, t.pose, t.betas, t.trans, choice.joint_set) for t in tracks]
        for mode, tracks in runs.items()
    }
    is_known = np.isfinite(reference.joints_m[:, :, choice.used]).all(axis=(2, 3))
    seen = find_sightings(first, next(iter(joints.values())), reference.boxes_xyxy).where(is_known)
    rate_hz = frame_rate(first)
    return Comparison(
        name,
        wanted=int(reference.is_wanted.sum()),
        found=int(reference.is_wanted[seen.person, seen.frame].sum()),
        by_mode={
            mode: measure_motion(each, reference.joints_m, seen, choice, rate_hz) for mode, each in joints.items()
        },
    )


def frame_rate(tracks: Sequence[MotionTrack]) -> float:
    """Return the frames per second of a run's video: the median over its rows, 1 where no row has a next."""
    steps = [np.diff(track.time_s) / np.diff(track.frame_index) for track in tracks]
    every = np.concatenate([np.zeros(0), *steps])
    return 1.0 / float(np.median(every)) if len(every) else 1.0


def comparison_rows(results: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return table rows: the names of the columns, a row per clip and mode, and all clips together per mode."""
    everything = [*results, join_comparisons(results)] if len(results) > 1 else results
    return [COLUMNS, *(_row(result, mode) for result in everything for mode in result.by_mode)]


def change_rows(results: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return table rows: how every mode changes the errors of the first one, over all clips and in the worst clip.

    The last column counts the clips whose PA-MPJPE grows by more than `WORSE`.
    """
    modes = list(results[0].by_mode)
    whole = join_comparisons(results)
    rows = [(f"against {modes[0]}", *(name for name, _ in MEASURES), "PA-MPJPE of the worst clip", "clips 1 % worse")]
    for mode in modes[1:]:
        changes = [_change(whole, modes[0], mode, measure) for _, measure in MEASURES]
        each = np.array([_change(result, modes[0], mode, mean_pa) for result in results])
        known = each[np.isfinite(each)]
        worst = known.max() if len(known) else np.nan
        counted = f"{(known > WORSE).sum()} of {len(known)}"
        rows.append((mode, *(_signed(change) for change in (*changes, worst)), counted))
    return rows


def join_comparisons(results: Sequence[Comparison]) -> Comparison:
    """Return all clips as one."""
    by_mode = {mode: join_rows([result.by_mode[mode] for result in results]) for mode in results[0].by_mode}
    return Comparison("all", sum(r.wanted for r in results), sum(r.found for r in results), by_mode)


def mean_pa(errors: MotionErrors) -> float:
    """Return the mean PA-MPJPE in millimetres; NaN of nothing."""
    return _mean(errors.pa_mpjpe_mm)


MEASURES: tuple[tuple[str, Callable[[MotionErrors], float]], ...] = (
    ("MPJPE", lambda errors: _mean(errors.mpjpe_mm)),
    ("PA-MPJPE", mean_pa),
    ("acceleration", lambda errors: _mean(errors.acceleration)),
    ("sliding", lambda errors: _mean(errors.sliding_m_s)),
    ("place", lambda errors: _mean(errors.translation_error_m)),
    ("MPJPE in gaps", lambda errors: _mean(errors.mpjpe_mm[errors.is_filled])),
    ("PA-MPJPE in gaps", lambda errors: _mean(errors.pa_mpjpe_mm[errors.is_filled])),
)


def _row(result: Comparison, mode: str) -> tuple[str, ...]:
    errors = result.by_mode[mode]
    gap = errors.is_filled
    return (
        *(result.name, mode, str(len(errors.mpjpe_mm)), percent(result.found / max(1, result.wanted))),
        *(_text(_mean(values)) for values in (errors.mpjpe_mm, errors.pa_mpjpe_mm, errors.acceleration)),
        *(_text(_mean(values), 2) for values in (errors.sliding_m_s, errors.translation_error_m)),
        *(str(gap.sum()), _text(_mean(errors.mpjpe_mm[gap])), _text(_mean(errors.pa_mpjpe_mm[gap]))),
    )


def _change(result: Comparison, first: str, mode: str, measure: Callable[[MotionErrors], float]) -> float:
    before, after = (measure(result.by_mode[name]) for name in (first, mode))
    return after / before - 1.0 if before > NOTHING else np.nan


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _text(value: float, places: int = 1) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f} %" if np.isfinite(fraction) else "-"
