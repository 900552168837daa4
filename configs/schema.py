"""Settings of a run, the single place of their defaults."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from configs.analytics_schema import AnalyticsSettings
from configs.output_schema import ExportSettings, OverlaySettings, PrivacySettings, ReportSettings
from configs.runtime_schema import RuntimeSettings
from configs.setting_values import (
    InputSide,
    KeypointFormat,
    Pace,
    Rate,
    read_off,
    read_on_off,
    read_people,
    read_second_stage,
)
from configs.settings_base import Settings


class DecodeSettings(Settings):
    """Which part of the video is read, and how frames are decoded."""

    start_s: float | None = Field(None, ge=0, le=1e9, description="start of the part to read, in seconds")
    end_s: float | None = Field(None, gt=0, le=1e9, description="end of the part to read, in seconds (exclusive)")
    max_side_px: int | None = Field(None, ge=32, description="downscale frames whose longer side exceeds this")
    folder_rate_hz: Rate = Field(Fraction(30), description="frame rate of an image folder, which stores none")
    rate_hz: Rate | None = Field(
        None, description="frame rate to use instead of the input's timestamps; also for raw streams and image folders"
    )
    on_corrupt: Literal["stop", "skip"] = Field(
        "stop", description="at a damaged frame: stop reading, or skip the frame"
    )
    is_green_skipped: bool = Field(
        False, description="skip frames of which a tenth or more is the green of missing data; they are counted"
    )


class DetectSettings(Settings):
    """Person detection: boxes and 2D keypoints per frame."""

    weights: str = Field(
        "auto", description="pose weights: a path, an Ultralytics name (downloaded), 'bundled' or 'auto'"
    )
    keypoints: Path | None = Field(None, description="keypoint file or folder to use instead of a detector")
    keypoints_format: KeypointFormat = Field(
        "auto", description="keypoint order of the file; 'auto' detects it from names, count and geometry"
    )
    image_px: InputSide = Field(
        "auto",
        description="longer side of the detector's input image, at least 64 and a multiple of 32; 'auto': from how tall"
        " people are in some frames",
    )
    person_px_min: int = Field(
        40, ge=10, description="with image_px 'auto', people from this height on are found, in pixels of the frame"
    )
    score_min: float = Field(0.1, ge=0, le=1, description="detections below this score are dropped")
    overlap_max: float = Field(0.65, gt=0, le=1, description="IoU above which two boxes count as the same person")
    people_max: int = Field(100, ge=1, description="maximum number of people per frame")
    second_stage: Annotated[str, BeforeValidator(read_second_stage)] = Field(
        "auto",
        description="look at each person again, in a crop: 'auto' (BlazePose, with a detector), 'off', or the name or"
        " folder of an imported landmark network",
    )
    is_second_flip_test_on: bool = Field(
        False, description="flip test of the second stage: also look at the mirrored crop; twice its time"
    )
    is_flip_test_on: bool | None = Field(
        None, description="flip test: also run the detector on the mirrored frame; null: with Ultralytics weights"
    )
    every: Pace = Field(
        1, description="look for people in every k-th frame, and fill in between; 'auto': at least 24 looks per second"
    )
    batch_frames: int = Field(8, ge=1, description="frames per call of the detector")


class AppearanceSettings(Settings):
    """What people look like, for telling them apart."""

    reid: Annotated[str, BeforeValidator(read_off)] = Field(
        "parts",
        description="'parts' (colours of head, trunk, thighs and shins), 'off', or a re-identification network: an"
        " .onnx file or its folder",
    )
    rate_hz: float | None = Field(
        None, gt=0, le=240, description="looks per second; null: 10 with 'parts', 2 with a network"
    )


class TrackSettings(Settings):
    """Tracking: which detections belong to the same person."""

    score_high: float = Field(0.35, ge=0, le=1, description="detections with at least this score are matched first")
    score_low: float = Field(0.1, ge=0, le=1, description="detections with at least this score can continue a track")
    score_new: float = Field(0.45, ge=0, le=1, description="detections with at least this score can start a track")
    score_sure: float = Field(
        0.75, ge=0, le=1, description="detections with at least this score start a confirmed track"
    )
    hits_min: int = Field(3, ge=1, description="other tracks are confirmed after this many detections")
    lost_max_s: float = Field(2.0, ge=0, description="a track without detections ends after this time")
    distance_max: float = Field(
        11.0, gt=0, description="maximum cost of a match: minus the log-likelihood of place, size and pose"
    )
    is_cut_detection_on: bool = Field(True, description="detect shot cuts and end all tracks there")
    is_camera_motion_on: bool = Field(True, description="expect people where the motion of the background takes them")
    is_id_kept: bool = Field(False, description="use the identities of the keypoint file instead of tracking")


class BodySettings(Settings):
    """The body model that the motion is expressed in."""

    source: str = Field(
        "open", description="'open' (the bundled open body), or a SMPL .pkl or .npz file, or a folder of them"
    )
    gender: Literal["auto", "neutral", "female", "male"] = Field(
        "auto", description="gender of the body model, as recorded in motion files; 'auto': from the file or its name"
    )

    @model_validator(mode="after")
    def _the_open_body_is_neutral(self) -> "BodySettings":
        if self.source == "open" and self.gender in ("female", "male"):
            raise ValueError(f"gender is {self.gender}, but the open body is neutral; use a {self.gender} SMPL body")
        return self


class RecoverSettings(Settings):
    """Body recovery: one body per person and frame."""

    model: str = Field("compact", description="name in the weights catalogue, or a folder with config and weights")
    focal_px: float | None = Field(
        None, gt=0, description="focal length in pixels; null: from metadata, or else the image diagonal"
    )
    box_scale: float = Field(1.2, gt=0, description="side of the square crop relative to the longer side of the person")
    keypoint_score_min: float = Field(0.3, ge=0, le=1, description="keypoints with a lower score are masked")
    keypoints_min: int = Field(4, ge=1, description="people with fewer usable keypoints get no body in that frame")
    is_camera_fitted: bool = Field(True, description="fit the translation to the 2D keypoints")
    is_turned: bool = Field(
        True, description="rotate crops of people who lie or are upside down; ignored by published models"
    )
    is_flip_test_on: bool = Field(
        False, description="flip test: also run the network on the mirrored crop; steadier, twice the time"
    )
    batch_rows: int | None = Field(None, ge=1, description="crops per network call; null: from the available memory")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="precision of the networks; 'auto': float16 on CUDA, bfloat16 on CPUs with native support"
    )


class CaptureSettings(Settings):
    """Captures of several cameras."""

    sync: Annotated[str, BeforeValidator(read_off)] = Field(
        "auto",
        description="offsets of the cameras' clocks: 'auto' finds them from the people, 'off' takes them to be 0, or a"
        " JSON file of them",
    )
    unseen_by_min: int | None = Field(
        2,
        ge=1,
        description="whom one camera alone sees, where so many others look and see nobody, is left out as a mirror"
        " image or a poster; null: nobody is",
    )


class LinkSettings(Settings):
    """How observations become one track per person."""

    mode: Annotated[Literal["on", "off"], BeforeValidator(read_on_off)] = Field(
        "on", description="join the tracks of one person and split those of several; 'off' keeps what the tracker said"
    )
    score_min: float = Field(
        2.0, ge=0, description="evidence that joins two tracks: logarithm of how much likelier it makes one person"
    )
    split_min: float = Field(2.0, ge=0, description="evidence that splits a track, likewise")
    join_max_s: float | None = Field(None, ge=0, description="longest absence that is joined; null: any")
    hidden_max_s: float = Field(
        2.0,
        ge=0,
        description="who is never clear of others, nor looked at, and not seen for longer, is left out; 0: nobody is",
    )
    frames_min: int = Field(5, ge=1, description="tracks with fewer observed frames are not written")
    gap_max_s: float | None = Field(
        None, ge=0, description="gaps up to this length are filled; null: 0.5, as long as tracks wait if mode is guided"
    )
    people: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, BeforeValidator(read_people)] = Field(
        None, description="write only these people, numbered as in a run without this setting; null: all"
    )


class RefineSettings(Settings):
    """How bodies become a motion. A sigma is a standard deviation: a smaller one gives more weight."""

    mode: Annotated[Literal["off", "smooth", "fit", "guided", "published"], BeforeValidator(read_off)] = Field(
        "fit",
        description="'fit' optimises for keypoints and smoothness, 'guided' samples the motion prior under the same"
        " guidance, 'smooth' only smooths, 'off' changes nothing; 'published' samples as ScoreHMR does, for comparison",
    )
    prior: str = Field(
        "motion-prior", description="motion prior of 'fit': a name or a folder; 'none' uses the recovered poses alone"
    )
    is_acceptance_test_on: bool = Field(
        True, description="keep the input motion where held-out keypoints show no improvement"
    )
    window_frames: int = Field(96, ge=8, description="frames per window of the solver")
    overlap_frames: int = Field(16, ge=2, description="overlap of neighbouring windows")
    break_s: float = Field(1.0, gt=0, description="longer gaps split the motion into independent parts")
    batch_rows: int = Field(1024, ge=64, description="person-frames per batch of the solver")
    shape_rows: int = Field(24, ge=1, description="frames per person used to solve the body shape")
    shape_steps: int = Field(60, ge=1, description="solver steps for the body shape")
    steps: int = Field(150, ge=1, description="solver steps")
    guided_steps: int = Field(10, ge=1, description="diffusion steps of 'guided'")
    guided_inner_steps: int = Field(16, ge=1, description="solver steps in each diffusion step")
    guided_start: Literal["inversion", "noise"] = Field("inversion", description="noise by DDIM inversion, or drawn")
    guided_from: int = Field(100, ge=1, le=999, description="diffusion time that inversion goes up to")
    guided_scale: float = Field(1.0, ge=0, description="of classifier-free guidance: 0 ignores what was recovered")
    guided_eta: float = Field(0.0, ge=0, le=1, description="share of the noise that each diffusion step draws anew")
    samples: int = Field(1, ge=1, description="samples of 'guided': their mean is written, their spread is its sigma")
    seed: int = Field(0, ge=0, description="of the noise of 'guided'")
    step_rad: float = Field(0.03, gt=0, description="initial step size of the solver for rotations")
    step_m: float = Field(0.02, gt=0, description="initial step size of the solver for translations")
    keypoint_score_min: float = Field(0.2, ge=0, le=1, description="keypoints with a lower score are ignored")
    keypoint_sigma_m: float = Field(
        0.06, gt=0, description="standard deviation of a keypoint, at the person's distance"
    )
    keypoint_sigma_of_several_m: float = Field(
        0.03, gt=0, description="the same with several cameras, where each tells what the others cannot: depth"
    )
    keypoint_outlier_m: float = Field(
        0.15, gt=0, description="residual beyond which a keypoint is treated as an outlier"
    )
    bone_sigma_rad: float | None = Field(
        None, gt=0, description="standard deviation of a bone's direction in the second stage's 3D joints; null: unused"
    )
    bone_outlier_rad: float = Field(
        0.5, gt=0, description="angle beyond which such a direction is treated as an outlier"
    )
    pose_sigma_rad: float = Field(0.2, gt=0, description="standard deviation of a recovered joint rotation")
    gap_sigma_rad: float = Field(0.4, gt=0, description="standard deviation of an interpolated rotation")
    prior_weight: float = Field(
        1.5, gt=0, description="weight of the motion prior's poses; neighbouring frames have correlated errors"
    )
    translation_sigma: float = Field(
        0.1, gt=0, description="standard deviation of a recovered translation, as a fraction of the distance"
    )
    shape_sigma: float = Field(0.5, gt=0, description="standard deviation of a recovered shape coefficient")
    joint_acceleration: float = Field(
        40.0, gt=0, description="typical acceleration of a joint relative to the root, m/s^2"
    )
    turn_acceleration: float = Field(200.0, gt=0, description="typical angular acceleration of a joint, rad/s^2")
    root_acceleration: float = Field(12.0, gt=0, description="typical acceleration of the root, m/s^2")
    speed_max: float = Field(9.0, gt=0, description="root speed above which motion is penalised, m/s")
    ground: Annotated[Literal["auto", "off"], BeforeValidator(read_off)] = Field(
        "auto", description="find the ground from all people of one camera: upright bodies, feet on it, focal length"
    )
    is_contact_on: bool = Field(False, description="prevent foot sliding; needs static cameras")
    is_ground_on: bool = Field(
        False, description="put the resting feet of all people on one plane; needs static cameras"
    )
    is_collision_on: bool = Field(False, description="prevent people from intersecting each other")
    smooth_cutoff_hz: float = Field(5.0, gt=0, description="cutoff frequency of the temporal smoothing")

    @model_validator(mode="after")
    def _windows_are_longer_than_their_overlap(self) -> "RefineSettings":
        if self.overlap_frames >= self.window_frames:
            raise ValueError(
                f"overlap_frames {self.overlap_frames} must be below window_frames {self.window_frames}; lower it, too"
            )
        return self

    @model_validator(mode="after")
    def _what_samples_has_a_score_model(self) -> "RefineSettings":
        if self.mode in ("guided", "published") and self.prior == "none":
            raise ValueError(f"mode {self.mode} needs a motion prior and prior is none; name one, or use mode fit")
        return self

    @property
    def has_scene_constraints(self) -> bool:
        """Whether people of a scene are moved together."""
        return self.is_contact_on or self.is_ground_on or self.is_collision_on


class RunSettings(Settings):
    """All settings of a run."""

    decode: DecodeSettings = DecodeSettings()
    detect: DetectSettings = DetectSettings()
    appearance: AppearanceSettings = AppearanceSettings()
    track: TrackSettings = TrackSettings()
    body: BodySettings = BodySettings()
    recover: RecoverSettings = RecoverSettings()
    capture: CaptureSettings = CaptureSettings()
    link: LinkSettings = LinkSettings()
    refine: RefineSettings = RefineSettings()
    export: ExportSettings = ExportSettings()
    overlay: OverlaySettings = OverlaySettings()
    analytics: AnalyticsSettings = AnalyticsSettings()
    report: ReportSettings = ReportSettings()
    privacy: PrivacySettings = PrivacySettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @model_validator(mode="before")
    @classmethod
    def _anonymous_people_are_bodies_alone(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("overlay", {}), dict):
            privacy = value.get("privacy") or {}
            if (privacy.get("is_anonymous") if isinstance(privacy, dict) else privacy.is_anonymous) is True:
                return value | {"overlay": {"background": "gray", "is_sound_kept": False} | value.get("overlay", {})}
        return value

    @model_validator(mode="after")
    def _what_is_anonymous_shows_no_video(self) -> "RunSettings":
        if self.privacy.is_anonymous and (self.overlay.background == "video" or self.overlay.is_sound_kept):
            raise ValueError("--anonymous shows no video and keeps no sound; leave overlay.background and sound out")
        return self

    @model_validator(mode="after")
    def _segments_are_of_videos_whose_frames_can_be_counted(self) -> "RunSettings":
        if isinstance(self.runtime.segment_s, float) and self.decode.on_corrupt == "skip":
            raise ValueError(
                "runtime.segment_s needs frames that can be counted from the middle of a video, which "
                "decode.on_corrupt=skip does not leave; leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _what_is_said_of_a_keypoint_file_has_one(self) -> "RunSettings":
        if self.detect.keypoints is None and (self.track.is_id_kept or self.detect.keypoints_format != "auto"):
            name = "--keep-ids (track.is_id_kept)" if self.track.is_id_kept else "--keypoints-format"
            raise ValueError(f"{name} needs a keypoint file; give one with --keypoints")
        return self
