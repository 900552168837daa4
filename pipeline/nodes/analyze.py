"""The node `analyze`: tables of what people do on the ground, from the motions of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.analytics_schema import AnalyticsSettings
from configs.files import check_regular
from pipeline.analytics.analysis import Analysis, analyze, nobody
from pipeline.analytics.frame_marks import FrameMarks
from pipeline.analytics.from_run import read_people
from pipeline.analytics.ground import read_ground
from pipeline.analytics.picture import ground_picture
from pipeline.analytics.section import crowd_page
from pipeline.analytics.shapes import read_shapes
from pipeline.analytics.study import Study
from pipeline.analytics.write import write_analysis
from pipeline.flow.graph import Claim
from pipeline.flow.identity import code_identity
from pipeline.flow.outputs import RunFolder, read_hash
from pipeline.media.info import fit_size
from pipeline.motion.posing import Body
from pipeline.nodes.context import ClipContext

CODE = ("pipeline/analytics", "pipeline/nodes/analyze.py")


def analytics_inputs(settings: AnalyticsSettings) -> dict[str, Any]:
    """Return what an analysis depends on beside the motions; `InputError` where a file of shapes is not there."""
    return {
        "analytics": settings.model_dump(mode="json"),
        "shapes": [_identity(path) for path in (settings.zones, settings.lines)],
        "code": code_identity(*CODE),
    }


def _identity(path: Path | None) -> str:
    if path is None:
        return ""
    check_regular(path, "a file with zones or lines", bytes_max=2**24)
    return read_hash(path)


def analyze_clip(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Analyse the people of one clip; return the files."""
    size_px = fit_size(clip.info.width, clip.info.height, clip.settings.decode.max_side_px)
    clip.progress.start("analyze", None)
    with clip.clock.measure("analyze"):
        return analyze_run(
            clip.files, clip.models.body(), clip.settings.analytics, float(clip.info.rate), size_px,
            clip.shown_name, claim, None if clip.settings.privacy.is_anonymous else clip.info.path,
        )  # fmt: skip


def analyze_run(
    files: RunFolder,
    body: Body,
    settings: AnalyticsSettings,
    rate_hz: float,
    size_px: tuple[int, int] | None,
    source: str,
    claim: Claim,
    video: Path | None = None,
) -> Sequence[Path]:
    """Analyse the people of a run and write the tables; return the files.

    Args:
        video: of which a frame is shown on the map; None: the map has no picture.
        rate_hz: frames per second of the video.
        size_px: width and height of the frames as they were read; None in a capture.
        source: what the run was made from, for the reader.
    """
    found = measure_run(files, body, settings, rate_hz, size_px)
    picture, study = None, found.study
    if video is not None and size_px is not None and study is not None and study.ground is not None:
        middle = int(np.median(study.people.frame))
        picture = ground_picture(video, middle, study.ground, study.area.bounds, size_px[0])
    return write_analysis(files.path, found, settings, source, claim, picture, crowd_page)


def frame_marks(clip: ClipContext) -> FrameMarks | None:
    """Return what draws the ground on the frames of a clip; None where it has nobody, or does not know the ground."""
    size_px = fit_size(clip.info.width, clip.info.height, clip.settings.decode.max_side_px)
    given = clip.settings.analytics
    found = read_people(clip.files, clip.models.body(), given, float(clip.info.rate), size_px)
    if found is None or found.ground.height_m is None or found.ground.focal_px is None:
        return None
    return FrameMarks(found, read_shapes(_shape_files(given), found.ground), given)


def _shape_files(settings: AnalyticsSettings) -> list[Path]:
    return [path for path in (settings.zones, settings.lines) if path is not None]


def measure_run(
    files: RunFolder, body: Body, settings: AnalyticsSettings, rate_hz: float, size_px: tuple[int, int] | None
) -> Analysis:
    """Return the analysis of a run; arguments as of `analyze_run`."""
    given = read_people(files, body, settings, rate_hz, size_px)
    ground = given.ground if given is not None else read_ground(files.scene, size_px, None, None)
    shapes = read_shapes(_shape_files(settings), ground) if given is not None else None
    if given is None or shapes is None:
        return nobody()
    study = Study(given.people, settings, shapes, given.postures, given.ground)
    if given.is_covariance_assumed:
        study.notes.append(
            f"the run does not say how sure positions are; assumed: {100 * settings.depth_sigma:g} % of the distance "
            f"along the ray, which last, and {100 * settings.across_sigma:g} % every way, which do not"
        )
    return analyze(study)
