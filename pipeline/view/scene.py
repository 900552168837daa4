"""A finished run as a scene: bodies with bones, cameras, the floor, all in the upright world of `tracks/`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.errors import InputError
from configs.npz_files import read_npz
from configs.skeletons import SMPL_PARENTS
from dpmesh.body.load import find_body, read_structure
from dpmesh.body.structure import BodyStructure
from pipeline.motion.read import MOTION_BYTES_MAX, MotionFile
from pipeline.results import Person, Run
from pipeline.view.cameras import SceneCamera, find_cameras
from pipeline.view.floor import Floor, find_floor

FULL_MESH_PEOPLE = 4  # with more of them, bodies have the coarse mesh, where there is one
SAMPLES_MAX = 60_000  # of all people; 20 people for 5 minutes have 180,000 at 30 Hz, and the browser draws between them
RATE_MAX_HZ = 30.0
RATE_MIN_HZ = 5.0  # rather than fewer samples per second, the end is left out
GAP_RATIO = 1.5  # of the usual step between frames: a longer one is a gap


@dataclass(frozen=True, slots=True)
class ScenePerson(Shaped):
    """One person: a body in its shape at rest, and how its joints are turned at each sample."""

    id: int
    rest_vertices: Annotated[np.ndarray, "V", 3]  # float32, metres
    rest_joints: Annotated[np.ndarray, 24, 3]  # float64, metres
    pose: Annotated[np.ndarray, "M", 24, 3]  # axis-angle, the root in world axes; of the first samples, see `Thinning`
    time_s: Annotated[np.ndarray, "N"]  # float64, seconds from the start of the video
    pelvis_m: Annotated[np.ndarray, "N", 3]  # float64, world axes
    is_observed: Annotated[np.ndarray, "N"]  # bool; False = filled in
    is_refined: Annotated[np.ndarray, "N"]  # bool
    confidence: Annotated[np.ndarray, "N"]  # 0 to 1, mean over the joints
    is_hidden: Annotated[np.ndarray, "N"]  # bool: within a gap that nothing was filled in at the frames of the video

    def bones(self, rows: slice | np.ndarray = slice(None)) -> tuple[Rotation, np.ndarray]:
        """Return where joints are at some samples: rotations (rows x 24, flat) and positions (rows, 24, 3)."""
        pose, pelvis = self.pose[rows], self.pelvis_m[: len(self.pose)][rows]
        local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
        turns, places = np.empty_like(local), np.empty((len(pose), 24, 3))
        for joint, parent in enumerate(SMPL_PARENTS):
            if parent < 0:
                turns[:, joint], places[:, joint] = local[:, joint], pelvis
                continue
            turns[:, joint] = turns[:, parent] @ local[:, joint]
            places[:, joint] = places[:, parent] + turns[:, parent] @ (
                self.rest_joints[joint] - self.rest_joints[parent]
            )
        return Rotation.from_matrix(turns.reshape(-1, 3, 3)), places

    def joints(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Return joints (rows, 24, 3) in metres, world axes."""
        return self.bones(rows)[1]


@dataclass(frozen=True, slots=True)
class Thinning:
    """What is left of long motions: every `stride`-th sample, and poses up to some moment."""

    stride: int = 1
    end_s: float = np.inf  # of poses
    rate_hz: float = RATE_MAX_HZ  # of the motion files


@dataclass(frozen=True, slots=True)
class Scene:
    """Everybody of a run and where they are."""

    people: tuple[ScenePerson, ...]
    cameras: tuple[SceneCamera, ...]
    floor: Floor
    faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))  # (F, 3)
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 24), np.float32))  # (V, 24), rows sum to 1
    thinning: Thinning = Thinning()

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last moment at which somebody is there."""
        if not self.people:
            return 0.0, 0.0
        return min(p.time_s[0] for p in self.people), max(p.time_s[-1] for p in self.people)


def scene_of_run(run: Run, *, is_coarse: bool | None = None, samples_max: int = SAMPLES_MAX) -> Scene:
    """Return the scene of a run; one motion file is in memory at a time.

    Args:
        is_coarse: whether bodies have the coarse mesh; None: with more than `FULL_MESH_PEOPLE`.
        samples_max: of all people together; of longer motions, fewer samples per second are kept.

    Raises:
        InputError: a motion file is damaged.
        WeightsError: the body model of the run is not there any more.
    """
    chosen = run.record.body
    structure = read_structure(find_body(chosen.source, chosen.gender), gender=chosen.gender)
    mesh = BodyMesh.of(structure, len(run) > FULL_MESH_PEOPLE if is_coarse is None else is_coarse)
    thinning = plan_thinning([_times_of(each) for each in run.people], samples_max)
    people = [person_of(Person(each.id, each.path), mesh, thinning) for each in run.people]
    floor = find_floor([person.joints(slice(None, None, 5))[..., 2].min(axis=1) for person in people])
    return Scene(tuple(people), find_cameras(run), floor, mesh.faces, mesh.weights, thinning)


def _times_of(person: Person) -> np.ndarray:
    try:
        return read_npz(person.path, ("timestamps",), bytes_max=MOTION_BYTES_MAX)["timestamps"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{person.path}: cannot be read as a motion of this program ({error})") from error


def plan_thinning(times_s: Sequence[np.ndarray], samples_max: int) -> Thinning:
    """Return how motions with samples at these times are thinned to about `samples_max` samples in all."""
    total = sum(map(len, times_s))
    length_s = sum(float(times[-1] - times[0]) for times in times_s if len(times))
    rate = (total - len(times_s)) / length_s if length_s else RATE_MAX_HZ
    stride = max(1, round(rate / RATE_MAX_HZ))
    while total / stride > samples_max and rate / (stride + 1) >= RATE_MIN_HZ:
        stride += 1
    if total / stride <= samples_max:
        return Thinning(stride, rate_hz=rate)
    ordered = np.sort(np.concatenate(times_s))
    return Thinning(stride, float(ordered[samples_max * stride]), rate)


@dataclass(frozen=True, slots=True)
class BodyMesh:
    """The surface that bodies of a run share."""

    structure: BodyStructure
    vertices: np.ndarray  # (V,) int64, which of the structure's
    faces: np.ndarray  # (F, 3) int64, of these
    weights: np.ndarray  # (V, 24) float32

    @classmethod
    def of(cls, structure: BodyStructure, is_coarse: bool) -> "BodyMesh":
        """Return the mesh of a body; a body without a coarse one has its own."""
        coarse = structure.faces_coarse
        chosen = coarse if is_coarse and coarse is not None else structure.faces
        vertices, flat = np.unique(chosen, return_inverse=True)
        return cls(structure, vertices, flat.reshape(-1, 3), structure.weights[vertices])

    def at_rest(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices (V, 3) and joints (24, 3) of a shape (10,) at rest."""
        body = self.structure
        shaped = body.v_template + body.shapedirs[..., : len(betas)] @ betas.astype(np.float32)
        return shaped[self.vertices], np.asarray(body.joint_regressor, np.float64) @ shaped


def person_of(person: Person, mesh: BodyMesh, thinning: Thinning) -> ScenePerson:
    """Return one person of a run with the mesh of the scene."""
    motion, count, rows = person.motion, len(person), slice(None, None, thinning.stride)
    vertices, joints = mesh.at_rest(person.betas)
    confidence, times = motion.joint_confidence, np.asarray(person.time_s, np.float64)[rows]
    posed = slice(None, max(1, int(np.searchsorted(times, thinning.end_s, "right"))))
    return ScenePerson(
        id=person.id,
        rest_vertices=vertices.astype(np.float32),
        rest_joints=joints,
        pose=person.pose[rows][posed],
        time_s=times,
        pelvis_m=joints[0] + person.trans[rows],
        is_observed=_flags(motion.is_observed, count)[rows],
        is_refined=_flags(motion.is_refined, count)[rows],
        confidence=np.ones(len(times)) if confidence is None else confidence[rows, :22].mean(axis=1),
        is_hidden=_hidden(motion, times),
    )


def _hidden(motion: MotionFile, times: np.ndarray) -> np.ndarray:
    """Return at which times (N,) there was no frame with a body for longer than the usual step between two."""
    known = motion.original_timestamps
    if known is None or len(known) < 2:
        return np.zeros(len(times), bool)
    gaps = np.diff(known)
    after = np.searchsorted(known, times).clip(1, len(known) - 1)
    is_within = (times > known[after - 1] + 1e-6) & (times < known[after] - 1e-6)
    return np.asarray(is_within & (gaps[after - 1] > GAP_RATIO * np.median(gaps)))


def _flags(values: np.ndarray | None, count: int) -> np.ndarray:
    return np.ones(count, bool) if values is None else values.astype(bool)
