"""CPU seconds to refine tracks, in the published mode and in ours, beside the published loop's cost.

The plain loop does what the published code does, one track after the other: every step of the guidance skins the whole
mesh and regresses 19 points from it, and goes back through that twice, once for the camera and once for the pose; its
network is the published one. Weights, bodies and keypoints are random, the work is the same.
"""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from configs.command import OptionParser
from configs.schema import RefineSettings
from dpmesh.body import BodyModel, load_body
from dpmesh.geometry.rotations import axis_angle_to_matrix, six_to_matrix
from refine.fit.solver import refine_tracks
from refine.prior.network import MotionPrior
from refine.prior.schedule import Schedule, make_schedule
from refine.rows.types import TrackRows, ViewRows
from refine.scorehmr.denoiser import POSE_NUMBERS, Denoiser
from refine.scorehmr.guidance import keypoint_loss, smoothness_loss
from refine.scorehmr.published import (
    CAMERA_RATE_M,
    KEYPOINT_WEIGHT,
    POINTS,
    SMOOTHNESS_WEIGHT,
    PublishedRows,
    starting_point,
)
from refine.scorehmr.sampler import time_grid
from refine.scorehmr.track import SETTINGS, refine_published_track

RATE_HZ, FOCAL_PX, PICTURE_PX = 30.0, 5000.0, (1280.0, 720.0)
EXTRA_POINTS = 19
KEYPOINTS = 25


@dataclass(frozen=True, slots=True)
class Subject:
    """One random track, as the plain loop and both modes take it."""

    inputs: PublishedRows
    condition: Tensor  # (T, C)
    track: TrackRows


def draw_subject(frames: int, seed: int, condition: int, body: BodyModel) -> Subject:
    """Return a person who moves and keypoints that are a little off."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn((frames, 24, 3), generator=generator).cumsum(0) * 0.01
    pose = drift + 0.3 * torch.randn((1, 24, 3), generator=generator)
    betas = torch.randn((1, 10), generator=generator).expand(frames, -1).contiguous()
    trans = torch.tensor([0.0, 0.0, 30.0]) + torch.randn((frames, 3), generator=generator).cumsum(0) * 0.01
    matrices, features = axis_angle_to_matrix(pose), torch.randn((frames, condition), generator=generator)
    with torch.no_grad():
        points = body.joints_from_matrices(matrices, betas, POINTS) + trans[:, None]
    centre = torch.tensor(PICTURE_PX) / 2
    pixels = FOCAL_PX * points[..., :2] / points[..., 2:] + centre
    pixels = pixels + 3.0 * torch.randn(pixels.shape, generator=generator)
    sure = torch.rand((frames, KEYPOINTS), generator=generator)
    rows = torch.ones(frames)
    inputs = PublishedRows(
        pose=matrices,
        betas=betas,
        camera_m=trans,
        keypoints_px=pixels,
        confidence=sure,
        focal_px=torch.full((frames, 2), FOCAL_PX),
        principal_px=centre.expand(frames, 2),
        image_px=torch.tensor(PICTURE_PX).expand(frames, 2),
    )
    view = ViewRows(
        keypoints=torch.cat([pixels, sure[..., None]], dim=-1).numpy(),
        focal_px=(FOCAL_PX * rows).numpy(),
        principal_px=centre.expand(frames, 2).numpy(),
    )
    track = TrackRows(
        time_s=np.arange(frames) / RATE_HZ,
        pose=pose.numpy(),
        betas=betas[0].numpy(),
        trans=trans.numpy(),
        joint_confidence=np.ones((frames, 24), np.float32),
        is_observed=np.ones(frames, bool),
        views=(view,),
    )
    return Subject(inputs, features, track)


def refine_plainly(
    subject: Subject, body: BodyModel, regressor: Tensor, denoiser: Denoiser, schedule: Schedule, rounds: int
) -> Tensor:
    """Return poses (T, 144) that cost what the published loop costs."""
    inputs, rows = subject.inputs, len(subject.condition)
    times = time_grid(50, 2)
    camera = inputs.camera_m.clone().requires_grad_()
    optimiser = torch.optim.Adam([camera], lr=CAMERA_RATE_M)
    x = starting_point(inputs)
    start = x

    def noise_of(values: Tensor, time_now: int) -> Tensor:
        with torch.no_grad():
            return denoiser.forward(values, torch.full((rows,), time_now), subject.condition)

    for _ in range(rounds):
        for now, after in pairwise(times):
            noise = noise_of(x, now)
            x = schedule.step_of(after).noisy(schedule.step_of(now).start_of(x, noise), noise)
        for now, after in pairwise(times[::-1]):
            factors = schedule.step_of(now)
            noise, x = noise_of(x, now), x.detach().requires_grad_()
            clean = factors.start_of(x, noise)
            matrices = six_to_matrix(clean[:, :POSE_NUMBERS].unflatten(-1, (24, 6)))
            skin = body.vertices_from_matrices(matrices, inputs.betas)
            extra = torch.einsum("kv,rvc->rkc", regressor, skin)
            points = body.joints_from_matrices(matrices, inputs.betas, POINTS)
            whole = torch.cat([points + 0.0 * skin[:, : len(POINTS)], extra], dim=1)
            unseen = torch.zeros(rows, EXTRA_POINTS)
            losses = keypoint_loss(
                whole, camera, torch.nn.functional.pad(inputs.keypoints_px, (0, 0, 0, EXTRA_POINTS)),
                torch.cat([inputs.confidence, unseen], dim=1), inputs.focal_px, inputs.principal_px, inputs.image_px,
            )  # fmt: skip
            optimiser.zero_grad()
            losses.sum().backward(retain_graph=True)
            total = KEYPOINT_WEIGHT * losses.sum() + SMOOTHNESS_WEIGHT * smoothness_loss(clean).sum()
            (gradient,) = torch.autograd.grad(total, x)
            optimiser.step()
            noise = noise + factors.guidance * gradient
            start = factors.start_of(x, noise).detach()
            x = schedule.step_of(after).noisy(start, noise.detach())
    return start


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def bench(frames: int, tracks: Sequence[int], plain_rounds: int) -> None:
    """Print seconds of the plain loop, of the published mode and of ours."""
    body, schedule = load_body(), make_schedule()
    torch.manual_seed(0)
    prior, rounds = MotionPrior().eval().requires_grad_(False), SETTINGS.iterations
    denoiser = Denoiser().eval().requires_grad_(False)
    regressor = torch.rand(EXTRA_POINTS, len(body.structure.v_template))
    subjects = [draw_subject(frames, seed, denoiser.condition, body) for seed in range(max(tracks))]
    ours = RefineSettings(window_frames=max(frames, 96))
    _say(f"{frames} frames, {rounds} rounds, {torch.get_num_threads()} threads, torch {torch.__version__}")
    one = cpu_seconds(lambda: refine_plainly(subjects[0], body, regressor, denoiser, schedule, plain_rounds))
    one *= rounds / plain_rounds
    note = "" if plain_rounds == rounds else f" ({plain_rounds} of {rounds} rounds run, the rest multiplied)"
    _say(f"plain, one track: {one:.1f} CPU s{note}; {len(body.structure.v_template)} vertices; tracks add up")
    for count in tracks:
        rows = [subject.track for subject in subjects[:count]]
        for name, run in (
            ("published mode", lambda rows=rows: [refine_published_track(row, body, prior) for row in rows]),
            ("our mode, motion prior", lambda rows=rows: refine_tracks(rows, body, ours, prior=prior)),
            ("our mode, no prior", lambda rows=rows: refine_tracks(rows, body, ours)),
        ):
            spent = cpu_seconds(run)
            _say(f"{count} tracks, {name}: {spent:.2f} CPU s, {count * one / spent:.1f} times as fast as plain")
    _say(f"peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench refinement", description=__doc__)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--tracks", type=int, nargs="+", default=[1, 5])
    parser.add_argument(
        "--plain-rounds", type=int, default=SETTINGS.iterations, help="rounds of the plain loop that are run"
    )
    parser.add_argument("--threads", type=int, help="of torch; all cores by default")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    bench(options.frames, options.tracks, options.plain_rounds)
    return 0
