"""The node `formats`: everybody in the formats of other tools."""

from collections.abc import Callable, Sequence
from pathlib import Path

from configs.schema import RunSettings
from dpmesh.body.structure import BodyStructure
from pipeline.export.write import ExportChoice, exported_scene, plan_files, write_files
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import VideoRecord
from pipeline.nodes.context import ClipContext


def write_formats_of_clip(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Write the people of a clip in the formats of `export.formats`; return the files."""
    clip.progress.start("formats", None)
    video = VideoRecord(width=clip.info.width, height=clip.info.height)
    count = iter(range(1, 1_000_000_000))
    with clip.clock.measure("formats"):
        return write_formats(
            clip.files,
            clip.settings,
            clip.models.body().structure,
            clip.info.path.name,
            video,
            claim,
            lambda: clip.progress.advance(next(count), ""),
        )


def write_formats(
    files: RunFolder,
    settings: RunSettings,
    body: BodyStructure,
    source: str,
    video: VideoRecord,
    claim: Claim,
    on_file: Callable[[], None] = lambda: None,
) -> Sequence[Path]:
    """Write everybody in a run's folder in the formats of `export.formats`; return the files.

    Args:
        source: what the motion was made from.
        on_file: called after each file.
    """
    if not files.tracks():  # nobody was found, and the run says so
        return []
    choice = ExportChoice(settings.export.formats)
    scene = exported_scene(files, settings, body, source, video, choice)
    planned = plan_files(scene, choice.formats, files.exported)
    claim([file.path for file in planned])
    return write_files(scene, planned, lambda file: on_file())
