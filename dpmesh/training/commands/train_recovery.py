"""Train the recovery network on crops, continuing where the last call stopped."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import fraction, positive_int
from dpmesh.body import BodyModel, load_body
from dpmesh.network.lift import JOINT_PARTS
from dpmesh.network.model import DPMesh
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.training.commands.options import (
    add_crop_options,
    add_loop_options,
    check_sources,
    open_crops,
    open_validation,
    run_command,
    start_process,
    steps_of,
)
from dpmesh.training.engine.checkpoint import CHECKPOINT, check_checkpoint, find_config
from dpmesh.training.noise.hints import HintNoise
from dpmesh.training.noise.posefix import PoseFixNoise
from dpmesh.training.noise.simulated import CLEAN, KeypointNoise, NoiseMix, measured_noise, mixed_noise
from dpmesh.training.recovery.crops import CropShards
from dpmesh.training.recovery.start_points import start_from_stable_diffusion
from dpmesh.training.recovery.trainer import Trainer, TrainingPlan, read_teacher
from dpmesh.weights.tokenizer import imported_tokenizer

HINT_WIDTH = 512


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command's options."""
    parser = OptionParser(prog="dpmesh-video train recovery", description=__doc__)
    add_crop_options(parser)
    add_loop_options(parser, batch_rows=32, learning_rate=5e-4)
    parser.add_argument("--config", help="network configuration; compact if not given")
    parser.add_argument(
        "--noise", choices=("own", "measured", "mixed", "posefix"), default="own", help="model of the keypoints' errors"
    )
    parser.add_argument("--clean-keypoints", action="store_true", help="true keypoints: how a teacher is trained")
    parser.add_argument("--teacher", type=Path, help="checkpoint of a teacher, whose features are followed")
    parser.add_argument(
        "--blind", type=fraction, default=0.0, help="fraction of crops without any keypoint, with own noise"
    )
    parser.add_argument("--epochs", type=positive_int, help="length of the training, in passes over --crops")
    parser.add_argument(
        "--losses",
        choices=("own", "published"),
        default="own",
        help="published: those of the released code and the paper",
    )
    parser.add_argument(
        "--loss-weights",
        choices=("own", "paper"),
        default="own",
        help="paper: 5 (2D), 2 (3D), 1 (SMPL), of its equation 9; own: by hand, learned for published losses",
    )
    parser.add_argument(
        "--teacher-features",
        choices=("released", "paper"),
        default="released",
        help="what of a teacher is followed; paper: U-Net features of three scales with their attention maps",
    )
    parser.add_argument("--without-images", action="store_true", help="only the lift from joints to bodies")
    parser.add_argument(
        "--stable-diffusion", type=Path, help="diffusers folder or single file to start U-Net and encoder from"
    )
    parser.add_argument("--controlnet", type=Path, help="with it, an openpose ControlNet's folder or single file")
    parser.add_argument("--start-from", type=Path, help="an earlier stage: its checkpoint, or a folder of weights")
    parser.add_argument(
        "--backbone-from", type=Path, help="checkpoint, weights folder or diffusion prior to take the U-Net from"
    )
    parser.add_argument("--lift-from", type=Path, help="checkpoint or weights folder to take the lifting network from")
    parser.add_argument(
        "--tokens-from",
        help="checkpoint of the pose tokenizer, or name or folder of an imported one, for --config paper",
    )
    parser.add_argument(
        "--keep-lift", action="store_true", help="train the lifting network too, and keep it in the network"
    )
    parser.add_argument(
        "--hints", action="store_true", help="train only what the lift makes of hints in 3D, with errors as measured"
    )
    parser.add_argument("--export", type=Path, help="write the averaged weights here as fp16 and stop")
    parser.add_argument(
        "--lift-alone", action="store_true", help="with --export, leave out what looks at the image"
    )
    options = check_sources(parser, parser.parse_args(arguments))
    if options.controlnet is not None and options.stable_diffusion is None:
        parser.error("--controlnet: needs --stable-diffusion, which it steers")
    if options.epochs is not None and (not options.crops or options.steps is not None):
        parser.error("--epochs: are passes over --crops, in place of --steps")
    return options


def run(options: argparse.Namespace) -> None:
    """Train or export."""
    starts = (options.start_from, options.backbone_from, options.lift_from, options.stable_diffusion)
    if options.export is not None and not any(starts):
        check_checkpoint(options.output / CHECKPOINT)
    shards = CropShards(options.crops) if options.epochs is not None and options.export is None else None
    if shards is not None:
        options.steps = steps_of(options.epochs, shards, options.batch_rows)
    plan = TrainingPlan(
        start_process(options),
        batch_rows=options.batch_rows,
        weight_decay=options.weight_decay,
        is_bfloat16=not options.float32,
        is_image_used=not options.without_images,
        noise=_noise_of(options),
        hint_noise=HintNoise.read() if options.hints else None,
        has_published_losses=options.losses == "published",
        is_weighed_as_paper=options.loss_weights == "paper",
        is_reasoning_multi_scale=options.teacher_features == "paper",
    )
    body = load_body(None, device=options.device)
    config = find_config(options.output, options.config)
    if options.hints:
        config["regressor_config"] = config["regressor_config"] | {"hint_lift": HINT_WIDTH}
    tokens = _imported_tokens(options.tokens_from)
    if tokens is not None and tokens.attention is not None:
        config["regressor_config"] = config["regressor_config"] | {
            "token_attention_layers": len(tokens.attention.layers)
        }
    network = DPMesh(**config)
    if options.stable_diffusion is not None and not (options.output / CHECKPOINT).is_file():
        report = start_from_stable_diffusion(network, options.stable_diffusion, options.controlnet)
        taken = f"{report.unet_count} of the U-Net, {report.control_count} of the control branch"
        print(f"{options.stable_diffusion}: {taken} and {report.latents_count} of the encoder's tensors taken over")
    if options.keep_lift and network.joint_lift is not None:
        network.joint_lift.keep_joints()
    if options.hints and network.joint_lift is not None:
        network.joint_lift.start_hints(_rest_joints(body))
    teacher = None if options.teacher is None else read_teacher(options.teacher)
    trainer = Trainer(network, body, plan, options.output, device=options.device, teacher=teacher)
    if not trainer.resume():
        if options.start_from is not None:
            trainer.start_from(options.start_from)
        if options.backbone_from is not None:
            trainer.start_from(options.backbone_from, part="backbone")
        if options.lift_from is not None:
            for part in JOINT_PARTS:
                trainer.start_from(options.lift_from, part=f"joint_lift.{part}")
        if tokens is not None:
            _take_tokens(trainer, tokens, options.tokens_from)
        elif options.tokens_from is not None:
            trainer.start_from(Path(options.tokens_from), part="pose_prior")
    image_px = network.settings.backbone.image_px
    validation = open_validation(options, image_px, has_images=plan.is_image_used)
    if options.export is not None:
        averaged = trainer.averaged()
        if validation is not None:
            print(json.dumps({"step": trainer.step, **trainer.measure(averaged, validation)}))
        exported = averaged.without_image() if options.lift_alone else averaged
        exported.half().save_pretrained(options.export)
        return
    source = open_crops(options, body, image_px, has_images=plan.is_image_used)
    trainer.train(source, validation, pause_after=options.pause_after)


def _imported_tokens(source: str | None) -> PoseTokenizer | None:
    """Return the imported tokenizer of a name or folder; None for a checkpoint, or none at all."""
    if source is None or Path(source).is_file():
        return None
    return imported_tokenizer(source)


def _take_tokens(trainer: Trainer, tokens: PoseTokenizer, name: str) -> None:
    """Give the network an imported tokenizer.

    Raises:
        InputError: the network has none of these sizes.
    """
    found = {f"pose_prior.{key}": tensor for key, tensor in tokens.state_dict().items()}
    own = {key: tensor for key, tensor in trainer.network.state_dict().items() if key.startswith("pose_prior.")}
    if own.keys() != found.keys() or any(own[key].shape != tensor.shape for key, tensor in found.items()):
        raise InputError(f"{name}: this network has no pose tokenizer of these sizes; give --config paper")
    trainer.take_weights(found)


def _rest_joints(body: BodyModel) -> Tensor:
    """Return the joints (24, 3) of the mean shape at rest."""
    turns = torch.eye(3, device=body.structure.v_template.device).expand(1, 24, 3, 3)
    return body.joints_from_matrices(turns, turns.new_zeros(1, 10), joint_set="smpl24")[0]


def _noise_of(options: argparse.Namespace) -> KeypointNoise | NoiseMix | PoseFixNoise:
    if options.clean_keypoints:
        return CLEAN
    if options.noise == "posefix":
        return PoseFixNoise()
    noise = replace(measured_noise() if options.noise == "measured" else KeypointNoise(), blind_rate=options.blind)
    return mixed_noise(noise) if options.noise == "mixed" else noise


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(lambda: parse(arguments), run)
