"""Guided sampling of the motion of windows.

At every diffusion step the prior names the clean motion that a noisy one comes from; some steps of the solver draw it
towards keypoints, smoothness and the other cameras, while a proximal term holds it near what the prior named; noise of
the next, lower level is put back. This is plug-and-play guidance: Zhu et al. 2023, "Denoising Diffusion Models for
Plug-and-Play Image Restoration" (DiffPIR), arXiv 2305.08995, algorithm 1, with the solver in place of its closed form.
The steps are those of Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from dpmesh.geometry.rotations import (
    matrix_to_axis_angle,
    matrix_to_six,
    nearest_rotation,
    six_to_matrix,
)
from refine.fit.evidence import SIGMA_MIN_RAD, Keypoints, Piece
from refine.fit.solver import Solver
from refine.guided.denoiser import CameraDenoisers, Clean
from refine.guided.hypotheses import with_best_in_gaps
from refine.prior.network import MotionPrior
from refine.prior.schedule import make_schedule
from refine.rows.types import Rows, TrackRows
from refine.rows.windows import Window

LAST_TIME = 20  # of the last step
NOISE_FROM = 600  # the diffusion time at which noise is drawn; of training's times below 700
PRIOR_WEIGHT = 1.0  # as `refine.prior_weight`, of what the prior says at each step


class GuidedSolver:
    """Samples of the motions of a batch of pieces, as a solver of `refine.fit.solver.refine_tracks`."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        windows: Sequence[Window],
        recovered: Sequence[TrackRows],
        body: BodyModel,
        settings: RefineSettings,
        prior: MotionPrior,
        device: torch.device,
        keypoints: Keypoints = "all",
    ) -> None:
        """Take the first noisy motions.

        Args:
            windows: of the pieces; recovered: tracks as recovered, which the windows are of.
        """
        self._settings, self._count, self._pieces = settings, settings.samples, list(pieces)
        self._windows, self._body = windows, body
        self.solver = Solver(self._pieces * self._count, body, settings, device, keypoints, is_shape_free=False)
        self._denoiser = CameraDenoisers(prior, recovered, list(windows) * self._count, device)
        self._kept = make_schedule().alphas_cumprod.to(device)
        is_drawn = [settings.guided_start == "noise" or sample > 0 for sample in range(self._count)]
        rows = len(self.solver.x) // self._count
        self._is_drawn = torch.tensor(is_drawn, device=device).repeat_interleave(rows)
        times = [
            diffusion_times(NOISE_FROM if drawn else settings.guided_from, settings.guided_steps) for drawn in is_drawn
        ]
        self._times = torch.tensor(times, device=device).repeat_interleave(rows, 0).unbind(1)
        self._rngs = [
            np.random.default_rng([settings.seed, recovered[window.track].number, window.start, sample])
            for sample in range(self._count)
            for window in windows
        ]
        self._device = device
        self._x = self._begin()

    def see(self, keypoints: Keypoints) -> None:
        """Select the keypoints that the next steps use."""
        self.solver.see(keypoints)

    def run(self, steps: int, start: int = 0, stop: int | None = None) -> None:
        """Take the diffusion steps from `start` to `stop`; `steps` of them are all."""
        inner = self._settings.guided_inner_steps
        for step in range(start, steps if stop is None else stop):
            time = self._times[step]
            self._pull(self._denoiser(self._x, time, self._settings.guided_scale), time)
            self.solver.run(steps * inner, start=step * inner, stop=(step + 1) * inner)
            if step + 1 < steps:
                self._x = self._step(self._x, self._solved(), time, self._times[step + 1])

    def motions(self) -> list[Rows]:
        """Return the mean motion of each piece's samples; within long gaps that of lowest energy."""
        every = self.solver.motions()
        if self._count == 1:
            return every
        pose = np.split(matrix_to_axis_angle(self._means()[0]).cpu().numpy(), self._cuts())
        trans = np.split(self._per_sample(self.solver.trans).mean(0).cpu().numpy(), self._cuts())
        found = []
        for number, piece in enumerate(self._pieces):
            samples = every[number :: len(self._pieces)]
            mean = Rows(pose[number], trans[number], samples[0].betas)
            found.append(with_best_in_gaps(piece, mean, samples, self._body, self._settings, self._device))
        return found

    def spreads_rad(self) -> list[np.ndarray]:
        """Return how far (T, 24) the samples of each piece lie from their mean, as one axis' standard deviation."""
        if self._count == 1:
            return self.solver.spreads_rad()
        means, matrices = self._means()
        # Half the squared distance of two rotations' matrices is their squared angle, which has three components.
        squared = 0.5 * (matrices - means).square().sum((-2, -1)).sum(0) / 3.0 / (self._count - 1)
        return np.split(squared.sqrt().cpu().numpy(), self._cuts())

    def _cuts(self) -> np.ndarray:
        """Return the first row of every piece but the first."""
        return np.cumsum([len(piece.rows) for piece in self._pieces])[:-1]

    def _means(self) -> tuple[Tensor, Tensor]:
        """Return the mean rotations (R, 24, 3, 3) and those of all samples (S, R, 24, 3, 3)."""
        matrices = self._per_sample(six_to_matrix(self.solver.x.unflatten(-1, (24, 6))))
        return nearest_rotation(matrices.mean(0)), matrices

    def _per_sample(self, values: Tensor) -> Tensor:
        return values.unflatten(0, (self._count, -1))

    def _begin(self) -> Tensor:
        """Return the first noisy motions (R, 24, 6) in window axes."""
        start = self._solved()
        drawn = self._noisy(start, self._noise(), self._times[0]) if bool(self._is_drawn.any()) else start
        if bool(self._is_drawn.all()):
            return drawn
        # From the last step's time on: below, the noise would be a quotient of two numbers near zero.
        times = self._times[::-1]
        x = self._noisy(start, torch.zeros_like(start), times[0])
        for time, after in pairwise(times):
            made = self._denoiser(x, time, 1.0).poses
            x = self._noisy(made, self._noise_in(x, made, time), after)
        return torch.where(self._is_drawn[:, None, None], drawn, x)

    def _solved(self) -> Tensor:
        """Return the solver's motion (R, 24, 6) in window axes."""
        six = matrix_to_six(six_to_matrix(self.solver.x.unflatten(-1, (24, 6))))
        return self._denoiser.to_window(six)

    def _pull(self, clean: Clean, time: Tensor) -> None:
        """Let the solver's energy hold the motion near what the prior names at times (R,)."""
        poses = six_to_matrix(self._denoiser.to_track(clean.poses))
        kept = self._kept[time, None]
        sigma = torch.minimum(clean.sigma_rad, ((1.0 - kept) / kept).sqrt()).clamp_min(SIGMA_MIN_RAD)
        self.solver.pull(poses, PRIOR_WEIGHT / sigma.square())

    def _step(self, x: Tensor, clean: Tensor, time: Tensor, after: Tensor) -> Tensor:
        """Return the noisy motions (R, 24, 6) of the next diffusion times (R,)."""
        kept, later = self._kept[time, None, None], self._kept[after, None, None]
        noise = self._noise_in(x, clean, time)
        eta = self._settings.guided_eta
        if not eta:
            return self._noisy(clean, noise, after)
        fresh = eta * ((1.0 - later) / (1.0 - kept) * (1.0 - kept / later)).sqrt()
        return later.sqrt() * clean + (1.0 - later - fresh.square()).sqrt() * noise + fresh * self._noise()

    def _noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        kept = self._kept[time, None, None]
        return kept.sqrt() * clean + (1.0 - kept).sqrt() * noise

    def _noise_in(self, x: Tensor, clean: Tensor, time: Tensor) -> Tensor:
        kept = self._kept[time, None, None]
        return (x - kept.sqrt() * clean) / (1.0 - kept).sqrt()

    def _noise(self) -> Tensor:
        """Return new noise (R, 24, 6), of each window its own."""
        drawn = [
            rng.standard_normal((len(window), 24, 6), dtype=np.float32)
            for rng, window in zip(self._rngs, list(self._windows) * self._count, strict=True)
        ]
        return torch.from_numpy(np.concatenate(drawn)).to(self._device)


def diffusion_times(first: int, steps: int) -> list[int]:
    """Return falling diffusion times, the first one given, the last `LAST_TIME`, evenly spaced."""
    return np.linspace(first, min(first, LAST_TIME), steps).round().astype(int).tolist()
