"""Options that several commands have, and their log."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from configs.log import log_to_stderr

Output = Annotated[Path, typer.Option("--output", "-o", help="each clip's results get a folder in here")]
Preset = Annotated[str | None, typer.Option(help="named settings (accurate, fast), or a .yaml file")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="any setting, as section.name=value")]
Detector = Annotated[str | None, typer.Option(help="pose weights: a path, an Ultralytics name, 'bundled' or 'auto'")]
Model = Annotated[str | None, typer.Option(help="recovery network: a name of `weights list`, or a folder")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="also log one line per chunk")]
Cameras = Annotated[str | None, typer.Option(help="names, such as cam01,cam02; else all with a video")]


def camera_names(text: str | None) -> list[str] | None:
    """Return the names in the option `Cameras`; None: not given."""
    return [name.strip() for name in text.split(",")] if text else None


def configure_log(verbose: bool) -> None:
    """Log to stderr; of libraries only warnings."""
    if verbose:
        log_to_stderr(logging.DEBUG, "%(levelname)s: %(message)s")
    else:
        log_to_stderr()
    for name in ("matplotlib", "PIL", "urllib3", "filelock", "fsspec", "s3fs", "botocore", "aiobotocore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
