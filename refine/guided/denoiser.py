"""The motion prior as a denoiser of solver rows: windows, their conditions, and classifier-free guidance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from refine.prior.cameras import mean_of_cameras, one_camera_each
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import describe, row_step, take_rows
from refine.rows.types import TrackRows
from refine.rows.windows import Window

ROWS_MAX = 96  # rows of a window that the prior sees; trained with 64 of 20 to 60 Hz, up to 3.2 s


@dataclass(frozen=True, slots=True)
class Clean:
    """What the prior makes of noisy rows."""

    poses: Tensor  # (R, 24, 6) in window axes, not orthonormal
    sigma_rad: Tensor  # (R, 24) standard deviation


class WindowDenoiser:
    """The prior on the rows of some windows, one after the other.

    Rows that follow each other faster than in training, and those of long windows, are dealt out to several windows of
    the prior, in turn.
    """

    def __init__(
        self, prior: MotionPrior, tracks: Sequence[TrackRows], windows: Sequence[Window], device: torch.device
    ) -> None:
        """Describe the windows.

        Args:
            tracks: as recovered, of one camera; `windows` are theirs.
        """
        self._prior = prior.to(device)
        cut = [take_rows(tracks[window.track], slice(window.start, window.stop)) for window in windows]
        parts, rows, first = [], [], 0
        for track in cut:
            count = len(track.time_s)
            step = min(count, max(row_step(track.time_s), -(-count // ROWS_MAX)))
            for place in range(step):
                parts.append(take_rows(track, slice(place, None, step)))
                rows.append(first + np.arange(place, count, step))
            first += count
        whole = [Window(n, 0, len(part.time_s)) for n, part in enumerate(parts)]
        conditions = describe(parts, whole, device)
        turns = [part.views[0].rotation for part in parts]
        stacked = np.stack([np.eye(3) if turn is None else np.asarray(turn).T for turn in turns])
        track_from_camera = torch.from_numpy(stacked.astype(np.float32)).to(device)
        self._conditions = replace(conditions, camera_from_window=track_from_camera @ conditions.camera_from_window)
        self._row = torch.zeros(conditions.is_row.shape, dtype=torch.long, device=device)
        for place, mine in enumerate(rows):
            self._row[place, : len(mine)] = torch.from_numpy(mine)
        self.count = first

    @property
    def recovered(self) -> Tensor:
        """The recovered poses (R, 24, 6) in window axes."""
        return self._joined(self._conditions.recovered)

    def to_window(self, poses: Tensor) -> Tensor:
        """Return poses (R, 24, 6) in the track's axes in those of the prior's windows."""
        return self._joined(self._conditions.to_window(self._spread_out(poses)))

    def to_track(self, poses: Tensor) -> Tensor:
        """Return poses (R, 24, 6) in the windows' axes in those of the track."""
        return self._joined(self._conditions.to_camera(self._spread_out(poses)))

    @torch.no_grad()
    def __call__(self, x: Tensor, time: Tensor, scale: float) -> Clean:
        """Return what clean rows noisy ones (R, 24, 6) come from.

        Args:
            time: (R,) int64 diffusion time, the same within a window.
            scale: of classifier-free guidance: 0 is the prior of motion alone, 1 that of motion as it was seen, more
                overstates what the conditions change. Source: Ho and Salimans 2022, equation 6, with w = scale - 1.
        """
        windows = self._spread_out(x)
        times = time[self._row[:, 0]]
        told = torch.ones(len(windows), dtype=torch.bool, device=x.device)
        poses, sigma = self._prior.forward(windows, times, self._conditions, told if scale else ~told)
        if scale not in (0.0, 1.0):
            alone, _ = self._prior.forward(windows, times, self._conditions, ~told)
            poses = alone + scale * (poses - alone)
        return Clean(self._joined(poses), self._joined(sigma).exp())

    def _spread_out(self, rows: Tensor) -> Tensor:
        """Return rows (R, ...) by window (N, T, ...); padding repeats the first row."""
        return rows[self._row] * self._conditions.is_row.view(*self._row.shape, *[1] * (rows.ndim - 1))

    def _joined(self, windows: Tensor) -> Tensor:
        """Return the rows (R, ...) of values by window (N, T, ...)."""
        is_row = self._conditions.is_row
        rows = windows.new_empty(self.count, *windows.shape[2:])
        rows[self._row[is_row]] = windows[is_row]
        return rows


class CameraDenoisers:
    """A denoiser per camera, whose answers are joined by their precision; noisy rows have the axes of the first."""

    def __init__(
        self, prior: MotionPrior, tracks: Sequence[TrackRows], windows: Sequence[Window], device: torch.device
    ) -> None:
        """Describe the windows; the tracks have as many cameras as each other."""
        self._cameras = [
            WindowDenoiser(prior, list(of_camera), windows, device)
            for of_camera in zip(*(one_camera_each(track) for track in tracks), strict=True)
        ]
        self.to_window, self.to_track = self._cameras[0].to_window, self._cameras[0].to_track

    def __call__(self, x: Tensor, time: Tensor, scale: float) -> Clean:
        """Return what clean rows noisy ones (R, 24, 6) come from; arguments as for `WindowDenoiser`."""
        if len(self._cameras) == 1:
            return self._cameras[0](x, time, scale)
        turned = self.to_track(x)
        found = [camera(camera.to_window(turned), time, scale) for camera in self._cameras]
        poses, sigma = mean_of_cameras(
            [camera.to_track(clean.poses) for camera, clean in zip(self._cameras, found, strict=True)],
            [clean.sigma_rad for clean in found],
        )
        return Clean(self.to_window(poses), sigma)
