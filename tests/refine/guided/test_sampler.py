"""Guided sampling of motion, on scenes whose truth is known and with small priors."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from dpmesh.geometry.rotations import axis_angle_to_matrix, matrix_to_six
from refine.fit.energy import MotionEnergy
from refine.fit.evidence import Piece
from refine.guided.denoiser import ROWS_MAX, WindowDenoiser
from refine.guided.sampler import LAST_TIME, GuidedSolver, diffusion_times
from refine.guided.tracks import refine_guided_tracks
from refine.prior.network import MotionPrior
from refine.prior.posterior_mean import describe
from refine.rows.smooth import smooth_track
from refine.rows.types import TrackRows
from refine.rows.windows import Window

CPU = torch.device("cpu")
QUICK = RefineSettings(mode="guided", guided_steps=4, guided_inner_steps=4, shape_steps=4, shape_rows=4)
NOISY = QUICK.model_copy(update={"guided_start": "noise", "samples": 2})


@pytest.fixture(scope="module")
def plain() -> MotionPrior:
    """A prior that has learned nothing: it joins noisy and recovered poses by their precision."""
    return MotionPrior(width=16, layers=1, heads=2).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def prior() -> MotionPrior:
    torch.manual_seed(0)
    network = MotionPrior(width=16, layers=2, heads=2).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def solver_of(tracks: Sequence[TrackRows], body: object, settings: RefineSettings, prior: MotionPrior) -> GuidedSolver:
    windows = [Window(number, 0, len(track.time_s)) for number, track in enumerate(tracks)]
    starts = [smooth_track(track, np.zeros(3), 5.0) for track in tracks]
    pieces = [Piece(track, start, np.arange(len(track.time_s))) for track, start in zip(tracks, starts, strict=True)]
    return GuidedSolver(pieces, windows, tracks, body, settings, prior, CPU)  # type: ignore[arg-type]


def test_a_noisy_track_comes_nearer(make_scene: Callable, plain: MotionPrior) -> None:
    scene = make_scene(30)
    settings = QUICK.model_copy(update={"guided_inner_steps": 12})
    (found,) = refine_guided_tracks([scene.track], scene.body, settings, plain)
    track = scene.track
    before = scene.error_m(track.pose, track.trans, track.betas).mean()
    assert scene.error_m(found.pose, found.trans, found.betas).mean() < 0.7 * before
    assert found.is_refined.all()


@pytest.mark.parametrize("settings", [QUICK, NOISY], ids=["one", "samples"])
def test_a_track_does_not_depend_on_those_beside_it_nor_on_batches(
    make_scene: Callable, prior: MotionPrior, settings: RefineSettings
) -> None:
    scenes = [make_scene(20, seed=1), make_scene(40, seed=2, gap=slice(15, 19)), make_scene(1, seed=3)]
    tracks = [replace(scene.track, number=number) for number, scene in enumerate(scenes)]
    settings = settings.model_copy(update={"window_frames": 24, "overlap_frames": 8})
    together = refine_guided_tracks(tracks, scenes[0].body, settings, prior)
    few = settings.model_copy(update={"batch_rows": 64})
    for track, found in zip(tracks, together, strict=True):
        (alone,) = refine_guided_tracks([track], scenes[0].body, few, prior)
        for name in ("pose", "trans", "betas"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name), atol=5e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_person_another_sample(
    make_scene: Callable, prior: MotionPrior
) -> None:
    scene = make_scene(16)
    settings = NOISY.model_copy(update={"samples": 1, "is_acceptance_test_on": False})

    def sample(number: int = 0, seed: int = 0) -> bytes:
        track = replace(scene.track, number=number)
        (found,) = refine_guided_tracks([track], scene.body, settings.model_copy(update={"seed": seed}), prior)
        return found.pose.tobytes()

    assert sample() == sample()
    assert len({sample(), sample(number=1), sample(seed=1)}) == 3


def test_guidance_lowers_the_energy_of_what_the_prior_says(make_scene: Callable, plain: MotionPrior) -> None:
    scene = make_scene(24)
    solver = solver_of([scene.track], scene.body, QUICK, plain)
    inner = solver.solver
    energy = MotionEnergy(inner.evidence, scene.body, QUICK)
    before = energy(inner.x, inner.trans, inner.betas)
    solver.run(QUICK.guided_steps)
    assert energy(inner.x, inner.trans, inner.betas) < 0.8 * before


def test_the_scale_of_guidance_goes_from_motion_alone_to_motion_as_seen(
    make_scene: Callable, prior: MotionPrior
) -> None:
    track = make_scene(12).track
    window = [Window(0, 0, 12)]
    denoiser, conditions = WindowDenoiser(prior, [track], window, CPU), describe([track], window, CPU)
    x = torch.randn(12, 24, 6, generator=torch.Generator().manual_seed(0))
    told = torch.ones(1, dtype=torch.bool)
    seen, alone = (
        prior.forward(x[None], torch.tensor([300]), conditions, each)[0][0].detach() for each in (told, ~told)
    )
    for scale, wanted in ((1.0, seen), (0.0, alone), (1.5, alone + 1.5 * (seen - alone))):
        torch.testing.assert_close(denoiser(x, torch.full((12,), 300), scale).poses, wanted, atol=1e-5, rtol=0)
    assert float((seen - alone).abs().max()) > 0.05


def test_samples_from_noise_lie_apart_and_one_sample_has_no_spread(make_scene: Callable, plain: MotionPrior) -> None:
    scene = make_scene(16, gap=slice(5, 12))
    one, three = (
        solver_of([scene.track], scene.body, NOISY.model_copy(update={"samples": count}), plain) for count in (1, 3)
    )
    for solver in (one, three):
        solver.run(NOISY.guided_steps)
    (alone,), (spread,) = one.spreads_rad(), three.spreads_rad()
    assert not alone.any() and (spread > 0).all() and spread.shape == (16, 24)
    assert len(three.motions()) == 1 and three.motions()[0].pose.shape == (16, 24, 3)


def test_rows_of_a_long_or_fast_window_are_dealt_to_the_prior_and_come_back(
    make_scene: Callable, prior: MotionPrior
) -> None:
    for track in (make_scene(ROWS_MAX + 30).track, make_scene(50, rate_hz=135.0).track):
        rows = len(track.time_s)
        denoiser = WindowDenoiser(prior, [track], [Window(0, 0, rows)], CPU)
        poses = matrix_to_six(axis_angle_to_matrix(torch.from_numpy(track.pose)))
        torch.testing.assert_close(denoiser.to_track(denoiser.to_window(poses)), poses, atol=1e-5, rtol=0)
        made = denoiser(denoiser.recovered, torch.full((rows,), 100), 1.0)
        assert made.poses.shape == (rows, 24, 6) and bool(torch.isfinite(made.poses).all())


def test_diffusion_times_fall_to_the_last() -> None:
    assert diffusion_times(400, 3) == [400, 210, LAST_TIME]
    assert diffusion_times(400, 1) == [400]
    assert diffusion_times(5, 2) == [5, 5]


def test_a_second_camera_finds_the_distance(make_scene: Callable, watched: Callable, plain: MotionPrior) -> None:
    scene = make_scene(24)
    turn = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)  # looks along x
    shift = -turn @ np.array([-4.0, 0.0, 4.0], np.float32)
    side = watched(scene.body, scene.pose, scene.betas, scene.trans, np.random.default_rng(9), turn, shift)
    settings = QUICK.model_copy(update={"guided_inner_steps": 15})
    (one,) = refine_guided_tracks([scene.track], scene.body, settings, plain)
    two_views = replace(scene.track, views=(*scene.track.views, side))
    (two,) = refine_guided_tracks([two_views], scene.body, settings, plain)
    away = [np.linalg.norm(fit.trans - scene.trans, axis=-1).mean() for fit in (one, two)]
    assert away[1] < 0.5 * away[0]
