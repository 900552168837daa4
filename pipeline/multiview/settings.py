"""The settings of a capture, and of each of its views."""

import numpy as np

from configs.schema import RunSettings
from pipeline.capture import Camera
from pipeline.capture.spans import FrameSpan, decode_span
from pipeline.media import VideoInfo

MODES = ("off", "smooth", "fit", "guided")
DEFAULT_MODE = "guided"  # what measures best with several cameras


def capture_settings(settings: RunSettings) -> RunSettings:
    """Return the settings with the mode of refinement of captures, unless they say one."""
    if "mode" in settings.refine.model_fields_set:
        return settings
    return settings.model_copy(update={"refine": settings.refine.model_copy(update={"mode": DEFAULT_MODE})})


def view_settings(
    settings: RunSettings,
    camera: Camera,
    span: FrameSpan | None,
    info: VideoInfo,
    numbers: np.ndarray | None,
    *,
    mode: str = "off",
) -> RunSettings:
    """Return the settings of one view: its focal length is known, and neither overlay nor report is wanted.

    Args:
        mode: how its motion is refined; of a view of several, only the observations are wanted.
        numbers: of the video's frames, where they are not 0, 1, 2 and so on.

    Raises:
        InputError: the video has none of the frames.
    """
    return settings.model_copy(
        update={
            "decode": settings.decode if span is None else decode_span(settings.decode, span, info, numbers),
            "recover": settings.recover.model_copy(update={"focal_px": camera.focal_px}),
            "refine": settings.refine.model_copy(update={"mode": mode}),
            "export": settings.export.model_copy(update={"formats": ()}),
            "overlay": settings.overlay.model_copy(update={"is_written": False}),
            "report": settings.report.model_copy(update={"is_written": False}),
        }
    )
