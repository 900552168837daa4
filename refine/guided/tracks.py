"""The motion of all tracks of a clip by guided sampling."""

from collections.abc import Sequence

import torch

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from refine.fit.solver import Method, refine_tracks
from refine.guided.sampler import GuidedSolver
from refine.prior.network import MotionPrior
from refine.rows.types import TrackFit, TrackRows
from refine.rows.windows import plan_windows_round_gaps


def refine_guided_tracks(
    tracks: Sequence[TrackRows],
    body: BodyModel,
    settings: RefineSettings,
    prior: MotionPrior,
    *,
    device: torch.device | str = "cpu",
    threads: int = 1,
) -> list[TrackFit]:
    """Return the motion of every track, in their order. A track's motion does not depend on the other tracks.

    Shapes, the acceptance test and the blending of windows are those of `refine_tracks`.
    """
    device = torch.device(device)
    method = Method(
        plan=lambda index, track: plan_windows_round_gaps(
            index, track.time_s, track.is_observed, settings.window_frames, settings.overlap_frames, settings.break_s
        ),
        solver=lambda pieces, windows, keypoints: GuidedSolver(
            pieces, windows, tracks, body, settings, prior, device, keypoints
        ),
        steps=settings.guided_steps,
        batch_rows=max(1, settings.batch_rows // settings.samples),
    )
    return refine_tracks(tracks, body, settings, prior=prior, method=method, device=device, threads=threads)
