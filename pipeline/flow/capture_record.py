"""What the run of a capture says of its cameras in `run.json`: their clocks, and how well their calibration fits."""

from pydantic import BaseModel, ConfigDict


class ClockRecord(BaseModel):
    """The clock of one camera."""

    model_config = ConfigDict(frozen=True)

    offset_s: float = 0.0  # what happens at this time of its video happens at 0 of the common clock
    offset_frames: float = 0.0  # of the common clock
    found_s: float | None = None  # also where it was not used; None: not looked for, or not to be told
    sigma_s: float | None = None
    said: str = ""


class PairRecord(BaseModel):
    """How well two cameras fit."""

    model_config = ConfigDict(frozen=True)

    cameras: tuple[str, str]
    error_px: float | None = None  # None: they see nobody in common


class FitRecord(BaseModel):
    """How well a camera fits the others."""

    model_config = ConfigDict(frozen=True)

    error_px: float | None = None
    turned_deg: float | None = None  # by how much it had to be turned to fit best


class PoseRecord(BaseModel):
    """Where a camera stands in the world, and how wide it sees."""

    model_config = ConfigDict(frozen=True)

    world_from_cam: tuple[tuple[float, float, float, float], ...]  # 4 x 4
    focal_px: float
    size_px: tuple[int, int]


class CaptureRecord(BaseModel):
    """The cameras of a capture, by name."""

    model_config = ConfigDict(frozen=True)

    clocks: dict[str, ClockRecord] = {}
    poses: dict[str, PoseRecord] = {}
    fits: dict[str, FitRecord] = {}
    pairs: tuple[PairRecord, ...] = ()
    problems: tuple[str, ...] = ()
