"""A rendered capture: people in a room as several calibrated cameras see them, with their truth.

The layout is that of CMU Panoptic: `calibration_SEQ.json` with 31 HD cameras whose lenses distort, `hdVideos` of some
of them, and the joints of everybody in `hdPose3d_stage1_coco19` and `hdPose3d_stage1`. Beside them lies
`reference_3d_coco17.npz` for `dpmesh-video evaluate multiview`. Two people meet and hug, one leaves and comes back, the
others cross or stay; subjects and motions are held out from training.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from configs.command import OptionParser
from configs.option_types import positive_float, positive_int, whole
from dpmesh.body import load_body
from dpmesh.training.capture.annotations import (
    REFERENCE_FILE,
    is_inside,
    joints15,
    joints19,
    write_poses,
    write_reference,
)
from dpmesh.training.capture.film import film, joints_at
from dpmesh.training.capture.plot import PEOPLE, stage_people
from dpmesh.training.capture.rig import (
    CAMERA_COUNT,
    calibration_of,
    choose_cameras,
    dome_cameras,
    door_bearing,
)
from dpmesh.training.capture.room import paint_room
from dpmesh.training.commands.make_demo_clip import daylight, write_video
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import claim_folder, digest
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.people.population import renderer_of
from dpmesh.training.render.backgrounds import read_background
from dpmesh.training.render.clothing import dress

log = logging.getLogger(__name__)

CAMERAS = ("00_03", "00_06", "00_12", "00_13", "00_23")  # the five of VoxelPose's protocol
RATE = Fraction(30000, 1001)
OFFSET_MAX_FRAMES = 100.0
PAN_FILE = "pan_rad.npy"  # (T,) by which the cameras are turned to the left of their calibration, if they turn
SIDE_MAX_PX = 4096


def make_capture(options: argparse.Namespace) -> None:
    """Write the capture into the output folder."""
    torch.set_num_threads(1)  # sums in another order would draw other images
    body, bank = load_body(options.body, device="cpu"), PoseBank.read(options.poses)
    picture = read_background(options.picture)
    rng = np.random.default_rng(options.seed)
    dome = dome_cameras(rng, options.size)
    if options.pan:
        dome = [replace(camera, distortion=np.zeros(5)) for camera in dome]
    chosen = choose_cameras(dome, options.cameras)
    choose_cameras(dome, [*options.offset, *options.blind, *options.turned])
    name, count = options.output.resolve().name, max(1, round(options.seconds * options.rate))
    time_s = np.arange(count) / float(options.rate)
    spare_s = max(map(abs, options.offset.values()), default=0.0) / float(options.rate)
    span_s = (time_s[0] - spare_s, time_s[-1] + spare_s)
    actors = stage_people(rng, body, bank, options.people, span_s, door_bearing(dome), options.cast == "open")
    renderer = renderer_of(body, "cpu")
    outfits = dress(Rng((options.seed,)), renderer.surface, len(actors))
    told = {name: str(value) for name, value in vars(options).items() if name not in ("output", "poses", "cameras")}
    claim_folder(options.output, told | {"poses": digest(bank.pose)})
    videos = options.output / "hdVideos"
    videos.mkdir(parents=True, exist_ok=True)
    calibration = calibration_of(dome, {key: math.radians(angle) for key, angle in options.turned.items()})
    (options.output / f"calibration_{name}.json").write_text(json.dumps(calibration, indent=1))
    coco = joints_at(body, actors, time_s, "coco17")
    shown = is_inside(coco)
    tops = joints_at(body, actors, time_s, "dpmesh30")[..., -1, :]
    write_poses(options.output / "hdPose3d_stage1_coco19", "joints19", joints19(coco), shown, options.rate)
    write_poses(options.output / "hdPose3d_stage1", "joints15", joints15(coco, tops), shown, options.rate)
    write_reference(options.output / REFERENCE_FILE, coco, shown)
    for camera in chosen:
        moments = time_s + options.offset.get(camera.name, 0.0) / float(options.rate)
        if options.pan:
            angles = pan_rad(options.pan, time_s)
            images: Iterator[np.ndarray] = chain.from_iterable(
                film(body, renderer, actors, outfits, daylight(), turning, paint_room(turning, picture), moments[[k]],
                     seed=(options.seed, int(camera.name[3:]), k))
                for k, turning in enumerate(camera.turned(float(angle)) for angle in angles)
            )  # fmt: skip
            np.save(options.output / PAN_FILE, angles)
        elif camera.name in options.blind:
            images = iter([np.zeros((camera.size_px[1], camera.size_px[0], 3), np.uint8)] * count)
        else:
            room = paint_room(camera, picture)
            seed = (options.seed, int(camera.name[3:]))
            images = film(body, renderer, actors, outfits, daylight(), camera, room, moments, seed=seed)
        write_video(videos / f"hd_{camera.name}.mp4", images, options.rate, options.crf)
        log.info("hd_%s.mp4: %d frames", camera.name, count)
    log.info("%s: %d people, %d cameras, %d frames", options.output, len(actors), len(chosen), count)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data capture", description=__doc__)
    parser.add_argument("--output", required=True, type=Path, help="folder, named as the sequence")
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--picture", required=True, type=Path, help="picture on the wall and the floor")
    parser.add_argument("--people", type=positive_int, default=5, help=f"{PEOPLE[0]} to {PEOPLE[-1]}")
    parser.add_argument(
        "--cameras", type=_names, default=CAMERAS, help=f"which of 00_00 to 00_{CAMERA_COUNT - 1} film, as 00_03,00_06"
    )
    parser.add_argument("--seconds", type=positive_float, default=10.0)
    parser.add_argument("--rate", type=_rate, default=RATE, help="frames per second, as 25 or 30000/1001")
    parser.add_argument("--size", type=read_size, default=(640, 360), help="of the pictures, as 960x540")
    parser.add_argument(
        "--offset",
        type=_per_camera,
        default={},
        help="frames by which what cameras show is ahead: 00_03=0.4,00_06=-7",
    )
    parser.add_argument("--blind", type=_names, default=(), help="cameras that film nothing but black")
    parser.add_argument(
        "--turned",
        type=_per_camera,
        default={},
        help="degrees by which their calibration is wrong: 00_03=3",
    )
    parser.add_argument(
        "--pan", type=positive_float, default=None, help="degrees by which cameras turn to either side, to and fro "
        "about the upright, their calibration being that of the middle; lenses are straight then",
    )  # fmt: skip
    parser.add_argument(
        "--cast", choices=["held-out", "open"], default="held-out",
        help="motions that training never saw, or those under the MIT licence",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole, default=1, help="random seed of people, motions and cameras")
    parser.add_argument("--crf", type=whole, default=22, help="H.264 quality, lower is better and larger")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    options = parser.parse_args(arguments)
    if options.people not in PEOPLE:
        parser.error(f"--people: {options.people} is not possible; give {PEOPLE[0]} to {PEOPLE[-1]}")
    return options


def pan_rad(degrees: float, time_s: np.ndarray) -> np.ndarray:
    """Return by which angle cameras are turned to the left at moments (T,): once to and fro."""
    return math.radians(degrees) * np.sin(2.0 * np.pi * time_s / max(float(time_s[-1]), 1e-6))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _per_camera(text: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{part!r} is not CAMERA=NUMBER, as 00_03=0.4") from error
        if not abs(found[name.strip()]) <= OFFSET_MAX_FRAMES:
            raise argparse.ArgumentTypeError(f"{part!r} is out of range; give at most {OFFSET_MAX_FRAMES:g}")
    return found


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame rate; give 25 or 30000/1001") from error
    if not 1 <= rate <= 240:
        raise argparse.ArgumentTypeError(f"{text} frames per second cannot be meant; give 1 to 240")
    return rate


def read_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give WIDTHxHEIGHT, as 960x540")
    sides = int(width), int(height)
    if any(side % 2 or not 64 <= side <= SIDE_MAX_PX for side in sides):
        raise argparse.ArgumentTypeError(f"{text} cannot be made; give even sides from 64 to {SIDE_MAX_PX}")
    return sides


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), make_capture)


if __name__ == "__main__":
    raise SystemExit(main())
