"""Fill a folder with moving people as a run sees them, and as they are."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import torch

from configs.checks import join_rows
from configs.command import OptionParser
from configs.option_types import fraction, positive_int, whole
from dpmesh.body import load_body
from dpmesh.network.model import DPMesh
from dpmesh.training.commands.options import log_to_stderr, run_command
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import claim_folder, digest, fill, run_jobs, write_arrays
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.motion.clips import draw_clips
from dpmesh.training.motion.seen import SimulatedMotion, see
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.simulated import KeypointNoise, mixed_noise

SHARD = 256
BATCH = 64
OWN_NOISE = KeypointNoise(jitter=0.01, hidden_jitter=0.03, weak_rate=0.2)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video data motion", description=__doc__)
    parser.add_argument("--poses", required=True, type=Path, help="pose bank, from `dpmesh-video data mocap`")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the recovery network")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument(
        "--count", required=True, type=positive_int, help=f"clips; rounded up to whole shards of {SHARD}"
    )
    parser.add_argument("--frames", type=positive_int, default=64, help="of each clip")
    parser.add_argument("--cameras", type=positive_int, default=1, help="that see each person, for clips of captures")
    parser.add_argument(
        "--hidden", type=fraction, help="share of joints that something hides; else limbs and people now and then"
    )
    parser.add_argument("--seed", type=whole, default=1, help="random seed")
    parser.add_argument("--split", choices=["train", "val"], default="train", help="which subjects")
    parser.add_argument("--jobs", type=positive_int, default=1, help="processes")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the shards that are missing."""
    bank = PoseBank.read(options.poses)
    DPMesh.from_pretrained(options.weights)
    settings = {"seed": options.seed, "frames": options.frames, "split": options.split, "poses": digest(bank.pose)}
    if options.cameras > 1:
        settings["cameras"] = options.cameras
    if options.hidden is not None:
        settings["hidden"] = options.hidden
    settings["network"] = digest(*sorted(options.weights.glob("*.safetensors")))
    claim_folder(options.output, settings)
    run_jobs(functools.partial(_work, options), options.jobs)


def _work(options: argparse.Namespace, job: int, jobs: int) -> None:
    log_to_stderr()
    torch.set_num_threads(1)
    body, bank = load_body(None), PoseBank.read(options.poses)
    network = DPMesh.from_pretrained(options.weights).eval()
    shard = SHARD if options.cameras == 1 else BATCH  # as many people; each of them has several rows
    paths = [options.output / f"motion_{first:07d}.npz" for first in range(0, options.count, shard)]
    noise, hint_noise = mixed_noise(OWN_NOISE), HintNoise.read()
    mine = list(range(job, len(paths), jobs))

    def make(k: int) -> None:
        parts: list[SimulatedMotion] = []
        for start in range(mine[k] * shard, (mine[k] + 1) * shard, BATCH):
            rng = Rng((options.seed, 11, start))
            clips = draw_clips(bank, rng.numpy, BATCH, options.frames, options.split)
            seen = see(
                clips, body, network, noise.draw(rng), rng, hint_noise,
                cameras=options.cameras, hidden_share=options.hidden,
            )  # fmt: skip
            parts.append(seen)
        write_arrays(paths[mine[k]], join_rows(parts))

    fill([paths[k] for k in mine], make, f"motion {options.split}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
