"""The `weights` commands and their options. What a command does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from configs.log import log_to_stderr

weights_app = typer.Typer(
    help="The models: which exist, whether they are intact, how to import and export them.", no_args_is_help=True
)
import_app = typer.Typer(help="Convert models of others into the cache folder.", no_args_is_help=True)
export_app = typer.Typer(help="Write models in the layout of others.", no_args_is_help=True)
weights_app.add_typer(import_app, name="import")
weights_app.add_typer(export_app, name="export")


@weights_app.callback()
def configure() -> None:
    """The models: which exist, whether they are intact, how to import and export them."""
    log_to_stderr()


Replace = Annotated[bool, typer.Option("--replace", help="replace an earlier import of that name")]


@weights_app.command("list")
def weights_list() -> None:
    """List the models by name, with licence and state."""
    from pipeline.cli import inspection

    inspection.list_weights()


@weights_app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="names; all that are here by default")] = None,
) -> None:
    """Compare the files of models with their recorded sizes and hashes."""
    from pipeline.cli import inspection

    raise typer.Exit(inspection.verify_weights(names or []))


@weights_app.command("where")
def weights_where(name: Annotated[str, typer.Argument(help="a name of `weights list`")]) -> None:
    """Say where a model comes from, under which licence, and where it lies."""
    from pipeline.cli import inspection

    inspection.where_weights(name)


@weights_app.command("update", hidden=True)
def update() -> None:
    """Write size and sha256 of the bundled files into the catalogue of this checkout."""
    from configs.weights import update_catalogue
    from pipeline.cli.tables import note

    for name in update_catalogue():
        note(f"{name}: files absent, entry left as it was")


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
    from pipeline.cli import exchange

    exchange.import_dpmesh(file, name, vposer, with_vposer, keep_lora, replace)


@import_app.command("vposer")
def import_vposer(
    path: Annotated[Path, typer.Argument(help="vposer_v1_0, or the .pt file in its snapshots folder")],
    replace: Replace = False,
) -> None:
    """Import the decoder of VPoser v1, which the published DPMesh checkpoints need."""
    from pipeline.cli import exchange

    exchange.import_vposer(path, replace)


@import_app.command("tokenizer")
def import_tokenizer(
    file: Annotated[Path, typer.Argument(help="a published pose VQ-VAE, as 256x2048x48.pth")],
    name: Annotated[str, typer.Option(help="what the imported tokenizer is called")] = "pose-tokens",
    replace: Replace = False,
) -> None:
    """Import a pose tokenizer for the `paper` configuration."""
    from pipeline.cli import exchange

    exchange.import_tokenizer(file, name, replace)


@import_app.command("scorehmr")
def import_scorehmr(
    file: Annotated[Path, typer.Argument(help="the authors' checkpoint, as model-100.pt")],
    name: Annotated[str, typer.Option(help="what the imported score model is called")] = "scorehmr",
    replace: Replace = False,
) -> None:
    """Import a published ScoreHMR checkpoint: the score model, with its averaged weights."""
    from pipeline.cli import exchange

    exchange.import_scorehmr(file, name, replace)


@export_app.command("dpmesh")
def export_dpmesh(
    name: Annotated[str, typer.Argument(help="an imported model, or a network's folder")],
    target: Annotated[Path, typer.Argument(help="the checkpoint to write, as out.pth.tar")],
    template: Annotated[
        Path | None, typer.Option(help="authors' checkpoint that lends what the network does not hold")
    ] = None,
) -> None:
    """Write a network as a checkpoint for the published code."""
    from pipeline.cli import exchange

    exchange.export_dpmesh(name, target, template)
