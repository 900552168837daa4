"""Settings of a run: every default is written here and nowhere else."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

RATE_MAX_HZ = 1000  # beyond it a slip of the keyboard is likelier than a camera or a motion file


def _read_rate(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        return value
    power = re.search(r"e[+-]?(\d+)", str(value), re.IGNORECASE)
    if len(str(value)) > 40 or (power and len(power[1]) > 3):  # a fraction of a billion digits takes minutes to make
        raise ValueError(f"a rate is at most {RATE_MAX_HZ} frames per second; ask for 30 or 60")
    try:
        return Fraction(str(value)).limit_denominator(1001)  # of 24000/1001; containers hold no long ones
    except ZeroDivisionError as error:
        raise ValueError("a rate cannot be divided by 0") from error


def _check_rate(rate: Fraction) -> Fraction:
    if rate <= 0:
        raise ValueError("a rate is above 0")
    if rate > RATE_MAX_HZ:
        raise ValueError(f"a rate is at most {RATE_MAX_HZ} frames per second; ask for 30 or 60")
    return rate


def _read_off(value: Any) -> Any:
    return "off" if value is False else value  # what YAML makes of the word


def _read_people(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    words = value.split(",")
    if not all(word.strip().isascii() and word.strip().isdecimal() and len(word) <= 9 for word in words):
        raise ValueError("people are given by their numbers, such as 1,3")
    return tuple(int(word) for word in words)


Rate = Annotated[
    Fraction, BeforeValidator(_read_rate), AfterValidator(_check_rate), PlainSerializer(str, return_type=str)
]


def check_whole_rate(rate: Fraction) -> Fraction:
    """Return a rate that motion files can carry; `ValueError` for any other."""
    if rate <= 0 or rate.denominator != 1:
        raise ValueError(
            f"rate {rate}: motion files carry a whole number of frames per second, as readers cut off the rest "
            "(29.97 is read as 29); ask for 30 or 60"
        )
    return rate


WholeRate = Annotated[Rate, AfterValidator(check_whole_rate)]


def _read_format(value: Any) -> Any:
    return value.lower().replace("_", "").replace("-", "") if isinstance(value, str) else value  # of "BODY_25B"


KeypointFormat = Annotated[
    Literal[
        "auto", "coco17", "h36m17", "openpose18", "coco18", "coco23", "body25", "body25b", "halpe26", "mediapipe33",
        "wholebody133", "body135", "halpe136",
    ],
    BeforeValidator(_read_format),
]  # fmt: skip


class Settings(BaseModel):
    """A frozen group of settings; an unknown key is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _text_can_name_a_file(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("a NUL character is part of no name")
        return value


class DecodeSettings(Settings):
    """Which part of the video is read, and how."""

    start_s: float | None = Field(None, ge=0, le=1e9, description="first second to read")
    end_s: float | None = Field(None, gt=0, le=1e9, description="second to stop before")
    max_side_px: int | None = Field(None, ge=32, description="shrink frames whose longer side is larger than this")
    folder_rate_hz: Rate = Field(Fraction(30), description="frame rate of an image folder, which carries none")
    rate_hz: Rate | None = Field(
        None, description="frames per second in place of the input's own times, also for raw streams and image folders"
    )
    on_corrupt: Literal["stop", "skip"] = Field("stop", description="end at the first damaged frame, or leave it out")


class DetectSettings(Settings):
    """Who is in the picture: boxes and 2D keypoints."""

    weights: str = Field("auto", description="path or Ultralytics name (fetched) of pose weights; 'auto', 'bundled'")
    keypoints: Path | None = Field(None, description="keypoint file or folder used in place of a detector")
    keypoints_format: KeypointFormat = Field(
        "auto", description="order of the points in the keypoint file; 'auto' tells it from names, count and geometry"
    )
    image_px: int = Field(640, ge=64, multiple_of=32, description="longer side of the picture the detector sees")
    score_min: float = Field(0.1, ge=0, le=1, description="people below this score are dropped")
    overlap_max: float = Field(0.65, gt=0, le=1, description="IoU above which two boxes are one person")
    people_max: int = Field(100, ge=1, description="at most this many people per frame")
    is_second_stage_on: bool | None = Field(
        None,
        description="estimate keypoints a second time, from a crop around each person; null: with the bundled detector",
    )
    is_flip_test_on: bool | None = Field(
        None, description="flip test: also run the detector on the mirrored frame; null: without the second stage"
    )
    batch_frames: int = Field(8, ge=1, description="frames per call of the detector")


class TrackSettings(Settings):
    """Which detections are the same person."""

    score_high: float = Field(0.35, ge=0, le=1, description="detections from here on are matched first")
    score_low: float = Field(0.1, ge=0, le=1, description="detections from here on may keep a track alive")
    score_new: float = Field(0.45, ge=0, le=1, description="detections from here on may start a track")
    score_sure: float = Field(0.75, ge=0, le=1, description="detections from here on start a track at once")
    hits_min: int = Field(3, ge=1, description="any other track is shown once it was seen this often")
    lost_max_s: float = Field(2.0, ge=0, description="an unseen track ends after this time")
    distance_max: float = Field(0.85, gt=0, description="largest association cost that is still a match")
    is_cut_detection_on: bool = Field(True, description="end all tracks at a shot cut")
    is_id_kept: bool = Field(False, description="take over the identities of the keypoint file, in place of tracking")


class BodySettings(Settings):
    """Which body model the motion is expressed in."""

    source: str = Field("open", description="'open' for the bundled open body, or a SMPL .pkl or .npz, or a folder")
    gender: Literal["auto", "neutral", "female", "male"] = Field(
        "auto", description="whose shapes the body file holds, as motion files say; 'auto': by the file and its name"
    )

    @model_validator(mode="after")
    def _the_open_body_is_neutral(self) -> "BodySettings":
        if self.source == "open" and self.gender in ("female", "male"):
            raise ValueError(f"gender is {self.gender} and the open body is neutral; give a {self.gender} SMPL body")
        return self


class RecoverSettings(Settings):
    """One body for every crop."""

    model: str = Field("compact", description="name in the weights catalogue, or a folder with config and weights")
    focal_px: float | None = Field(None, gt=0, description="focal length in pixels; else read, else the diagonal")
    box_scale: float = Field(1.2, gt=0, description="side of the square crop over the longer side of the person")
    keypoint_score_min: float = Field(0.3, ge=0, le=1, description="keypoints below this are masked")
    keypoints_min: int = Field(4, ge=1, description="people with fewer usable keypoints get no body in that frame")
    is_camera_fitted: bool = Field(True, description="move the body so that its joints meet the 2D keypoints")
    is_turned: bool = Field(
        True, description="turn crops of people who are upside down or lie; not for published models"
    )
    is_flip_test_on: bool = Field(
        False, description="flip test: also run the network on the mirrored crop; steadier, twice the time"
    )
    batch_rows: int | None = Field(None, ge=1, description="crops per call of the network; none: from memory")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="number format inside the networks; 'auto' takes bfloat16 where the CPU computes with it"
    )


class LinkSettings(Settings):
    """How rows become one motion per person."""

    frames_min: int = Field(5, ge=1, description="shorter tracks are not written")
    gap_max_s: float = Field(0.5, ge=0, description="gaps up to this length are filled and flagged")
    people: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, BeforeValidator(_read_people)] = Field(
        None, description="only these people are written, by the numbers of a run without this setting; none: all"
    )


class RefineSettings(Settings):
    """How bodies become a motion. A sigma is a standard deviation: a smaller one gives more weight."""

    mode: Annotated[Literal["off", "smooth", "fit", "published"], BeforeValidator(_read_off)] = Field(
        "fit",
        description="'fit' solves for keypoints and smooth motion, 'smooth' only smooths, 'off' leaves the rows;"
        " 'published' samples as ScoreHMR does, to compare with",
    )
    prior: str = Field(
        "motion-prior", description="score model of motion for 'fit': a name or a folder; 'none' trusts recovered poses"
    )
    is_acceptance_test_on: bool = Field(
        True, description="keep the input motion where held-out keypoints show no improvement"
    )
    window_frames: int = Field(96, ge=8, description="frames that are solved together")
    overlap_frames: int = Field(16, ge=2, description="frames that neighbouring windows share")
    break_s: float = Field(1.0, gt=0, description="motion is not carried over a longer time without rows")
    batch_rows: int = Field(1024, ge=64, description="rows of all people that are solved at once")
    shape_rows: int = Field(24, ge=1, description="frames per person from which the body shape is solved")
    shape_steps: int = Field(60, ge=1, description="steps of the solver for the body shape")
    steps: int = Field(150, ge=1, description="steps of the solver")
    step_rad: float = Field(0.03, gt=0, description="largest first step of the solver, in rotations")
    step_m: float = Field(0.02, gt=0, description="largest first step of the solver, in translations")
    keypoint_score_min: float = Field(0.2, ge=0, le=1, description="keypoints below this are left out")
    keypoint_sigma_m: float = Field(
        0.06, gt=0, description="standard deviation of a keypoint, at the person's distance"
    )
    keypoint_outlier_m: float = Field(0.15, gt=0, description="keypoints farther off lose their pull")
    pose_sigma_rad: float = Field(0.2, gt=0, description="standard deviation of a recovered joint rotation")
    gap_sigma_rad: float = Field(0.4, gt=0, description="standard deviation of an interpolated rotation")
    prior_weight: float = Field(
        1.5, gt=0, description="weight of the motion prior's poses; neighbouring frames have correlated errors"
    )
    translation_sigma: float = Field(
        0.1, gt=0, description="standard deviation of a recovered translation, as a fraction of the distance"
    )
    shape_sigma: float = Field(0.5, gt=0, description="standard deviation of a recovered shape coefficient")
    joint_acceleration: float = Field(40.0, gt=0, description="usual acceleration of a joint about the root, m/s^2")
    turn_acceleration: float = Field(200.0, gt=0, description="usual acceleration of a joint's rotation, rad/s^2")
    root_acceleration: float = Field(12.0, gt=0, description="usual acceleration of the root, m/s^2")
    speed_max: float = Field(9.0, gt=0, description="speed of the root beyond which it is held back, m/s")
    is_contact_on: bool = Field(False, description="feet that rest do not slide; the camera has to stand still")
    is_ground_on: bool = Field(False, description="resting feet of all people lie on one plane; the same holds")
    is_collision_on: bool = Field(False, description="people do not pass through each other")
    smooth_cutoff_hz: float = Field(5.0, gt=0, description="faster motion is damped by the smoothing without weights")

    @model_validator(mode="after")
    def _windows_are_longer_than_their_overlap(self) -> "RefineSettings":
        if self.overlap_frames >= self.window_frames:
            raise ValueError(
                f"overlap_frames {self.overlap_frames} must lie below window_frames {self.window_frames}; lower it, too"
            )
        return self

    @model_validator(mode="after")
    def _the_published_way_has_a_score_model(self) -> "RefineSettings":
        if self.mode == "published" and self.prior == "none":
            raise ValueError("mode published samples from a score model and prior is none; name one, or take mode fit")
        return self


class ExportSettings(Settings):
    """What is written per person."""

    rate_hz: WholeRate | None = Field(
        Fraction(30), description="constant rate of the motion files, a whole number; null keeps the frames"
    )
    is_smplx_written: bool = Field(False, description="also write the SMPL-X layout (165 numbers)")


class OverlaySettings(Settings):
    """The video to judge the result by."""

    is_written: bool = True
    max_side_px: int = Field(960, ge=64, description="longer side of the overlay")
    opacity: float = Field(0.75, ge=0, le=1, description="of the bodies over the frames")
    background: Literal["video", "black", "gray", "white", "green"] = Field(
        "video", description="what the bodies are drawn over: the frames, or one colour, where they are opaque"
    )
    is_sound_kept: bool = Field(True, description="the overlay has the sound of the clip")
    is_side_view_on: bool = Field(False, description="add a panel with a view from the side")
    is_box_drawn: bool = Field(False, description="draw the boxes of the tracks")
    is_skeleton_drawn: bool = Field(False, description="draw the detected 2D keypoints")


class RuntimeSettings(Settings):
    """How the machine is used.

    Threads and frames read ahead change no result. Another device or another `chunk_frames` moves it by rounding, as
    people of a chunk go through the networks together.
    """

    device: str = Field("auto", description="'auto', 'cpu', 'cuda', 'cuda:1'")
    threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads, at most one per core; by default OMP_NUM_THREADS, else all cores"
    )
    chunk_frames: int = Field(32, ge=1, description="frames that go through the line at once")
    prefetch_frames: int = Field(16, ge=1, description="frames decoded ahead")


class RunSettings(Settings):
    """Everything a run can be told."""

    decode: DecodeSettings = DecodeSettings()
    detect: DetectSettings = DetectSettings()
    track: TrackSettings = TrackSettings()
    body: BodySettings = BodySettings()
    recover: RecoverSettings = RecoverSettings()
    link: LinkSettings = LinkSettings()
    refine: RefineSettings = RefineSettings()
    export: ExportSettings = ExportSettings()
    overlay: OverlaySettings = OverlaySettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @model_validator(mode="after")
    def _what_is_said_of_a_keypoint_file_has_one(self) -> "RunSettings":
        if self.detect.keypoints is None and (self.track.is_id_kept or self.detect.keypoints_format != "auto"):
            name = "--keep-ids (track.is_id_kept)" if self.track.is_id_kept else "--keypoints-format"
            raise ValueError(f"{name} is about a keypoint file and none is given; give one with --keypoints")
        return self
