"""The node `export`: motion files in the layouts of AMASS, and how good each is."""

from collections.abc import Callable, Sequence
from pathlib import Path

from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from configs.version import program_version
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import RunFolder, person_number
from pipeline.motion import write_motion
from pipeline.motion.layouts import LayoutName
from pipeline.motion.library import read_track
from pipeline.motion.posing import Body
from pipeline.motion.quality import measure_quality, write_quality
from pipeline.motion.scene import read_scene
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.nodes.context import ClipContext


def export_motion(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Write a motion file per person and layout, and the quality of all; return the files."""
    clip.progress.start("export", len(clip.files.motions()))
    with clip.clock.measure("export"):
        return write_people(
            clip.files,
            clip.settings,
            clip.models.body(),
            clip.shown_name,
            claim,
            lambda count: clip.progress.advance(count, ""),
        )


def write_people(
    files: RunFolder,
    settings: RunSettings,
    body: Body,
    source: str,
    claim: Claim,
    on_person: Callable[[int], None] = lambda count: None,
) -> Sequence[Path]:
    """Write the motion files of everybody in a run's folder, one person at a time; return the files.

    Args:
        source: what the motion was made from, for the reader of the files.
        on_person: called with how many people are written.
    """
    layouts: tuple[LayoutName, ...] = ("smplh", "smplx") if settings.export.is_smplx_written else ("smplh",)
    sources = files.motions()
    paths_of = [{layout: files.track(person_number(path), layout) for layout in layouts} for path in sources]
    paths = [path for each in paths_of for path in each.values()]
    claim([*paths, files.quality])
    found = []
    scene = read_scene(files.scene)
    world_from_cam = WORLD_FROM_CAM if scene is None else scene.world_from_cam
    for count, (path, path_of) in enumerate(zip(sources, paths_of, strict=True), start=1):
        track = read_track(path)
        for layout in layouts:
            write_motion(
                path_of[layout],
                track,
                body,
                layout=layout,
                rate=settings.export.rate_hz,
                gap_max_s=longest_gap_s(settings),
                world_from_cam=world_from_cam,
                source=source,
                version=program_version(),
            )
        found.append(measure_quality(path_of["smplh"], track, body, files.path / "links.json"))
        on_person(count)
    write_quality(files.quality, found)
    return [*paths, files.quality]
