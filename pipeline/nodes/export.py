"""The node `export`: motion files in the layouts of AMASS."""

from collections.abc import Sequence
from pathlib import Path

from configs.gaps import longest_gap_s
from configs.version import program_version
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import person_number
from pipeline.motion import write_motion
from pipeline.motion.layouts import LayoutName
from pipeline.motion.library import read_track
from pipeline.nodes.context import ClipContext


def export_motion(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Write a motion file per person and layout; return the files."""
    chosen, body = clip.settings, clip.models.body()
    layouts: tuple[LayoutName, ...] = ("smplh", "smplx") if chosen.export.is_smplx_written else ("smplh",)
    sources = clip.files.motions()
    paths_of = [{layout: clip.files.track(person_number(source), layout) for layout in layouts} for source in sources]
    paths = [path for each in paths_of for path in each.values()]
    claim(paths)
    clip.progress.start("export", len(sources))
    with clip.clock.measure("export"):
        for count, (source, path_of) in enumerate(zip(sources, paths_of, strict=True), start=1):
            track = read_track(source)
            for layout in layouts:
                write_motion(
                    path_of[layout],
                    track,
                    body,
                    layout=layout,
                    rate=chosen.export.rate_hz,
                    gap_max_s=longest_gap_s(chosen),
                    source=clip.info.path.name,
                    version=program_version(),
                )
            clip.progress.advance(count, "")
    return paths
