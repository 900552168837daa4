"""The node `observe`: the streaming line over a video, from pixels to rows of bodies."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from configs.errors import InputError
from pipeline.flow.identity import video_identity
from pipeline.flow.line import chunk_frames, run_line
from pipeline.flow.memory import release_memory
from pipeline.flow.prefetch import prefetch
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media.green import WithoutGreen
from pipeline.media.images import plan_images
from pipeline.nodes.context import ClipContext, FramesUntilDamage


def observe(clip: ClipContext, fingerprint: str, identity: str) -> Sequence[Path]:
    """Write what is seen in each frame, from where an earlier run stopped; return the files.

    Args:
        fingerprint: of all that the observations depend on; those of another one are made anew.
        identity: of the video's content.

    Raises:
        InputError: there is no frame in the chosen part, or the video was changed meanwhile.
    """
    store = clip.store
    state = store.read_state()
    if state is not None and state[0].fingerprint != fingerprint:
        store.clear()
        state = None
    journal, snapshots = state if state is not None else (Journal(fingerprint), None)
    clip.progress.start("recover", clip.frame_total())
    clip.progress.advance(journal.frame_count, "")
    if not journal.is_complete:
        journal = _run_line(clip, store, journal, snapshots, identity)
    if not journal.frame_count:
        raise InputError(f"{clip.info.path}: no frame in the chosen part; check --start and --end")
    return store.files(journal)


def _run_line(
    clip: ClipContext, store: ObservationStore, journal: Journal, snapshots: dict[str, Any] | None, identity: str
) -> Journal:
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
    image_names = [file.name for file in plan_images(clip.info.path).files] if clip.info.kind == "images" else []
    look = AppearanceStage(models.looks_meter, chosen.appearance.rate_hz)
    stages = [
        DetectStage(
            partial(models.people_finder, image_names),
            models.second_stage,
            ClipSizer(clip) if models.is_size_open else None,
        ),
        *([] if chosen.appearance.reid == "off" else [look]),
        TrackStage(chosen.track),
        CameraStage(),
        RecoverStage(models.recovery, chosen.recover, clip.focal_px()),
    ]
    source = FramesUntilDamage(clip.read(journal))
    whole = WithoutGreen(source, journal.left_out)
    wanted = whole if chosen.decode.is_green_skipped else source
    with closing(prefetch(iter(wanted), clip.ahead_frames)) as frames:
        chunks = chunk_frames(frames, clip.chunk_frames, journal.shard_count)
        with closing(run_line(chunks, stages, clip.clock, snapshots)) as done:
            latest: dict[str, Any] = snapshots or {}
            for chunk in done:
                with clip.clock.measure("write"):
                    journal = store.commit(journal, chunk, whole.left_out)
                latest = chunk.snapshots
                release_memory()
                people = len(chunk.tracks[-1].track_ids) if chunk.tracks else 0
                clip.progress.advance(journal.frame_count, f"{people} people")
    if source.warning and not journal.frame_count:
        raise InputError(source.warning)
    if video_identity(clip.info.path) != identity:
        store.clear()
        raise InputError(f"{clip.info.path}: was changed while it was read; run it again when it is complete")
    if (frame_count := clip.whole_count(journal)) is not None:
        models.warn_of_frames_beyond(frame_count)
    problems = [problem for problem in (source.warning, whole.warning, models.finder_problem) if problem]
    journal = replace(journal, is_complete=True, warning="; ".join(problems), left_out=whole.left_out)
    store.write_state(journal, latest)
    return journal
