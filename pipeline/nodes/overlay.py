"""The node `overlay`: the bodies drawn over the frames, with the sound of the clip."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import numpy as np

from pipeline.flow.graph import Claim
from pipeline.flow.line import fit_queue
from pipeline.flow.memory import release_memory
from pipeline.flow.prefetch import WriteBehind, prefetch
from pipeline.media import VideoWriter
from pipeline.media.sound import Sound
from pipeline.motion.library import MotionLibrary
from pipeline.motion.scene import read_scene
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.nodes.context import ClipContext, FramesUntilDamage
from pipeline.overlay import write_overlay
from pipeline.types import Frame

log = logging.getLogger(__name__)

WRITE_BEHIND_FRAMES = 8


def draw_overlay(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Write the overlay; return its file, or none where there is no frame."""
    path = clip.files.overlay
    claim([path])
    tracks = MotionLibrary.of_files(clip.files.motions())
    has_sound = clip.settings.overlay.is_sound_kept and not clip.info.is_counted  # else out of step
    clip.progress.start("overlay", clip.frame_total())

    @contextmanager
    def open_writer(target: Path, width: int, height: int) -> Iterator[_EncodedBehind]:
        with (
            Sound(clip.info) if has_sound else nullcontext() as sound,
            VideoWriter(target, width, height, clip.info.rate, sound=sound) as video,
            WriteBehind[tuple[np.ndarray, float]](
                lambda shot: video.write(*shot), fit_queue(WRITE_BEHIND_FRAMES, width * height)
            ) as behind,
        ):
            yield _EncodedBehind(behind)

    marks = None
    if clip.settings.overlay.is_ground_drawn:
        from pipeline.nodes.analyze import frame_marks  # here: loads what only analyses need

        marks = frame_marks(clip)

    def counted() -> Iterator[Frame]:
        for number, frame in enumerate(FramesUntilDamage(clip.read(tell=log.debug)), start=1):
            yield frame if marks is None else marks.draw(frame)
            if number % clip.chunk_frames == 0:
                release_memory()
            clip.progress.advance(number, "")

    with (
        clip.clock.measure("overlay"),
        closing(prefetch(counted(), clip.ahead_frames)) as frames,
    ):
        scene, chosen = read_scene(clip.files.scene), clip.settings.overlay
        upright = WORLD_FROM_CAM if scene is None else scene.world_from_cam
        count = write_overlay(
            frames, tracks, clip.models.body(), path, chosen, open_writer, upright,
            threads=clip.models.threads, every=clip.looked_every,
        )  # fmt: skip
    return [path] if count else []


class _EncodedBehind:
    """Takes frames of a video that another thread encodes."""

    def __init__(self, behind: WriteBehind[tuple[np.ndarray, float]]) -> None:
        self._behind = behind

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Queue one frame."""
        self._behind.put((image, time_s))
