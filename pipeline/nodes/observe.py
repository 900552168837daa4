"""The streaming line over a video or a part of it, from pixels to rows of bodies."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from configs.errors import InputError
from pipeline.flow.identity import video_identity
from pipeline.flow.line import Snapshot, chunk_frames, run_line
from pipeline.flow.memory import release_memory
from pipeline.flow.prefetch import prefetch
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media.green import WithoutGreen, green_warning
from pipeline.media.images import plan_images
from pipeline.nodes.context import ClipContext, FramesUntilDamage
from pipeline.types import Frame


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a video that the line goes over; by default all of it."""

    after: Journal | None = None  # whose `next_frame` it begins with
    stop: int | None = None  # index of the frame it ends before
    has_bodies: bool = True  # whether bodies are recovered
    size: Mapping[str, np.ndarray] | None = None  # of the detector's input, as it was chosen for another part

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole of what is read."""
        return self.after is None and self.stop is None


def observe(
    clip: ClipContext,
    store: ObservationStore,
    journal: Journal,
    snapshots: dict[str, Snapshot] | None,
    identity: str,
    part: Part = Part(),
) -> tuple[Journal, dict[str, Snapshot]]:
    """Write what is seen in each frame of a part, from where an earlier run stopped.

    Returns the complete journal and the stages' last snapshots.

    Args:
        journal, snapshots: where that was.
        identity: of the video's content.

    Raises:
        InputError: there is no frame, where the part is the whole, or the video was changed meanwhile.
    """
    from pipeline.nodes.look import ClipSizer
    from pipeline.stages.appearance import AppearanceStage  # here: a run that is only planned needs no such library
    from pipeline.stages.camera import CameraStage
    from pipeline.stages.detect import DetectStage
    from pipeline.stages.recover import RecoverStage
    from pipeline.stages.track import TrackStage

    chosen, models = clip.settings, clip.models
    if chosen.detect.keypoints is not None and clip.frame_scale < 1.0:
        raise InputError(
            f"{clip.info.path}: decode.max_side_px {chosen.decode.max_side_px} would make its frames smaller, and "
            "keypoints of a file are in the pixels of the video; leave the setting out"
        )
    look = AppearanceStage(models.looks_meter, chosen.appearance.rate_hz)
    stages = [
        DetectStage(
            partial(models.people_finder, image_names(clip)),
            models.second_stage,
            ClipSizer(clip, part.size) if models.is_size_open else None,
            clip.looked_every,
        ),
        *([] if chosen.appearance.reid == "off" else [look]),
        TrackStage(chosen.track, clip.looked_every),
        CameraStage(clip.looked_every),
        *([RecoverStage(models.recovery, chosen.recover, clip.focal_px())] if part.has_bodies else []),
    ]
    begin = journal if journal.shard_count else part.after
    source = FramesUntilDamage(_until(clip.read(begin), part.stop))
    whole = WithoutGreen(source, journal.left_out)
    wanted = whole if chosen.decode.is_green_skipped else source
    with closing(prefetch(iter(wanted), clip.ahead_frames)) as frames:
        chunks = chunk_frames(frames, clip.chunk_frames, journal.shard_count)
        ahead = 1 if models.threads > 1 else 0  # detection takes most of the time
        with closing(run_line(chunks, stages, clip.clock, snapshots, ahead)) as done:
            latest: dict[str, Any] = snapshots or {}
            for chunk in done:
                with clip.clock.measure_beside("write"):
                    journal = store.commit(journal, chunk, whole.left_out)
                latest = chunk.snapshots
                release_memory()
                people = len(chunk.tracks[-1].track_ids) if chunk.tracks else 0
                clip.progress.advance(journal.frame_count, f"{people} people")
    if source.warning and not journal.frame_count and part.is_whole:
        raise InputError(source.warning)
    if video_identity(clip.info.path) != identity:
        store.clear()
        raise InputError(f"{clip.info.path}: was changed while it was read; run it again when it is complete")
    journal = replace(journal, is_complete=True, warning=source.warning, left_out=whole.left_out)
    if part.is_whole:
        journal = with_warnings(clip, journal)
    store.write_state(journal, latest)
    return journal, latest


def with_warnings(clip: ClipContext, journal: Journal) -> Journal:
    """Return the journal of a whole video, whose warning is of damage alone, with all there is to warn of."""
    if (frame_count := clip.whole_count(journal)) is not None:
        clip.models.warn_of_frames_beyond(frame_count)
    problems = (journal.warning, green_warning(journal.left_out), clip.models.finder_problem)
    return replace(journal, warning="; ".join(filter(None, problems)))


def image_names(clip: ClipContext) -> list[str]:
    """Return the file names of the frames of a folder of images."""
    return [file.name for file in plan_images(clip.info.path).files] if clip.info.kind == "images" else []


def _until(frames: Iterator[Frame], stop: int | None) -> Iterator[Frame]:
    for frame in frames:
        if stop is not None and frame.index >= stop:
            return
        yield frame
