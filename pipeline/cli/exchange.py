"""What the commands do: import and export of models of others."""

import re
from pathlib import Path

from configs.errors import InputError, WeightsError
from configs.weights import resolve, verify
from pipeline.cli.tables import note, say

PUBLISHED = re.compile(r"(.+)_best_ckpt\.pth\.tar")


def import_dpmesh(
    file: Path, name: str | None, vposer: Path | None, with_vposer: bool, keep_lora: bool, replace: bool
) -> None:
    """Import an authors' checkpoint and print where it is and what comes next.

    Raises:
        InputError: no name was given and the file's does not tell it.
        WeightsError: the file is no such checkpoint.
    """
    _check_exists(file)
    from dpmesh.weights import import_dpmesh as importing

    if name is None:
        published = PUBLISHED.fullmatch(file.name)
        if not published:
            raise InputError(f"{file.name} does not tell how to call it; give --name, as --name dpmesh-3dpw")
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


def _check_exists(path: Path) -> None:
    """Refuse what is not there, before libraries are loaded that take seconds."""
    if not path.exists():
        raise WeightsError(f"{path}: no such file; check the path")


def import_vposer(path: Path, replace: bool) -> None:
    """Import VPoser's decoder and print where it is."""
    _check_exists(path)
    from dpmesh.stored import vposer

    say(vposer.import_vposer(path, is_replaced=replace))


def import_tokenizer(file: Path, name: str, replace: bool) -> None:
    """Import a pose tokenizer and print where it is."""
    _check_exists(file)
    from dpmesh.weights import tokenizer

    say(tokenizer.import_tokenizer(file, name, is_replaced=replace))


def import_scorehmr(file: Path, name: str, replace: bool) -> None:
    """Import a score model and print where it is.

    Raises:
        WeightsError: the file is no such checkpoint, or damaged.
        InputError: the name is taken.
    """
    _check_exists(file)
    from dpmesh.stored import cache
    from dpmesh.stored.checkpoint import Checkpoint, read_pickled
    from refine.scorehmr.official import denoiser_of

    folder = cache.check_name(name, "scorehmr", is_replaced=replace)
    content, is_zip = read_pickled(file)
    Checkpoint(file, {}, is_zip).check_content()
    denoiser = denoiser_of(content, file)
    with cache.whole_folder(folder) as part:
        denoiser.save_pretrained(part)
        cache.write_record(
            part,
            name,
            importer="scorehmr",
            role="score",
            what="score model of poses given image features (ScoreHMR)",
            licence="the file's own; ScoreHMR's code is MIT",
            source=file,
            hashes={},
        )
    say(folder)


def export_dpmesh(name: str, target: Path, template: Path | None) -> None:
    """Write a network as an authors' checkpoint and print its path.

    Raises:
        WeightsError: `name` is no network's folder.
    """
    from dpmesh.weights import export_dpmesh as exporting

    folder = resolve(name)
    if not folder.is_dir():
        raise WeightsError(f"{folder}: is no network's folder; give an imported model's name, or a folder")
    report = exporting.export_dpmesh(folder, target, template=template)
    if report.is_complete:
        note(f"{report.own_count} tensors of {name}, {report.template_count} names from {template}")
    else:
        note(
            f"{report.own_count} tensors; text encoder, schedules, SMPL and VPoser are not in it: the published code"
            " loads it with strict=False, or give --template with one of the authors' checkpoints"
        )
    say(report.path)
