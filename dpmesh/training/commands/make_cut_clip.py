"""A clip of several shots in which some people come back and others do not, with its truth."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_float, positive_int, whole
from dpmesh.body import load_body
from dpmesh.training.commands.make_demo_clip import (
    CAMERA_HEIGHT_M,
    HEIGHT,
    RATE,
    WIDTH,
    cover_view,
    daylight,
    demo_view,
    stage_actor,
    truth_of,
    write_truth,
    write_video,
)
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.demo_motion import Role, lay_out
from dpmesh.training.people.population import renderer_of
from dpmesh.training.render.backgrounds import read_background
from dpmesh.training.render.clothing import Outfits, dress
from dpmesh.training.render.sequence import render_sequence
from dpmesh.training.render.surface import FOOT, LEG

log = logging.getLogger(__name__)

KINDS = ("walk", "idle", "dance")
ACROSS_M, AHEAD_M = (-1.6, 1.6), (4.0, 7.0)
PER_PERSON = ("visible_share", "area_px", "visible30", "boxes_xyxy", "joints30_px")
MOVING = ("pose", "trans", "joints_smpl24", "joints_coco17", "keypoints_px", "boxes_xyxy", "joints30_px")


@dataclass(frozen=True, slots=True)
class Plot:
    """Who is in which shot: of an even number of people the first half come back, and the others are there once."""

    people: int
    shots: tuple[tuple[int, ...], ...]


def plan_shots(people: int, shots: int) -> Plot:
    """Return two who come back and, while there are any, one who does not, in every shot.

    Raises:
        InputError: the people are odd or too few, or more than the shots can show.
    """
    regulars = people // 2
    if people % 2 or regulars < 3 or not regulars <= shots:
        raise InputError(f"{people} people in {shots} shots: give an even number from 6 to twice the number of shots")
    cast = []
    for shot in range(shots):
        guests = (regulars + shot,) if shot < regulars else ()
        cast.append((shot % regulars, (shot + 1 + shot // regulars) % regulars, *guests))
    return Plot(people, tuple(cast))


def dress_alike(outfits: Outfits, region: torch.Tensor) -> Outfits:
    """Return the outfits, in which whoever is there once wears the trousers and shoes of somebody who comes back."""
    half = len(outfits.albedo) // 2
    is_low = (region == LEG) | (region == FOOT)
    albedo, thickness = outfits.albedo.clone(), outfits.thickness.clone()
    albedo[half:, is_low], thickness[half:, is_low] = albedo[:half, is_low], thickness[:half, is_low]
    return Outfits(albedo, thickness)


def make_clip(options: argparse.Namespace) -> None:
    """Write `cuts.mp4` and `truth.npz` into the output folder."""
    torch.set_num_threads(1)
    plot, rng = plan_shots(options.people, options.shots), np.random.default_rng(options.seed)
    count, bank = round(options.shot_seconds * RATE), PoseBank.read(options.poses)
    body, view, light = load_body(options.body, device="cpu"), demo_view(), daylight()
    names = _long_sequences(bank, count)
    shapes = rng.normal(0, 0.9, (plot.people, 10)).clip(-2, 2).astype(np.float32)
    renderer = renderer_of(body, "cpu")
    outfits = dress_alike(dress(Rng((options.seed,)), renderer.surface, plot.people), renderer.surface.region)
    floor = view.camera_from_world[0].numpy() @ np.array([0.0, -CAMERA_HEIGHT_M, 0.0])
    images: list[np.ndarray] = []
    parts: list[dict[str, np.ndarray]] = []
    for number, cast in enumerate(plot.shots):
        roles = [Role(str(rng.choice(names)), False, ACROSS_M, AHEAD_M, None) for _ in cast]
        motions = lay_out(rng, bank, roles, count, float(RATE), float(view.focal_px[0]), WIDTH, options.tries)
        actors = [stage_actor(body, motion, shapes[p], view) for motion, p in zip(motions, cast, strict=True)]
        picture = cover_view(read_background(options.background[number % len(options.background)]), 0.81)
        worn = Outfits(outfits.albedo[list(cast)], outfits.thickness[list(cast)])
        shot = list(
            render_sequence(body, renderer, actors, worn, view, light, picture, floor, seed=options.seed + number)
        )
        images += [frame.image for frame in shot]
        parts.append(_with_the_absent(truth_of(body, actors, shot, view), cast, plot.people))
    truth = parts[-1] | {name: np.concatenate([part[name] for part in parts], axis=1) for name in PER_PERSON + MOVING}
    truth |= {"betas": shapes, "time_s": np.arange(len(images)) / float(RATE)}
    truth["cuts"] = count * np.arange(1, len(plot.shots))
    options.output.mkdir(parents=True, exist_ok=True)
    write_video(options.output / "cuts.mp4", iter(images), RATE, options.crf)
    write_truth(options.output / "truth.npz", truth)
    _write_boxes(options.output / "gt.txt", truth)
    log.info("%d people, %d shots, %d frames in %s", plot.people, len(plot.shots), len(images), options.output)


def _long_sequences(bank: PoseBank, count: int) -> np.ndarray:
    """Return the names of sequences of people who walk, stand or dance for at least so many frames."""
    needed = int(np.ceil(count * bank.rate_hz / float(RATE))) + 2
    is_long = np.diff(np.append(bank.starts, len(bank.pose)))[: len(bank.names)] >= needed
    names = bank.names[is_long & np.isin(bank.categories, KINDS)]
    if not len(names):
        raise InputError(f"the pose bank has no {' or '.join(KINDS)} of {needed} frames; give a lower --shot-seconds")
    return np.asarray(names)


def _with_the_absent(truth: dict[str, np.ndarray], cast: tuple[int, ...], people: int) -> dict[str, np.ndarray]:
    """Return the truth of a shot with a row for everybody: NaN, and 0 of what counts, for who is not there."""
    found = dict(truth)
    for name in PER_PERSON + MOVING:
        given = truth[name]
        is_place = name in MOVING
        rows = np.full((people, *given.shape[1:]), np.nan if is_place else 0, given.dtype)
        rows[list(cast)] = given
        found[name] = rows
    return found


def _write_boxes(path: Path, truth: dict[str, np.ndarray]) -> None:
    """Write who is where as a text file of the MOTChallenge (frames, identities and pixels from 1)."""
    boxes = truth["boxes_xyxy"].clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    frame, person = np.nonzero(np.isfinite(boxes).all(axis=2).T)
    here, ones = boxes[person, frame], np.ones(len(frame))
    seen = truth["visible_share"][person, frame]
    table = np.column_stack([frame + 1, person + 1, here[:, :2] + 1, here[:, 2:] - here[:, :2], ones, ones, seen])
    np.savetxt(path, table, fmt=["%d", "%d", *["%.2f"] * 4, "%d", "%d", "%.3f"], delimiter=",")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(
        prog="dpmesh-video data cut-clip",
        description="Make a clip of several shots: half of the people come back, the others wear the same trousers.",
    )
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--background", required=True, type=Path, nargs="+", help="pictures behind the people, in turn")
    parser.add_argument("--people", type=positive_int, default=8, help="an even number")
    parser.add_argument("--shots", type=positive_int, default=6)
    parser.add_argument("--shot-seconds", type=positive_float, default=2.0)
    parser.add_argument("--seed", type=whole, default=21, help="random seed")
    parser.add_argument("--crf", type=whole, default=24, help="H.264 quality, lower is better and larger")
    parser.add_argument("--tries", type=positive_int, default=500, help="arrangements that are tried for each shot")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), make_clip)
