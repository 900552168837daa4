"""Held-out clips in which people vanish for a while, with their truth.

Each clip has people of held-out subjects who cross and hide each other, one of them so near that the image cuts the
feet off; a board passes in front of everybody, so that people are gone for 0.3 to 1 s; and a counter or a post stands
before them, which hides legs for as long as somebody stays behind it.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_float, positive_int, whole
from dpmesh.body import BodyModel, load_body
from dpmesh.training.commands.make_demo_clip import (
    CAMERA_HEIGHT_M,
    HEIGHT,
    RATE,
    WIDTH,
    cover_view,
    daylight,
    demo_view,
    stage_actors,
    truth_of,
    write_truth,
    write_video,
)
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.demo_motion import Role
from dpmesh.training.people.population import renderer_of
from dpmesh.training.render.backgrounds import list_backgrounds, read_background
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import Views
from dpmesh.training.render.occluders import Covers
from dpmesh.training.render.people import PeopleRenderer
from dpmesh.training.render.sequence import Actor, render_sequence

log = logging.getLogger(__name__)

HIDDEN_S = (0.3, 1.0)  # how long the board hides somebody of middling width
BOARD_SPEED_PX = (160.0, 280.0)  # per second
WALKERS = ("walk", "run")
PERFORMERS = ("dance", "fight", "sport", "idle", "walk", "other")
HELD_OUT = ("val", "test")


@dataclass(frozen=True, slots=True)
class Thing:
    """A rectangle before everybody, level with the image, that may move sideways."""

    texture: np.ndarray  # (h, w, 3) uint8 RGB
    top_px: float
    left_px: np.ndarray  # (T,)


def choose_roles(bank: PoseBank, rng: np.random.Generator, frames: int) -> list[Role]:
    """Return who is in a clip: a walker who crosses, two who stay, and one who is close.

    Args:
        frames: at the bank's rate, that a motion must last unless it is a walk, which is repeated.

    Raises:
        InputError: the bank has too few held-out motions of that length.
    """
    lengths = np.diff(bank.starts)
    is_held_out = np.isin(bank.splits, HELD_OUT)
    gaits = np.flatnonzero(is_held_out & np.isin(bank.categories, WALKERS) & (lengths >= 2 * bank.rate_hz))
    acts = np.flatnonzero(is_held_out & np.isin(bank.categories, PERFORMERS) & (lengths >= frames))
    if not len(gaits) or len(acts) < 3:
        raise InputError(
            f"the pose bank has {len(gaits)} held-out walks and {len(acts)} other held-out motions of {frames} frames; "
            "one and three are needed: make it from more archives, or shorter clips"
        )
    kinds = bank.categories[acts]
    weights = np.array([1.0 / (kinds == kind).sum() for kind in kinds])
    stay = rng.choice(acts, 3, replace=False, p=weights / weights.sum())
    side = float(rng.choice([-1.0, 1.0]))
    return [
        Role(str(bank.names[rng.choice(gaits)]), True, (-0.6, 0.6), (3.8, 5.0), side * np.pi / 2),
        Role(str(bank.names[stay[0]]), False, (-1.4, 1.4), (4.6, 6.5), None),
        Role(str(bank.names[stay[1]]), False, (-1.8, 1.8), (5.0, 7.5), None),
        Role(str(bank.names[stay[2]]), False, (-1.4, 1.4), (3.0, 3.8), None),
    ]


def place_things(
    rng: np.random.Generator, actors: list[Actor], view: Views, background_paths: list[Path]
) -> list[Thing]:
    """Return what stands before the people: a counter or a post, and a board that passes."""
    frames = len(actors[0].pose)
    still = np.ones(frames)
    if rng.random() < 0.5:
        wide, top = int(rng.uniform(150, 300)), int(rng.uniform(0.62, 0.75) * HEIGHT)
    else:
        wide, top = int(rng.uniform(20, 45)), int(rng.uniform(0.0, 0.3) * HEIGHT)
    standing = Thing(
        _surface(rng, background_paths, wide, HEIGHT - top), top, still * rng.uniform(60, WIDTH - 60 - wide)
    )
    speed, hidden_s = rng.uniform(*BOARD_SPEED_PX), rng.uniform(*HIDDEN_S)
    depth = np.median([actor.trans[:, 2] for actor in actors])
    body_px = 0.75 * float(view.focal_px[0]) / depth
    wide, top = int(body_px + speed * hidden_s), int(rng.uniform(0.0, 0.08) * HEIGHT)
    # The middle of the board is in the middle of the image at about half of the clip.
    middle_s = rng.uniform(0.4, 0.6) * frames / float(RATE)
    left = WIDTH / 2 - wide / 2 + rng.choice([-1, 1]) * speed * (np.arange(frames) / float(RATE) - middle_s)
    return [standing, Thing(_surface(rng, background_paths, wide, HEIGHT - top), top, left)]


def cover_frames(things: list[Thing], first: int, stop: int) -> Covers:
    """Return what the things hide in frames `first` up to and without `stop`; later things are nearer."""
    alpha = np.zeros((stop - first, HEIGHT, WIDTH), np.float32)
    colour = np.zeros((stop - first, HEIGHT, WIDTH, 3), np.float32)
    for k, frame in enumerate(range(first, stop)):
        for thing in things:
            left, top = round(float(thing.left_px[frame])), round(thing.top_px)
            high, wide = thing.texture.shape[:2]
            from_x, to_x = max(left, 0), min(left + wide, WIDTH)
            if from_x < to_x:
                alpha[k, top : top + high, from_x:to_x] = 1.0
                colour[k, top : top + high, from_x:to_x] = thing.texture[:, from_x - left : to_x - left]
    return Covers(torch.from_numpy(alpha), torch.from_numpy(colour))


def make_sequence(
    path: Path,
    body: BodyModel,
    renderer: PeopleRenderer,
    bank: PoseBank,
    background_paths: list[Path],
    seeds: tuple[int, int],
    seconds: float,
) -> None:
    """Write one clip (`path`, mp4) and its truth beside it (`.truth.npz`). The same seeds give the same clip."""
    rng = np.random.default_rng(seeds)
    view, count = demo_view(), round(seconds * RATE)
    roles = choose_roles(bank, rng, int(np.ceil(seconds * bank.rate_hz)) + 2)
    actors = stage_actors(body, bank, roles, rng, view, count)
    things = place_things(rng, actors, view, background_paths)
    back = cover_view(read_background(background_paths[rng.integers(len(background_paths))]), 0.8)
    floor = view.camera_from_world[0].numpy() @ np.array([0.0, -CAMERA_HEIGHT_M, 0.0])
    outfits = dress(Rng(seeds), renderer.surface, len(actors))
    frames = list(
        render_sequence(
            body, renderer, actors, outfits, view, daylight(), back, floor,
            covers=lambda first, stop: cover_frames(things, first, stop), seed=seeds[0],
        )
    )  # fmt: skip
    write_video(path, (frame.image for frame in frames), RATE, 22)
    write_truth(path.with_suffix(".truth.npz"), truth_of(body, actors, frames, view))
    gone = np.mean([frame.visible_share < 0.02 for frame in frames])
    log.info("%s: %d people, %d frames, %.0f %% of them hidden", path, len(actors), count, 100 * gone)


def _surface(rng: np.random.Generator, background_paths: list[Path], wide: int, high: int) -> np.ndarray:
    """Return a darkened part of a photograph (high, wide, 3) uint8."""
    image = read_background(background_paths[rng.integers(len(background_paths))])
    scale = 1.2 * max(wide / image.shape[1], high / image.shape[0])
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (int(rng.integers(0, spare + 1)) for spare in (large.shape[0] - high, large.shape[1] - wide))
    return np.clip(large[top : top + high, left : left + wide] * rng.uniform(0.45, 0.8), 0, 255).astype(np.uint8)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data sequences", description=__doc__)
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--backgrounds", required=True, type=Path, help="folder of pictures without people")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--count", type=positive_int, default=8)
    parser.add_argument("--seconds", type=positive_float, default=5.0)
    parser.add_argument("--seed", type=whole, default=0, help="random seed")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the clips."""
    torch.set_num_threads(1)  # sums in another order would draw other images
    body, bank = load_body(options.body, device="cpu"), PoseBank.read(options.poses)
    renderer, background_paths = renderer_of(body, "cpu"), list_backgrounds(options.backgrounds, "val")
    options.output.mkdir(parents=True, exist_ok=True)
    for number in range(1, options.count + 1):
        path = options.output / f"sequence_{number:02d}.mp4"
        make_sequence(path, body, renderer, bank, background_paths, (options.seed, number), options.seconds)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
