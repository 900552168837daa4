"""What every format is given: people on one grid of samples, in an upright world (z up), metres."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.skeletons import SMPL_PARENTS
from dpmesh.body.structure import BodyStructure
from pipeline.types import MotionTrack

ROWS_PER_BLOCK = 1024
OPEN_BODY_NOTE = "betas are those of the open body, not of SMPL"
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""A rotation: (x, y, z) of a world with z up becomes (x, z, -y)."""


@dataclass(frozen=True, slots=True)
class PersonMotion(Shaped):
    """The motion of one person. Sample `first_sample + i` of the grid is row i."""

    first_sample: int
    pose: Annotated[np.ndarray, "T", 24, 3]  # axis-angle, root in world axes
    pelvis: Annotated[np.ndarray, "T", 3]  # metres
    rest: Annotated[np.ndarray, 24, 3]  # joints of the unposed shape, y up, metres
    frame_index: Annotated[np.ndarray, "T"]  # int64, nearest frame of the video
    confidence: Annotated[np.ndarray, "T", 24]
    is_observed: Annotated[np.ndarray, "T"]  # bool
    is_refined: Annotated[np.ndarray, "T"]  # bool

    def __len__(self) -> int:
        return len(self.pose)

    def rotations(self, rows: slice, *, is_y_up: bool = False) -> Rotation:
        """Return local rotations (R * 24), those of one sample after the other."""
        quaternions = Rotation.from_rotvec(self.pose[rows].reshape(-1, 3)).as_quat()
        if is_y_up:
            quaternions[::24] = (Rotation.from_matrix(Y_UP_FROM_Z_UP) * Rotation.from_quat(quaternions[::24])).as_quat()
        return Rotation.from_quat(quaternions)

    def quaternions(self, *, is_y_up: bool = False) -> np.ndarray:
        """Return local rotations (T, 24, 4) float32, x y z w, without jumps of sign."""
        all_rows = np.empty((len(self), 24, 4), np.float32)
        for rows in self.blocks():
            found = self.rotations(rows, is_y_up=is_y_up).as_quat().reshape(-1, 24, 4)
            before = all_rows[rows.start - 1 : rows.start] if rows.start else found[:1]
            is_flipped = (found * np.concatenate([before, found[:-1]])).sum(axis=-1) < 0
            all_rows[rows] = found * np.cumprod(np.where(is_flipped, -1.0, 1.0), axis=0)[..., None]
        return all_rows

    def joints(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Return the joints (R, 24, 3) in the world at the chosen rows; all by default."""
        return chain(self.rest, Rotation.from_rotvec(self.pose[rows].reshape(-1, 3)), self.pelvis[rows])

    def blocks(self) -> Iterator[slice]:
        """Yield rows that are worked on together: what is computed of them never fills memory."""
        for start in range(0, len(self), ROWS_PER_BLOCK):
            yield slice(start, min(start + ROWS_PER_BLOCK, len(self)))


@dataclass(frozen=True, slots=True)
class ScenePerson:
    """One person: what can be known before the motion is read, and how to read it."""

    number: int
    first_sample: int  # on the grid: time in the video = sample / rate
    count: int
    betas: Annotated[np.ndarray, 10]
    load: Callable[[], PersonMotion]
    load_track: Callable[[], MotionTrack]  # the same person at the frames of the video, camera axes
    quality: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the person is called in files."""
        return f"person_{self.number:03d}"


@dataclass(frozen=True, slots=True)
class SceneCamera:
    """The one camera of a clip."""

    world_from_cam: Annotated[np.ndarray, 4, 4]
    focal_px: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is exported."""

    source: str  # name of the video or of the capture
    rate_hz: float
    people: Sequence[ScenePerson]
    body: BodyStructure
    program: str = ""  # name and version
    camera: SceneCamera | None = None  # None in a capture, and where the size of the video is not known
    unit: str = "m"  # "m" or "cm", where a format leaves the choice
    has_ground: bool = False
    ground_m: float | None = None  # height of the measured ground; None: not measured, see `people.floor_height`
    blender: str | None = None  # the program, or a Python with `bpy`; None: look for one

    @property
    def scale(self) -> float:
        """How many units a metre has."""
        return 100.0 if self.unit == "cm" else 1.0

    @property
    def is_open_body(self) -> bool:
        """Whether the shapes are those of the body that comes with the package."""
        return self.body.name == "open_body"

    @property
    def body_note(self) -> str:
        """What a user of shapes has to know of them; empty: nothing."""
        return OPEN_BODY_NOTE if self.is_open_body else ""

    def end_sample(self) -> int:
        """Return the sample after the last of anybody."""
        return max((person.first_sample + person.count for person in self.people), default=0)


def rest_shape(body: BodyStructure, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) and joints (24, 3) of the unposed body with a shape (10,), y up, metres."""
    vertices = body.v_template.astype(np.float64) + body.shapedirs.astype(np.float64) @ betas.astype(np.float64)
    return vertices, body.joint_regressor.astype(np.float64) @ vertices


def chain(rest: np.ndarray, local: Rotation, pelvis: np.ndarray) -> np.ndarray:
    """Return the joints (T, 24, 3) of a skeleton.

    Args:
        rest: (24, 3) joints of the unposed body.
        local: T * 24 rotations, those of one sample after the other.
        pelvis: (T, 3).
    """
    matrices = local.as_matrix().reshape(-1, 24, 3, 3)
    turns, joints = np.empty_like(matrices), np.empty((len(matrices), 24, 3))
    turns[:, 0], joints[:, 0] = matrices[:, 0], pelvis
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        turns[:, joint] = turns[:, parent] @ matrices[:, joint]
        joints[:, joint] = joints[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
    return joints
