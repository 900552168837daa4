"""Fits the motion of all tracks of a clip to their keypoints, in batches of windows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from configs.schema import RefineSettings
from configs.threads import spread
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_six, six_to_matrix
from refine.fit.accept import count_accepted, has_high_jitter
from refine.fit.energy import MotionEnergy
from refine.fit.evidence import Keypoints, Piece, gather, keypoint_weights
from refine.fit.sobolev import AdamMoments, SobolevPreconditioner
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import with_posterior_mean
from refine.rows.smooth import smooth_track
from refine.rows.types import Rows, TrackFit, TrackRows
from refine.rows.windows import Joiner, Window, group_windows, plan_windows

SOLVED = 2  # index of the solved motion: recovered, smoothed, solved
TESTED_AT = 0.35  # fraction of the steps before the acceptance test; afterwards all keypoints are used
STEP_BETA_OVER_M = 2.0  # a shape coefficient moves a body by about half a centimetre per unit


class WindowSolver(Protocol):
    """What finds the motions of a batch of pieces."""

    def see(self, keypoints: Keypoints) -> None:
        """Select the keypoints that the next steps use."""

    def run(self, steps: int, start: int = 0, stop: int | None = None) -> None:
        """Take the steps from `start` to `stop` of a schedule of `steps`."""

    def motions(self) -> list[Rows]:
        """Return the motion of each piece."""
        ...

    def spreads_rad(self) -> list[np.ndarray]:
        """Return how far (T, 24) the samples of each piece lie from their mean; 0 where there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """How the motion of a window is found."""

    plan: Callable[[int, TrackRows], list[Window]]
    solver: Callable[[Sequence[Piece], Sequence[Window], Keypoints], WindowSolver]
    steps: int
    batch_rows: int


def fit_method(body: BodyModel, settings: RefineSettings, device: torch.device) -> Method:
    """Return the method of mode `fit`: the minimum of one energy."""
    return Method(
        plan=lambda index, track: plan_windows(
            index, track.time_s, settings.window_frames, settings.overlap_frames, settings.break_s
        ),
        solver=lambda pieces, _, keypoints: Solver(pieces, body, settings, device, keypoints, is_shape_free=False),
        steps=settings.steps,
        batch_rows=settings.batch_rows,
    )


def refine_tracks(
    tracks: Sequence[TrackRows],
    body: BodyModel,
    settings: RefineSettings,
    *,
    prior: MotionPrior | None = None,
    method: Method | None = None,
    device: torch.device | str = "cpu",
    threads: int = 1,
) -> list[TrackFit]:
    """Return the motion of every track, in their order. A track's motion does not depend on the other tracks.

    Args:
        body: on `device`.
        prior: its posterior mean replaces the recovered poses, except in the acceptance test.
        method: None: that of mode `fit`.
        threads: that solve batches of windows in parallel; the result does not depend on it.

    Raises:
        ValueError: cameras differ in number or keypoints.
    """
    device = torch.device(device)
    method = method or fit_method(body, settings, device)
    recovered = tracks
    if prior is not None:
        tracks = with_posterior_mean(
            tracks, prior, break_s=settings.break_s, batch_rows=settings.batch_rows, device=device
        )
    starts = [smooth_track(track, _pelvis(body, track.betas, device), settings.smooth_cutoff_hz) for track in tracks]
    starts = _with_shapes(tracks, recovered, starts, body, settings, device)
    joiners = [Joiner(start.pose, start.trans) for start in starts]
    is_refined = [np.zeros(len(track.time_s), bool) for track in tracks]
    spreads = [np.zeros(track.joint_confidence.shape, np.float32) for track in tracks]
    windows = [window for index, track in enumerate(tracks) for window in method.plan(index, track)]

    def solve(group: list[Window]) -> "_Solved":
        pieces = [Piece(tracks[w.track], starts[w.track], np.arange(w.start, w.stop)) for w in group]
        solver = method.solver(pieces, group, _guides(settings))
        tested_at = round(TESTED_AT * method.steps) if settings.is_acceptance_test_on else method.steps
        solver.run(method.steps, stop=tested_at)
        # The acceptance test compares with the recovered motion, not with the posterior mean.
        pieces = [replace(piece, track=recovered[w.track]) for piece, w in zip(pieces, group, strict=True)]
        unsolved = [_unsolved(piece, body, device) for piece in pieces]
        accepted = [SOLVED] * len(pieces)
        if settings.is_acceptance_test_on:
            steps = zip(pieces, unsolved, solver.motions(), strict=True)
            accepted = [
                count_accepted(piece, [*before, solved], body, settings, device) for piece, before, solved in steps
            ]
            solver.see("all")
            solver.run(method.steps, start=tested_at)
        rows = [
            [*before, solved][number]
            for before, solved, number in zip(unsolved, solver.motions(), accepted, strict=True)
        ]
        return _Solved(rows, accepted, solver.spreads_rad())

    groups = group_windows(windows, method.batch_rows)
    for group, solved in zip(groups, spread(solve, groups, threads), strict=True):
        for window, rows, number, sigma in zip(group, solved.rows, solved.accepted, solved.spreads_rad, strict=True):
            place = slice(window.start, window.stop)
            joiners[window.track].add(window, rows.pose, rows.trans)
            is_refined[window.track][place] |= number > 0
            spreads[window.track][place] = np.maximum(spreads[window.track][place], sigma)
    return [
        TrackFit(
            joiner.pose, start.betas, joiner.trans, start.is_filled, changed, _sigma_rad(track.pose_sigma_rad, sigma)
        )
        for track, joiner, start, changed, sigma in zip(tracks, joiners, starts, is_refined, spreads, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Solved:
    """What became of the windows of a batch."""

    rows: list[Rows]
    accepted: list[int]  # which motion of each: 0 as recovered
    spreads_rad: list[np.ndarray]


class Solver:
    """Minimises the energy of a batch of pieces with Adam and a Sobolev preconditioner."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        body: BodyModel,
        settings: RefineSettings,
        device: torch.device,
        keypoints: Keypoints = "all",
        *,
        is_shape_free: bool,
    ) -> None:
        self.settings, self._is_shape_free = settings, is_shape_free
        self._pieces, self._body, self._device = pieces, body, device
        self.see(keypoints)
        self._ends = np.cumsum([len(piece.rows) for piece in pieces])
        pose = np.concatenate([piece.start.pose[piece.rows] for piece in pieces])
        self.x = matrix_to_six(axis_angle_to_matrix(torch.from_numpy(pose).to(device))).flatten(1)
        self.trans = self.evidence.trans.clone()
        self.betas = self.evidence.betas.clone()
        self._moments = [AdamMoments(value) for value in (self.x, self.trans, self.betas)]
        self._preconditioner = SobolevPreconditioner(self.evidence.time_s, self.evidence.window)

    def see(self, keypoints: Keypoints) -> None:
        """Select the keypoints that the next steps use."""
        self.evidence = gather(self._pieces, self.settings, self._device, keypoints)
        self._energy = MotionEnergy(self.evidence, self._body, self.settings)

    def run(self, steps: int, start: int = 0, stop: int | None = None) -> None:
        """Take the steps from `start` to `stop` of a cosine schedule of `steps`."""
        for step in range(start, steps if stop is None else stop):
            step_scale = 0.5 * (1.0 + math.cos(math.pi * step / steps))
            with torch.enable_grad():
                values = [value.detach() for value in (self.x, self.trans, self.betas)]
                free = [value.requires_grad_() for value in (values if self._is_shape_free else values[:2])]
                of_pose, of_trans, *of_shape = torch.autograd.grad(self._energy(*values), free)
            gradients = [self._preconditioner.apply(of_pose), self._preconditioner.apply(of_trans), *of_shape]
            directions = [
                moments.direction(gradient) for moments, gradient in zip(self._moments, gradients, strict=False)
            ]
            size = step_scale * self.settings.step_m
            self.x = self.x - step_scale * self.settings.step_rad * directions[0]
            self.trans = self.trans - size * directions[1]
            if self._is_shape_free:
                self.betas = self.betas - STEP_BETA_OVER_M * size * directions[2]

    def motions(self) -> list[Rows]:
        """Return the motion of each piece."""
        pose = matrix_to_axis_angle(six_to_matrix(self.x.unflatten(-1, (24, 6)))).cpu().numpy()
        parts = (np.split(values, self._ends[:-1]) for values in (pose, self.trans.cpu().numpy()))
        return [Rows(*each) for each in zip(*parts, self.betas.cpu().numpy(), strict=True)]

    def spreads_rad(self) -> list[np.ndarray]:
        """Return zeros (T, 24) for each piece: there is one solution."""
        return [np.zeros((len(piece.rows), 24), np.float32) for piece in self._pieces]

    def pull(self, poses: Tensor, weights: Tensor) -> None:
        """Replace the track's own poses (R, 24, 3, 3), and their weights (R, 24)."""
        self.evidence = replace(self.evidence, pose=poses, pose_weights=weights)
        self._energy = MotionEnergy(self.evidence, self._body, self.settings)


def _sigma_rad(of_prior: np.ndarray | None, spread: np.ndarray) -> np.ndarray | None:
    """Return the standard deviation (T, 24) of rotations, not yet calibrated; None without a motion prior."""
    return None if of_prior is None else np.hypot(of_prior, spread).astype(np.float32)


def _with_shapes(
    tracks: Sequence[TrackRows],
    recovered: Sequence[TrackRows],
    starts: list[TrackFit],
    body: BodyModel,
    settings: RefineSettings,
    device: torch.device,
) -> list[TrackFit]:
    """Return the initial tracks with one shape per person, fitted to the best rows where the test accepts it."""
    starts = list(starts)
    chosen = [(index, _best_rows(track, settings)) for index, track in enumerate(tracks)]
    chosen = [(index, rows) for index, rows in chosen if len(rows)]
    per_batch = max(1, settings.batch_rows // settings.shape_rows)
    for first in range(0, len(chosen), per_batch):
        group = chosen[first : first + per_batch]
        pieces = [Piece(tracks[index], starts[index], rows, is_sequence=False) for index, rows in group]
        solver = Solver(pieces, body, settings, device, _guides(settings), is_shape_free=True)
        solver.run(settings.shape_steps)
        for piece, (index, _), solved in zip(pieces, group, solver.motions(), strict=True):
            piece = replace(piece, track=recovered[index])
            is_jitter_high = settings.is_acceptance_test_on and has_high_jitter(
                _middle(piece, settings), body, settings, device
            )
            steps = [_as_recovered(piece, body, device), solved]
            if not settings.is_acceptance_test_on or count_accepted(
                piece, steps, body, settings, device, is_jitter_high=is_jitter_high
            ):
                trans = starts[index].trans + _pelvis_shift(piece, solved.betas, body, device)
                starts[index] = replace(starts[index], betas=solved.betas, trans=trans)
    return starts


def _best_rows(track: TrackRows, settings: RefineSettings) -> np.ndarray:
    """Return the observed rows (S,) with the best keypoints, one per part of the track."""
    quality = sum(keypoint_weights(track, view, settings).sum(1) for view in track.views)
    seen = np.flatnonzero(track.is_observed & (quality > 0))
    if not len(seen):
        return seen
    stretches = np.array_split(seen, min(settings.shape_rows, len(seen)))
    return np.array([rows[np.argmax(quality[rows])] for rows in stretches])


def _guides(settings: RefineSettings) -> Keypoints:
    return "guiding" if settings.is_acceptance_test_on else "all"


def _middle(piece: Piece, settings: RefineSettings) -> Piece:
    """Return a window in the middle of a track, or its longest part without a break."""
    count = len(piece.track.time_s)
    first = max(0, (count - settings.window_frames) // 2)
    rows = np.arange(first, min(count, first + settings.window_frames))
    breaks = np.flatnonzero(np.diff(piece.track.time_s[rows]) > settings.break_s) + 1
    return Piece(piece.track, piece.start, max(np.split(rows, breaks), key=len))


def _unsolved(piece: Piece, body: BodyModel, device: torch.device) -> tuple[Rows, Rows]:
    """Return the recovered and the smoothed motion of a piece."""
    start = piece.start
    return _as_recovered(piece, body, device), Rows(start.pose[piece.rows], start.trans[piece.rows], start.betas)


def _as_recovered(piece: Piece, body: BodyModel, device: torch.device) -> Rows:
    """Return the recovered motion of a piece, with the fitted shape."""
    betas = piece.start.betas
    return Rows(
        piece.track.pose[piece.rows],
        piece.track.trans[piece.rows] + _pelvis_shift(piece, betas, body, device),
        betas,
    )


def _pelvis_shift(piece: Piece, betas: np.ndarray, body: BodyModel, device: torch.device) -> np.ndarray:
    """Return the shift (3,) that keeps the pelvis where it was when the body gets the fitted shape."""
    return (_pelvis(body, piece.track.betas, device) - _pelvis(body, betas, device)).astype(np.float32)


def _pelvis(body: BodyModel, betas: np.ndarray, device: torch.device) -> np.ndarray:
    with torch.no_grad():
        rest = body.rest_joints(torch.from_numpy(np.asarray(betas, np.float32)[None]).to(device))
    return rest[0, 0].cpu().numpy().astype(np.float64)
