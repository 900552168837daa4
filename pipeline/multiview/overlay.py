"""The node `overlay` of a capture: its people over the video of every camera, and a mosaic of them all."""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from configs.output_schema import OverlaySettings
from configs.schema import RunSettings
from pipeline.flow.graph import Claim
from pipeline.flow.line import fit_queue
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import RunFolder
from pipeline.flow.prefetch import WriteBehind, prefetch
from pipeline.media import VideoInfo, VideoWriter, read_frames
from pipeline.media.info import fit_size
from pipeline.motion.library import MotionLibrary
from pipeline.motion.posing import Body
from pipeline.multiview.views import Footage, View
from pipeline.nodes.context import FramesUntilDamage, Progress
from pipeline.overlay import OverlayPainter, PeopleInFrame, people_in
from pipeline.overlay.drawing import draw_boxes, draw_keypoints
from pipeline.overlay.lens import Lens
from pipeline.overlay.mosaic import Mosaic, in_world
from pipeline.overlay.renderer import NEAR_M
from pipeline.overlay.write import FRAMES_TOGETHER
from pipeline.types import Frame, Observations

log = logging.getLogger(__name__)

HELD_BYTES = 2**27  # of all cameras' frames that are skinned together, and as many that wait
DETECTED = np.array([235, 235, 235], np.uint8)  # what one camera detected has no identity yet


@dataclass(frozen=True, slots=True)
class Shot:
    """What the cameras show at one frame of the capture."""

    index: int
    frames: dict[int, Frame]
    """By place of the camera; one whose video lacks this frame has none."""


def draw_views(
    files: RunFolder,
    views: Sequence[View],
    footage: Sequence[Footage],
    rate: Fraction,
    settings: RunSettings,
    body: Body,
    progress: Progress,
    claim: Claim,
) -> list[Path]:
    """Write the overlay of every view and their mosaic in one pass over the videos; return the files.

    Args:
        files: of the capture.
        footage: of `views`.
        rate: frames per second of the capture.
    """
    paths = [files.view(view.camera.name).overlay for view in views]
    claim([*paths, files.mosaic])
    library = MotionLibrary.of_files(files.motions())
    painters = [ViewPainter(view, body, each.info, settings.overlay) for view, each in zip(views, footage, strict=True)]
    mosaic = Mosaic([view.camera for view in views], [painter.size for painter in painters], library)
    pixels = [painter.size[0] * painter.size[1] for painter in painters]
    together = min(FRAMES_TOGETHER, max(1, HELD_BYTES // (3 * sum(pixels))))
    progress.start("overlay", max(int(view.rows.frame_index.max(initial=-1)) + 1 for view in views))
    with ExitStack() as stack:
        writers = [
            stack.enter_context(VideoWriter(path, *painter.size, rate))
            for path, painter in zip(paths, painters, strict=True)
        ]
        writers.append(stack.enter_context(VideoWriter(files.mosaic, mosaic.width, mosaic.height, rate)))
        behind = stack.enter_context(
            WriteBehind[tuple[VideoWriter, np.ndarray, float]](
                lambda shown: shown[0].write(*shown[1:]), fit_queue(len(writers), max(pixels))
            )
        )
        shots = stack.enter_context(closing(prefetch(read_together(footage, settings.overlay), together)))
        for group in _grouped(shots, together):
            near = library.between(group[0].index, group[-1].index)
            for shot, people in zip(group, people_in([shot.index for shot in group], near, body), strict=True):
                images = {
                    place: painters[place].paint(frame.image, shot.index, people)
                    for place, frame in shot.frames.items()
                }
                for place, image in images.items():
                    behind.put((writers[place], image, shot.frames[place].time_s))
                behind.put((writers[-1], mosaic.paint(shot.index, images, people), float(shot.index / rate)))
            progress.advance(group[-1].index + 1, "")
            release_memory()
    return [writer.path for writer in writers if writer.frames_written]


class ViewPainter:
    """Draws people of rig axes as one camera with its lens sees them."""

    def __init__(self, view: View, body: Body, info: VideoInfo, settings: OverlaySettings) -> None:
        size = fit_size(info.width, info.height, settings.max_side_px)
        # The rig is seen from above in the mosaic; boxes and keypoints are the view's own and are drawn here.
        own = {"is_side_view_on": False, "is_box_drawn": False, "is_skeleton_drawn": False}
        self._painter = OverlayPainter((), body, *size, settings.model_copy(update=own))
        self._view, self._settings = view, settings
        self._lens = Lens(view.camera)
        self._scale = np.array(size) / (info.width, info.height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what `paint` returns."""
        return self._painter.width, self._painter.height

    def paint(self, image: np.ndarray, frame_index: int, people: PeopleInFrame) -> np.ndarray:
        """Return the image (height, width, 3) uint8 of one frame of the capture, with everybody whom the rig sees."""
        vertices = self._lens.bent(self._view.camera.to_camera(in_world(people.vertices))).astype(np.float32)
        focal, principal = self._lens.focal_px * self._scale.mean(), self._lens.principal_px * self._scale
        pixels = focal * vertices[..., :2] / np.maximum(vertices[..., 2:], NEAR_M) + principal
        is_inside = ((pixels >= 0) & (pixels <= image.shape[1::-1])).all(axis=-1) & (vertices[..., 2] > NEAR_M)
        shown = np.flatnonzero(is_inside.any(axis=1))  # who is beside the picture is not drawn
        bodies = replace(
            people.take(shown),
            vertices=vertices[shown],
            focal_px=np.full(len(shown), focal, np.float32),
            principal_px=np.tile(principal, (len(shown), 1)).astype(np.float32),
        )
        painted = self._painter.paint(image, bodies)
        if self._settings.is_box_drawn or self._settings.is_skeleton_drawn:
            self._draw_detected(painted, self._rows_at(frame_index))
        return painted

    def _rows_at(self, frame_index: int) -> Observations:
        rows = self._view.rows
        first, stop = np.searchsorted(rows.frame_index, (frame_index, frame_index + 1))
        return rows.take(slice(first, stop))

    def _draw_detected(self, image: np.ndarray, rows: Observations) -> None:
        colours = np.tile(DETECTED, (len(rows.frame_index), 1))
        if self._settings.is_box_drawn:
            draw_boxes(image, rows.boxes_xyxy * np.tile(self._scale, 2), colours)
        if self._settings.is_skeleton_drawn:
            draw_keypoints(image, rows.keypoints * (*self._scale, 1.0), colours)


def read_together(footage: Sequence[Footage], settings: OverlaySettings) -> Iterator[Shot]:
    """Yield the frames of several videos that belong together; one that is damaged ends before the others do."""
    with ExitStack() as stack:
        streams = [stack.enter_context(closing(_stream(each, settings))) for each in footage]
        heads = {place: head for place, stream in enumerate(streams) if (head := next(stream, None)) is not None}
        while heads:
            index = min(number for number, _ in heads.values())
            frames = {place: frame for place, (number, frame) in heads.items() if number == index}
            yield Shot(index, frames)
            for place in frames:
                head = next(streams[place], None)
                if head is None:
                    del heads[place]
                else:
                    heads[place] = head


def _stream(footage: Footage, settings: OverlaySettings) -> Generator[tuple[int, Frame], None, None]:
    """Yield the frames of a video, each with its number in the capture: frames of one number were taken together."""
    decode = footage.decode
    frames = read_frames(
        footage.info,
        start_s=decode.start_s,
        end_s=decode.end_s,
        max_side_px=settings.max_side_px,
        on_corrupt=decode.on_corrupt,
        tell=log.debug,  # the view's own run has told
    )
    last = -1
    for frame in FramesUntilDamage(frames):
        number = footage.number_of(frame)
        if number > last:  # what came before the clock's 0 belongs to no frame of the capture
            last = number
            yield number, frame


def _grouped(shots: Iterable[Shot], together: int) -> Iterator[list[Shot]]:
    source = iter(shots)
    while group := list(islice(source, together)):
        yield group
