"""The scene of a run of one camera: where the ground is, how the camera stands over it, and how well both are known."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np

from configs.checks import Shaped, check_numbers
from configs.errors import InputError
from configs.json_files import read_json
from pipeline.flow.atomic import write_json
from pipeline.motion.world import WORLD_FROM_CAM
from trackers.camera_motion import Verdict

FORMAT_VERSION = 1
LATER = ("is_turn_followed",)  # earlier runs lack these
FocalSource = Literal["given", "people", "weighed", "diagonal"]


@dataclass(frozen=True, slots=True)
class Scene(Shaped):
    """The ground and the camera of a clip. The world has z up and its origin on the ground below the camera.

    The camera looks along the world's y. Where the ground is not measured, the camera is taken as level and is itself
    the origin; figures that need a ground then mean nothing, and `reason` says why. Standard errors are None where
    nothing was measured.
    """

    world_from_cam: Annotated[np.ndarray, 4, 4]  # p_world = world_from_cam @ p_cam, metres, for the whole clip
    focal_px: float | None = None  # pixels of the frames as they are read; None: nobody was there
    focal_source: FocalSource = "diagonal"  # "given": by the user or the file; "people": measured; else the diagonal
    focal_sigma_px: float | None = None
    is_ground_measured: bool = False
    reason: str = ""  # why the ground is not measured
    camera_height_m: float | None = None
    camera_height_sigma_m: float | None = None
    tilt_deg: float = 0.0  # how far the camera looks down
    tilt_sigma_deg: float | None = None
    roll_deg: float = 0.0  # how far it is turned clockwise about its axis: a level line then rises to the right
    roll_sigma_deg: float | None = None
    is_camera_still: bool | None = None  # None: not measured
    camera_motion: Verdict = "unknown"
    is_turn_followed: bool = False  # the camera pans, and the axes are those of its mean direction in all frames

    @property
    def is_fixed(self) -> bool | None:
        """Whether places at different times can be compared; None: not known."""
        return True if self.is_turn_followed else self.is_camera_still

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        check_numbers("world_from_cam", self.world_from_cam)
        turn = self.world_from_cam[:3, :3]
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0:
            raise ValueError("world_from_cam: its 3 x 3 part is not a rotation")


def level_scene(focal_px: float | None, focal_source: FocalSource, reason: str) -> Scene:
    """Return a scene whose ground is not measured: the camera is level and the origin."""
    return Scene(WORLD_FROM_CAM, focal_px=focal_px, focal_source=focal_source, reason=reason)


def write_scene(path: Path, scene: Scene) -> None:
    """Write the scene as JSON."""
    values = asdict(scene) | {"world_from_cam": scene.world_from_cam.tolist(), "format_version": FORMAT_VERSION}
    write_json(path, values)


def read_scene(path: Path) -> Scene | None:
    """Return what `write_scene` wrote; None where there is no file, as in runs of earlier versions and in captures.

    Raises:
        InputError: the file is damaged or of another version.
    """
    if not path.exists():
        return None
    found = read_json(path, bytes_max=2**20)
    try:
        version = found["format_version"]
        if version != FORMAT_VERSION:
            raise ValueError(f"format_version is {version}, expected {FORMAT_VERSION}")
        values: dict[str, Any] = {
            item.name: found[item.name] for item in fields(Scene) if item.name in found or item.name not in LATER
        }
        for name, kind in (("focal_source", FocalSource), ("camera_motion", Verdict)):
            if values[name] not in get_args(kind):
                raise ValueError(f"{name} is {values[name]!r}")
        return Scene(**values | {"world_from_cam": np.array(values["world_from_cam"], np.float64)})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a scene of this version ({error}); run the clip again") from error
