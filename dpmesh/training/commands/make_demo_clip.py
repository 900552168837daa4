"""A clip of people who cross and hide each other, with its truth."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from configs.command import OptionParser
from configs.option_types import fraction, positive_float, whole
from dpmesh.body import BodyModel, load_body
from dpmesh.training.commands.options import run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import write_whole
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.demo_motion import Motion, Role, lay_out
from dpmesh.training.people.grounding import rest_pelvis, stand_on_floor
from dpmesh.training.people.population import renderer_of
from dpmesh.training.render.backgrounds import read_background
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import Views, tilted_cameras
from dpmesh.training.render.light import Lights
from dpmesh.training.render.sequence import Actor, SequenceFrame, render_sequence

log = logging.getLogger(__name__)

RATE = Fraction(25)
WIDTH, HEIGHT = 640, 360
FOCAL_PX = 620.0
CAMERA_HEIGHT_M = 1.75
PITCH_RAD = 0.14
# The committed clip carries its motion as truth, so by default it is made only of collections under the MIT licence
# (DeepMimic, ReActIdle). They are in the training split; "held-out" has subjects that training never sees.
CASTS = {
    "open": [
        Role("deepmimic/humanoid3d_long_walk3.txt", False, (-0.4, 0.4), (3.6, 4.6), np.pi / 2),
        Role("deepmimic/humanoid3d_long_walk1.txt", False, (-0.8, 0.8), (4.6, 7.0), None),
        Role("deepmimic/humanoid3d_long_walk2.txt", False, (-0.8, 0.8), (4.6, 7.5), None),
        Role("deepmimic/humanoid3d_long_zombie.txt", False, (-0.8, 0.8), (5.0, 8.0), None),
        Role("deepmimic/humanoid3d_stealthy_walk1.txt", False, (-1.6, 1.6), (4.8, 7.0), None),
        Role("mocap2_dev/reactidle_bvh/004_acted.bvh", False, (-2.0, 2.0), (5.0, 8.0), 0.2),
    ],
    "held-out": [
        Role("cmu_bvh_iclone/005_01.bvh", True, (-0.6, 0.6), (3.7, 4.4), np.pi / 2),
        Role("cmu_bvh_iclone/006_01.bvh", True, (-0.6, 0.6), (6.4, 7.6), -np.pi / 2),
        Role("mocap2_dev/cmu_amc_cyun/03_03.amc", False, (-0.8, 0.8), (4.8, 6.5), None),
        Role("mocap2_dev/cmu_amc_cyun/03_04.amc", False, (-0.8, 0.8), (5.0, 7.5), None),
        Role("cmu_bvh_salsa/61_04_scaled.bvh", False, (-1.0, 1.0), (4.8, 6.5), None),
        Role("mocap2_dev/reactidle_bvh/004_acted.bvh", False, (-2.0, 2.0), (5.5, 8.0), 0.2),
    ],
}


def stage_actors(
    body: BodyModel, bank: PoseBank, roles: list[Role], rng: np.random.Generator, view: Views, frames: int
) -> list[Actor]:
    """Return the people of the clip in camera axes, each with a shape of their own."""
    motions = lay_out(rng, bank, roles, frames, float(RATE), float(view.focal_px), WIDTH)
    actors = []
    for motion in motions:
        betas = rng.normal(0, 0.9, 10).clip(-2, 2).astype(np.float32)
        actors.append(stage_actor(body, motion, betas, view))
    return actors


def stage_actor(body: BodyModel, motion: Motion, betas: np.ndarray, view: Views) -> Actor:
    """Return somebody of a shape (10,) who moves over the floor, in camera axes."""
    from_world = view.camera_from_world[0].double().numpy()
    grounded = stand_on_floor(body, motion, betas, float(RATE))
    pose = grounded.pose.copy()
    root = Rotation.from_matrix(from_world) * Rotation.from_rotvec(pose[:, 0])
    pose[:, 0] = root.as_rotvec()
    pelvis = (grounded.pelvis - np.array([0.0, CAMERA_HEIGHT_M, 0.0])) @ from_world.T
    return Actor(pose, (pelvis - rest_pelvis(body, betas)).astype(np.float32), betas)


def write_video(path: Path, images: Iterable[np.ndarray], rate: Fraction, crf: int) -> None:
    """Write RGB images (H, W, 3) uint8 as H.264 that browsers play."""

    def encode(draft: Path) -> None:
        with av.open(str(draft), "w", format="mp4", options={"movflags": "faststart"}) as file:
            stream = file.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "slow"})
            stream.pix_fmt = "yuv420p"
            for image in images:
                if not stream.codec_context.is_open:
                    stream.height, stream.width = image.shape[:2]
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            file.mux(stream.encode())

    write_whole(path, encode)


def truth_of(body: BodyModel, actors: list[Actor], frames: list[SequenceFrame], view: Views) -> dict[str, np.ndarray]:
    """Return the arrays of `truth.npz`: N people, T frames, camera axes, metres, pixels of the clip."""

    def joints(joint_set: str) -> np.ndarray:
        rows = []
        for actor in actors:
            betas = torch.from_numpy(actor.betas).expand(len(actor.pose), 10)
            given = torch.from_numpy(actor.pose), betas, torch.from_numpy(actor.trans)
            rows.append(body.joints(*given, joint_set=joint_set).numpy())
        return np.stack(rows).astype(np.float32)

    def per_person(name: str) -> np.ndarray:
        return np.stack([getattr(frame, name) for frame in frames], axis=1)

    coco = joints("coco17")
    return {
        "pose": np.stack([actor.pose for actor in actors]),  # (N, T, 24, 3), root in the camera
        "betas": np.stack([actor.betas for actor in actors]),  # (N, 10)
        "trans": np.stack([actor.trans for actor in actors]),  # (N, T, 3)
        "joints_smpl24": joints("smpl24"),  # (N, T, 24, 3)
        "joints_coco17": coco,  # (N, T, 17, 3)
        "keypoints_px": view.project(torch.from_numpy(coco)[None])[0].numpy(),  # (N, T, 17, 2)
        "joints30_px": per_person("joints30_px"),  # (N, T, 30, 2)
        "visible30": per_person("visible30"),  # (N, T, 30): 0 outside the image, 1 hidden, 2 visible
        "visible_share": per_person("visible_share"),  # (N, T), 0 when outside of the image
        "area_px": per_person("area_px"),  # (N, T), area within the image, hidden or not
        "boxes_xyxy": per_person("boxes_xyxy"),  # (N, T, 4), NaN when outside
        "time_s": np.arange(len(frames)) / float(RATE),
        "focal_px": view.focal_px[0].numpy(),
        "principal_px": view.principal_px[0].numpy(),
        "image_size": np.array([WIDTH, HEIGHT], np.int32),
        "camera_from_world": view.camera_from_world[0].numpy(),  # world y up
        "camera_height_m": np.array(CAMERA_HEIGHT_M, np.float32),
    }


def write_truth(path: Path, truth: dict[str, np.ndarray]) -> None:
    """Write the arrays of `truth_of`."""

    def save(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **truth)

    write_whole(path, save)


def demo_view() -> Views:
    """Return the one camera of the clip."""
    size = torch.tensor([[WIDTH, HEIGHT]], dtype=torch.float32)
    return Views(size, torch.tensor([FOCAL_PX]), size / 2, tilted_cameras(torch.tensor([PITCH_RAD]), torch.zeros(1)))


def daylight() -> Lights:
    """Return the one light of the clip."""
    return Lights(
        sky=torch.tensor([[0.50, 0.52, 0.56]]),
        ground=torch.tensor([[0.26, 0.25, 0.24]]),
        lamp_directions=torch.tensor([[[0.45, 0.75, 0.48], [-0.6, 0.5, 0.6]]]),
        lamp_colours=torch.tensor([[[0.62, 0.59, 0.54], [0.12, 0.13, 0.15]]]),
        shadow=torch.tensor([0.45]),
    )


def make_demo(options: argparse.Namespace) -> None:
    """Write `demo.mp4` and `truth.npz` into the output folder."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    body = load_body(options.body, device="cpu")
    view = demo_view()
    count = round(options.seconds * RATE)
    actors = stage_actors(body, PoseBank.read(options.poses), CASTS[options.cast], rng, view, count)
    light = daylight()
    background = cover_view(read_background(options.background), options.background_top)
    floor = view.camera_from_world[0].numpy() @ np.array([0.0, -CAMERA_HEIGHT_M, 0.0])
    renderer = renderer_of(body, "cpu")
    outfits = dress(Rng((options.seed,)), renderer.surface, len(actors))
    frames: list[SequenceFrame] = []
    for frame in render_sequence(body, renderer, actors, outfits, view, light, background, floor, seed=options.seed):
        frames.append(frame)
    options.output.mkdir(parents=True, exist_ok=True)
    write_video(options.output / "demo.mp4", (frame.image for frame in frames), RATE, options.crf)
    write_truth(options.output / "truth.npz", truth_of(body, actors, frames, view))
    log.info("%d people, %d frames in %s", len(actors), len(frames), options.output)


def cover_view(image: np.ndarray, top_fraction: float) -> np.ndarray:
    """Return an image cut to the clip's size (HEIGHT, WIDTH, 3); `top_fraction` of what is too high goes at the top."""
    scale = max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = int((large.shape[0] - HEIGHT) * top_fraction), (large.shape[1] - WIDTH) // 2
    return np.ascontiguousarray(large[top : top + HEIGHT, left : left + WIDTH])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data demo-clip", description="Make the demo clip and its truth.")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--background", required=True, type=Path, help="picture behind the people")
    parser.add_argument(
        "--background-top", type=fraction, default=0.81, help="share of its spare height cut at the top"
    )
    parser.add_argument("--cast", choices=sorted(CASTS), default="open", help="which recorded motions")
    parser.add_argument("--seconds", type=positive_float, default=10.0)
    parser.add_argument("--seed", type=whole, default=11, help="random seed")
    parser.add_argument("--crf", type=whole, default=24, help="H.264 quality, lower is better and larger")
    parser.add_argument("--body", type=Path, default=None, help="SMPL-format model; the bundled open body if not given")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), make_demo)
