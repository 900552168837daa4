"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("--output", "-o", help="each clip's results get a folder in here")]
Preset = Annotated[str | None, typer.Option(help="named settings (accurate, fast), or a .yaml file")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="any setting, as section.name=value")]
Detector = Annotated[str | None, typer.Option(help="pose weights: a path, an Ultralytics name, 'bundled' or 'auto'")]
Model = Annotated[str | None, typer.Option(help="recovery network: a name of `weights list`, or a folder")]
