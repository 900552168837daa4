"""Rendered pictures of crowds seen from several heights, with the box of everybody: what a detector is measured on.

One clip per height of the camera. Every frame is another crowd of held-out people who walk and stand on one floor; how
tall they are in the picture spreads evenly over the logarithm.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int, whole
from dpmesh.body import BodyModel, load_body
from dpmesh.training.commands.make_capture import read_size
from dpmesh.training.commands.make_demo_clip import daylight, write_truth, write_video
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.people.population import renderer_of
from dpmesh.training.render.backgrounds import list_backgrounds, read_background
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import Views, tilted_cameras
from dpmesh.training.render.light import ground_shadows
from dpmesh.training.render.people import Cast, PeopleRenderer, Stage

log = logging.getLogger(__name__)

KINDS = ("walk", "run", "idle")
HELD_OUT = ("val", "test")
RATE = Fraction(5)
FOCAL_RATIO = 0.9  # of the picture's width
STATURE_M = 1.7
APART_M = 0.5
HORIZON = 0.12  # of the picture's height, from its top
TALL_MAX = 0.5  # of the picture's height
TRIES = 200


@dataclass(frozen=True, slots=True)
class Crowd:
    """One frame of people in camera axes."""

    vertices: np.ndarray  # (N, V, 3) float32
    image: np.ndarray  # (H, W, 3) uint8
    boxes_xyxy: np.ndarray  # (N, 4) float32, round the whole body within the picture
    visible_share: np.ndarray  # (N,) float32, seen part of the body's area


def crowd_view(size_px: tuple[int, int]) -> Views:
    """Return a camera that looks down so far that the horizon is at `HORIZON`."""
    width, height = size_px
    focal = FOCAL_RATIO * width
    pitch = math.atan((0.5 - HORIZON) * height / focal)
    size = torch.tensor([[width, height]], dtype=torch.float32)
    return Views(size, torch.tensor([focal]), size / 2, tilted_cameras(torch.tensor([pitch]), torch.zeros(1)))


def place_people(
    rng: np.random.Generator, view: Views, camera_height_m: float, people: int, low_px: float
) -> np.ndarray:
    """Return where people stand (N, 2), metres right of and before the camera; fewer where there is no room.

    Args:
        low_px: height in the picture of the smallest.
    """
    turn = view.camera_from_world[0].double().numpy()
    focal, (width, height) = float(view.focal_px[0]), view.size[0].tolist()
    spots = np.zeros((0, 2))
    for _ in range(people):
        for _ in range(TRIES):
            tall = np.exp(rng.uniform(np.log(low_px), np.log(TALL_MAX * height)))
            depth = focal * STATURE_M / tall
            down = camera_height_m - STATURE_M / 2
            if depth <= down:
                continue
            ahead = np.sqrt(depth**2 - down**2)
            spot = np.array([rng.uniform(-0.5, 0.5) * width / focal * depth, ahead])
            ends = np.array([[spot[0], y - camera_height_m, -spot[1]] for y in (0.0, STATURE_M)]) @ turn.T
            pixels = ends[:, :2] / ends[:, 2:] * focal + np.array([width, height]) / 2
            is_inside = (ends[:, 2] > 1.0).all() and (pixels > 0).all() and (pixels < [width, height]).all()
            if is_inside and (np.linalg.norm(spots - spot, axis=1) > APART_M).all():
                spots = np.concatenate([spots, spot[None]])
                break
    return spots


@torch.no_grad()
def draw_crowd(
    body: BodyModel,
    renderer: PeopleRenderer,
    bank: PoseBank,
    rows: np.ndarray,
    view: Views,
    camera_height_m: float,
    background: np.ndarray,
    seed: tuple[int, ...],
    people: int,
    low_px: float,
) -> Crowd:
    """Return one frame.

    Args:
        rows: (F,) frames of the bank to take poses from.
        background: (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    spots = place_people(rng, view, camera_height_m, people, low_px)
    if not len(spots):
        raise InputError(
            f"camera at {camera_height_m:g} m: nobody of {low_px:g} pixels is in view; give a lower height"
        )
    count, turn = len(spots), view.camera_from_world[0].double().numpy()
    pose = bank.pose[rng.choice(rows, count)].copy()
    facing = Rotation.from_rotvec(np.stack([np.zeros(count), rng.uniform(-np.pi, np.pi, count), np.zeros(count)], 1))
    pose[:, 0] = (Rotation.from_matrix(turn) * facing * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    betas = torch.from_numpy(rng.normal(0, 0.9, (count, 10)).clip(-2, 2).astype(np.float32))
    vertices = body.vertices(torch.from_numpy(pose), betas, torch.zeros(count, 3))
    up = torch.from_numpy(turn[:, 1]).float()
    feet = np.stack([spots[:, 0], np.full(count, -camera_height_m), -spots[:, 1]], 1) @ turn.T
    middle = vertices.mean(1)
    soles = ((vertices - middle[:, None]) @ up).amin(1)
    at = torch.from_numpy(feet).float() - up * soles[:, None]
    vertices = vertices + (at - middle)[:, None]
    width, height = background.shape[1], background.shape[0]
    outfits = dress(Rng(seed), renderer.surface, count)
    light, index = daylight(), torch.zeros(count, dtype=torch.int64)
    stage = renderer.stage(Cast(vertices, index, view, outfits, light), width, height)
    seen = stage.seen()
    drawn = stage.draw(seen)
    floor = torch.from_numpy(turn @ np.array([0.0, -camera_height_m, 0.0])).float()[None]
    dark = ground_shadows(stage.cloth[:, ::3], index, floor, view, light, width, height)
    image = torch.from_numpy(background).float() * (1.0 - dark[0, 0, ..., None]) * (1.0 - drawn.alpha[0, ..., None])
    noisy = cv2.GaussianBlur((image + drawn.colour[0]).numpy(), (3, 3), 0.5) + rng.normal(0, 2.0, background.shape)
    boxes, shares = _boxes_and_shares(stage, seen.row, width, height)
    return Crowd(vertices.numpy(), np.clip(noisy, 0, 255).astype(np.uint8), boxes, shares)


def _boxes_and_shares(stage: Stage, shown: torch.Tensor, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    count = len(stage.screen)
    corners = torch.cat([stage.screen[..., :2].amin(1), stage.screen[..., :2].amax(1)], 1).numpy()
    scale = stage.fragments.width / width
    boxes = np.clip(corners / scale, 0, [width, height, width, height]).astype(np.float32)
    every = stage.counts(stage.alone(torch.arange(count)))
    shares = torch.bincount(shown, minlength=count) / every.clamp_min(1)
    return boxes, shares.float().numpy()


def make_clip(path: Path, options: argparse.Namespace, number: int, camera_height_m: float) -> None:
    """Write one clip (`path`, mp4) and the boxes of its people (`.truth.npz`)."""
    body, bank = load_body(options.body, device="cpu"), PoseBank.read(options.poses)
    wanted = np.isin(bank.splits, HELD_OUT) & np.isin(bank.categories, KINDS)
    rows = np.flatnonzero(wanted[bank.sequence])
    if not len(rows):
        raise InputError(f"{options.poses}: no held-out poses of {', '.join(KINDS)}; make it from more archives")
    pictures, renderer = list_backgrounds(options.backgrounds, "val"), renderer_of(body, "cpu")
    view, crowds = crowd_view(options.size), list[Crowd]()
    for frame in range(options.frames):
        picture = read_background(pictures[(number * options.frames + frame) % len(pictures)])
        back = _fill(picture, options.size)
        seed = (options.seed, number, frame)
        crowds.append(
            draw_crowd(
                body, renderer, bank, rows, view, camera_height_m, back, seed, options.people, options.smallest_px
            )
        )
    write_video(path, (crowd.image for crowd in crowds), RATE, options.crf)
    most = max(len(crowd.boxes_xyxy) for crowd in crowds)
    boxes, shares = np.full((most, len(crowds), 4), np.nan, np.float32), np.zeros((most, len(crowds)), np.float32)
    for frame, crowd in enumerate(crowds):
        boxes[: len(crowd.boxes_xyxy), frame] = crowd.boxes_xyxy
        shares[: len(crowd.boxes_xyxy), frame] = crowd.visible_share
    truth = {"boxes_xyxy": boxes, "visible_share": shares, "camera_height_m": np.array(camera_height_m, np.float32)}
    write_truth(path.with_suffix(".truth.npz"), truth)
    log.info("%s: %d frames of up to %d people", path, len(crowds), most)


def _fill(picture: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return the lower middle of a picture at this size."""
    width, height = size_px
    scale = max(width / picture.shape[1], height / picture.shape[0])
    large = cv2.resize(
        picture, (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    )
    left = (large.shape[1] - width) // 2
    return np.ascontiguousarray(large[large.shape[0] - height :, left : left + width])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data crowds", description=__doc__)
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--backgrounds", required=True, type=Path, help="folder of pictures without people")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--heights", type=_heights, default=(2.5, 6.0, 15.0), help="of the camera, metres: 2.5,6,15")
    parser.add_argument("--frames", type=positive_int, default=6, help="of each height")
    parser.add_argument("--people", type=positive_int, default=40, help="in each frame")
    parser.add_argument("--smallest-px", type=positive_int, default=20, help="height of the smallest people")
    parser.add_argument("--size", type=read_size, default=(1280, 720), help="of the pictures, as 1280x720")
    parser.add_argument("--seed", type=whole, default=0, help="random seed")
    parser.add_argument("--crf", type=whole, default=22, help="H.264 quality, lower is better and larger")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    options = parser.parse_args(arguments)
    if options.smallest_px >= TALL_MAX * options.size[1]:
        parser.error(
            f"--smallest-px: {options.smallest_px} is too tall for the pictures; give less than half of their height"
        )
    return options


def _heights(text: str) -> tuple[float, ...]:
    try:
        heights = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no heights; give metres, as 2.5,6,15") from error
    if any(not 1.0 <= height <= 60.0 for height in heights):
        raise argparse.ArgumentTypeError(f"{text}: give heights from 1 to 60 metres")
    return heights


def run(options: argparse.Namespace) -> None:
    """Make the clips."""
    torch.set_num_threads(1)  # sums in another order would draw other images
    options.output.mkdir(parents=True, exist_ok=True)
    for number, height in enumerate(options.heights):
        make_clip(options.output / f"crowd_{height:g}m.mp4", options, number, height)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(list(arguments) if arguments is not None else None), run)
