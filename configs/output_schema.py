"""Settings of what a run writes: motion files and other formats, overlay, report, and what they tell of people."""

from fractions import Fraction
from typing import Literal

from pydantic import Field

from configs.setting_values import ExportFormats, WholeRate
from configs.settings_base import Settings


class ExportSettings(Settings):
    """The motion files that are written per person."""

    rate_hz: WholeRate | None = Field(
        Fraction(30),
        description="constant rate of the motion files, a whole number; null: keep the frames of the video",
    )
    is_smplx_written: bool = Field(False, description="also write the SMPL-X layout (165 numbers)")
    formats: ExportFormats = Field((), description="other formats to write, such as `bvh,glb`, or all")


class OverlaySettings(Settings):
    """The overlay video: the bodies drawn over the frames."""

    is_written: bool = Field(True, description="write an overlay video")
    max_side_px: int = Field(960, ge=64, description="longer side of the overlay video")
    opacity: float = Field(0.75, ge=0, le=1, description="opacity of the bodies")
    background: Literal["video", "black", "gray", "white", "green"] = Field(
        "video", description="background: the video, or a solid colour (bodies are then opaque)"
    )
    is_sound_kept: bool = Field(True, description="copy the sound of the clip to the overlay")
    is_side_view_on: bool = Field(False, description="add a panel with a side view")
    is_box_drawn: bool = Field(False, description="draw the tracked boxes")
    is_skeleton_drawn: bool = Field(False, description="draw the detected 2D keypoints")
    is_ground_drawn: bool = Field(
        False, description="draw a grid of metres on the ground, zones and lines, speeds, and who is near whom"
    )


class ReportSettings(Settings):
    """The report: a page with the overlay, the people in 3D and how good their motion is."""

    is_written: bool = Field(True, description="write report.html, which works without a network")
    video_embed_mb: float = Field(
        4.0, ge=0, description="an overlay up to this size is part of the page; a larger one is linked beside it"
    )


class PrivacySettings(Settings):
    """What the output tells of people beside their motion."""

    is_anonymous: bool = Field(
        False, description="no pixel and no sound of the video in any output, and no name of it: see docs/privacy.md"
    )
