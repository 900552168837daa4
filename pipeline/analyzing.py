"""What `analyze` is given: finished runs, folders of runs, trajectory files; each is measured into its own folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError
from configs.json_files import read_json
from configs.lock import locked
from configs.schema import RunSettings
from pipeline.analytics.analysis import analyze
from pipeline.analytics.from_run import read_people
from pipeline.analytics.picture import frame_jpeg, ground_picture
from pipeline.analytics.section import crowd_page
from pipeline.analytics.shapes import read_shapes
from pipeline.analytics.study import Study
from pipeline.analytics.trajectory_files import SUFFIXES, read_trajectories
from pipeline.analytics.write import read_summary, write_analysis
from pipeline.analytics.zones_page import Scene
from pipeline.flow.graph import Claim, Graph, Node
from pipeline.flow.inputs import folder_name, hidden_name
from pipeline.flow.outputs import RUN_NAME, RunFolder, read_entries, read_hash
from pipeline.media.info import fit_size
from pipeline.nodes.analyze import analytics_inputs, analyze_run
from pipeline.results import Run


@dataclass(frozen=True, slots=True)
class Source:
    """A run's folder, or a trajectory file with the folder of its tables."""

    folder: Path
    file: Path | None  # None: a run


def find_sources(inputs: Sequence[Path], output: Path, *, is_hidden: bool = False) -> list[Source]:
    """Return what is analysed.

    Args:
        is_hidden: whether folders of trajectory files do not tell the files' names.

    Raises:
        InputError: a path is neither a run, nor a folder of runs, nor a trajectory file.
    """
    found = []
    for path in inputs:
        if path.is_dir():
            runs = [path] if (path / RUN_NAME).is_file() else sorted(each.parent for each in path.glob(f"*/{RUN_NAME}"))
            if not runs:
                raise InputError(
                    f"{path}: neither a run's folder (with {RUN_NAME}) nor a folder of runs; check the path"
                )
            found += [Source(run, None) for run in runs]
        elif path.suffix.lower() in SUFFIXES:
            name = hidden_name(path) if is_hidden else folder_name(path.stem)
            found.append(Source(output / name, path))
        else:
            kinds = ", ".join(SUFFIXES)
            raise InputError(f"{path}: neither a run's folder nor a trajectory file ({kinds}); check the path")
    return found


def analyze_source(
    source: Source, settings: RunSettings, rate_hz: float | None, ground_from_image: np.ndarray | None
) -> dict[str, Any]:
    """Measure one run or file, unless that is done already; return what `analytics.json` says.

    Args:
        rate_hz: of a file that does not say it.
        ground_from_image: (3, 3), for a file of boxes.

    Raises:
        InputError: the run is not finished, or a file is not usable.
        RunError: files are in the way that this program did not make.
    """
    chosen = settings.analytics
    depends_on = analytics_inputs(chosen)
    if source.file is None:
        run = Run(source.folder)
        entries = read_entries(source.folder) or {}
        motion = entries["motion"].hashes if "motion" in entries else {}

        def make(claim: Claim) -> Sequence[Path]:
            return _measure_run(run, settings, claim)

        depends_on |= {"motion": motion}
    else:
        file = source.file
        if not file.is_file():
            raise InputError(f"{file}: no such file; check the path")
        depends_on |= {"file": read_hash(file), "rate_hz": rate_hz, "ground": str(ground_from_image)}

        def make(claim: Claim) -> Sequence[Path]:
            people = read_trajectories(file, rate_hz=rate_hz, ground_from_image=ground_from_image)
            paths = [path for path in (chosen.zones, chosen.lines) if path is not None]
            found = analyze(Study(people, chosen, read_shapes(paths, None)))
            name = source.folder.name if settings.privacy.is_anonymous else file.name
            return write_analysis(source.folder, found, chosen, name, claim, page=crowd_page)

    depends_on["privacy"] = settings.privacy.model_dump(mode="json")
    with locked(source.folder):
        Graph(source.folder, [Node("analyze", (), depends_on, make)]).run(keeps_others=True)
    found = read_summary(source.folder)
    assert found is not None  # the node has just written it, or its record says that it is there
    return found


def _measure_run(run: Run, settings: RunSettings, claim: Claim) -> Sequence[Path]:
    video, decode = run.record.video, run.settings.decode
    size = None
    if video.width is not None and video.height is not None:
        size = fit_size(video.width, video.height, decode.max_side_px)
    rate = float(Fraction(video.rate)) if video.rate else 30.0
    is_hidden = settings.privacy.is_anonymous or run.settings.privacy.is_anonymous
    path = None if is_hidden or not run.record.path else Path(run.record.path)
    source = run.path.name if is_hidden else run.record.input
    return analyze_run(RunFolder(run.path), run.body, settings.analytics, rate, size, source, claim, path)


def zones_scene(folder: Path, settings: RunSettings, target: Path) -> Scene:
    """Return what the page for drawing zones shows of a run; the shapes of the target are shown again.

    Raises:
        InputError: the run is not finished, of several cameras, has nobody, or the target holds no shapes.
    """
    run = Run(folder)
    video, path = run.record.video, Path(run.record.path)
    if video.width is None or video.height is None:
        raise InputError(f"{folder}: zones are drawn on a frame of one camera, and this run has several; write metres")
    size = fit_size(video.width, video.height, run.settings.decode.max_side_px)
    found = read_people(run.files, run.body, settings.analytics, float(Fraction(video.rate)), size)
    if found is None:
        raise InputError(f"{folder}: nobody was found, so that nothing says where the ground is; write zones in metres")
    margin = settings.analytics.margin_m
    (left, low), (right, high) = found.people.xy_m.min(axis=0) - margin, found.people.xy_m.max(axis=0) + margin
    middle, bounds = int(np.median(found.people.frame)), (float(left), float(low), float(right), float(high))
    shapes = read_shapes([target] if target.exists() else [], found.ground)
    return Scene(
        found.ground, found.people, shapes, bounds, frame_jpeg(path, middle), size,
        ground_picture(path, middle, found.ground, bounds, size[0]),
    )  # fmt: skip


def read_homography(path: Path) -> np.ndarray:
    """Return a matrix (3, 3) from a JSON file; `InputError` where it holds something else."""
    try:
        matrix = np.array(read_json(path, bytes_max=2**20), np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no matrix of 3 x 3 numbers ({error}); write it again") from error
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise InputError(f"{path}: no invertible matrix of 3 x 3 numbers; write it again")
    return matrix
