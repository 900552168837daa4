"""The node `motion`: the rows of each person become one motion, which is refined."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from configs.errors import InputError
from configs.gaps import longest_gap_s
from pipeline.flow.graph import Claim
from pipeline.flow.memory import release_memory
from pipeline.motion.library import write_track
from pipeline.motion.scene import FocalSource, write_scene
from pipeline.nodes.context import ClipContext
from pipeline.nodes.edits import edited_people
from pipeline.nodes.ground import find_grounding, place_on_ground, stand_up
from pipeline.nodes.group import iterate_people
from pipeline.nodes.links_file import LinkedRows
from pipeline.nodes.refine import assemble_track, refine_people
from pipeline.types import MotionTrack
from trackers.camera_motion import CAMERA_STAGE, CameraTurns, Verdict, follow_turns, judge

log = logging.getLogger(__name__)


def make_motion(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Write the motion of each person in camera axes, at the frames of the video; return the files.

    Raises:
        InputError: `link.people` names nobody who is there.
    """
    people = edited_people(clip.folder, LinkedRows.of(clip.folder), clip.settings)
    spans = people.find_spans()
    if (chosen := clip.settings.link.people) is not None:
        known = {span.track_id for span in spans}
        missing = ", ".join(map(str, sorted(set(chosen) - known)))
        if spans and not known & set(chosen):
            here = ", ".join(map(str, sorted(known)))
            raise InputError(f"{clip.folder.name}: link.people: there is no person {missing}; people here: {here}")
        if missing:
            log.warning("%s: link.people: there is no person %s", clip.folder.name, missing)
        spans = [span for span in spans if span.track_id in chosen]
    path_of = {span.track_id: clip.files.motion(span.track_id) for span in spans}
    claim([*path_of.values(), clip.files.scene])
    body, count = clip.models.body(), 0
    clip.progress.start("motion", len(spans))
    with clip.clock.measure("motion"):
        refine, recover = clip.settings.refine, clip.settings.recover

        def joined() -> Iterator[MotionTrack]:
            gap_max_s = longest_gap_s(clip.settings)
            return (assemble_track(rows, body, gap_max_s, recover) for rows in iterate_people(people, spans))

        source: FocalSource = "diagonal" if clip.focal_px() is None else "given"
        cuts = clip.store.read_cuts().tolist()
        ground = find_grounding(joined(), body, refine, source, *_camera_motion(clip, cuts))
        standing = (stand_up(track, ground, body, recover) for track in joined())
        models = clip.models
        for track in refine_people(standing, body, refine, models.device, models.motion_prior(), models.threads):
            write_track(path_of[track.track_id], place_on_ground(track, ground, body, recover))
            count += 1
            clip.progress.advance(count, "")
        write_scene(clip.files.scene, ground.scene)
        release_memory()
    return [*path_of.values(), clip.files.scene]


def _camera_motion(clip: ClipContext, cuts: Sequence[int]) -> tuple[Verdict, Sequence[int], CameraTurns | None]:
    """Return how the camera moves, the cuts, and how it turns where that is all it does."""
    state = clip.store.read_state()
    seen = {} if state is None else state[1].get(CAMERA_STAGE, {})
    return judge(seen), cuts, follow_turns(seen)
