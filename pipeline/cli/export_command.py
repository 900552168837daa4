"""`dpmesh-video export`: a finished run in the formats of other tools."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import configure_log
from pipeline.cli.tables import say


def export_command(
    folder: Annotated[Path, typer.Argument(help="a run's folder, as out/clip")],
    form: Annotated[
        str | None, typer.Option("--format", help="bvh, glb, usd, trc, c3d, csv, parquet, mot, fbx; several, or all")
    ] = None,
    person: Annotated[str | None, typer.Option(help="only these people, such as 1,3")] = None,
    fps: Annotated[str | None, typer.Option(help="samples per second; else as in the motion files")] = None,
    unit: Annotated[str, typer.Option(help="m or cm: of BVH, USD and TRC; the others fix their unit")] = "m",
    root_at_origin: Annotated[
        bool, typer.Option("--root-at-origin", help="each person starts above the origin")
    ] = False,
    in_place: Annotated[bool, typer.Option("--in-place", help="nobody moves over the ground")] = False,
    ground: Annotated[bool, typer.Option("--ground", help="also a floor, in GLB, USD and FBX")] = False,
    blender: Annotated[str | None, typer.Option(help="Blender, or a Python with bpy; for fbx")] = None,
    fit_smpl: Annotated[
        Path | None, typer.Option("--fit-smpl", help="a SMPL file: also motion files with betas and poses for it")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="else the run's own folder export/")] = None,
) -> None:
    """Write the people of a finished run in other formats, all in one file where the format can hold them.

    Each file is read back and compared with the motion before it counts; what it held before stays until then.
    """
    configure_log(False)
    from configs.errors import SettingsError
    from configs.setting_values import read_formats, read_people, read_rate

    if unit not in ("m", "cm"):
        raise SettingsError(f"--unit {unit!r}: expected m or cm")
    if form is None and fit_smpl is None:
        raise SettingsError("no --format is given; for example: --format bvh,glb, or --format all")
    try:
        formats, people = read_formats(form), read_people(person)
        rate_hz = None if fps is None else float(read_rate(fps))
    except ValueError as error:
        raise SettingsError(str(error)) from error
    from pipeline.export.finished import export_run
    from pipeline.export.people import Placement
    from pipeline.export.write import ExportChoice

    placement = Placement(rate_hz, is_at_origin=root_at_origin, is_in_place=in_place)
    choice = ExportChoice(formats, people, placement, unit, ground, blender)
    if formats:
        export_run(folder, choice, output, lambda file: say(file.path))
    if fit_smpl is not None:
        from pipeline.export.own_smpl import FittedFile, export_with_smpl

        def tell(file: FittedFile) -> None:
            errors = f"{file.fit.error_mm:.2f} mm at rest, {file.posed_error_mm:.2f} mm in motion"
            say(f"{file.path}  surface off by {errors} on average")

        export_with_smpl(folder, fit_smpl, people, output, tell)
