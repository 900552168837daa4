"""A finished run: its people, their motion, and where its files lie."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.flow.outputs import RunFolder, person_number
from pipeline.flow.record import RunRecord, VideoRecord, read_finished
from pipeline.motion.posing import joint_positions, vertex_positions
from pipeline.motion.read import MotionFile, read_motion
from pipeline.motion.scene import Scene, read_scene
from pipeline.types import MotionTrack

if TYPE_CHECKING:
    import polars

    from dpmesh.body import BodyModel

SHAPE_COUNT = 10  # shape numbers of the bodies here; files of AMASS carry 16


class Person:
    """One person of a run: the motion of `tracks/`, in world axes (z up, metres), read when first needed.

    `id` is the number in the overlay and in the name of the file; `motion` has what the file says of every sample,
    such as `is_observed` and `joint_confidence`.
    """

    def __init__(self, number: int, path: Path) -> None:
        self.id = number
        self.path = path

    @cached_property
    def motion(self) -> MotionFile:
        """All that the motion file holds."""
        return read_motion(self.path)

    @property
    def pose(self) -> np.ndarray:
        """Axis-angle rotations (T, 24, 3) in radians, the root first and in world axes; hands are at rest."""
        return self.motion.smpl_pose()

    @property
    def trans(self) -> np.ndarray:
        """SMPL translation (T, 3) in metres."""
        return self.motion.trans

    @property
    def betas(self) -> np.ndarray:
        """Shape (10,)."""
        return self.motion.betas[:SHAPE_COUNT]

    @property
    def time_s(self) -> np.ndarray:
        """Seconds (T,) from the start of the video."""
        times = self.motion.timestamps
        return np.arange(len(self.motion.poses)) / self.motion.rate_hz if times is None else times

    @property
    def frame_index(self) -> np.ndarray:
        """The nearest frame of the video (T,) int64, from 0."""
        frames = self.motion.frame_index
        if frames is None:
            raise InputError(f"{self.path}: does not say which frames of the video it is of; run the clip again")
        return frames

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self.motion.rate_hz

    def __len__(self) -> int:
        return len(self.motion.poses)

    def __repr__(self) -> str:
        return f"<Person {self.id}: {len(self)} samples at {self.rate_hz:g} Hz, {self.path.name}>"


class Run:
    """A finished run in its folder. Iterating yields its people, ordered by number.

    Args:
        path: the folder of one clip, as `out/clip`.

    Raises:
        InputError: there was no run, its record is damaged, or the last run failed or did not end.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.files = RunFolder(self.path)
        self.record: RunRecord = read_finished(self.path)

    @classmethod
    def with_record(cls, path: Path, record: RunRecord) -> "Run":
        """Return a run whose record is known, also while it goes on."""
        run = cls.__new__(cls)
        run.path, run.files, run.record = path, RunFolder(path), record
        return run

    @property
    def settings(self) -> RunSettings:
        """The resolved settings; `InputError` where they are those of another version."""
        return self.record.run_settings(self.path)

    @property
    def video(self) -> VideoRecord:
        """What the input holds."""
        return self.record.video

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """Everybody of whom there is a motion file."""
        found = {
            person_number(path): path for path in reversed(self.files.tracks())
        }  # of older runs, SMPL-H before SMPL-X
        return tuple(Person(number, found[number]) for number in sorted(found))

    @cached_property
    def scene(self) -> Scene | None:
        """Where the ground is and how the camera stands over it; None in captures and in runs of earlier versions."""
        return read_scene(self.files.scene)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, number: int) -> Person:
        """Return the person with this number; `KeyError` if there is none."""
        for person in self.people:
            if person.id == number:
                return person
        raise KeyError(f"person {number}: not in this run; there are {[person.id for person in self.people]}")

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.record.status}, {len(self)} people, {self.record.frames} frames>"

    @cached_property
    def body(self) -> "BodyModel":
        """The body model that the motion is of."""
        from dpmesh.body import load_body
        from dpmesh.body.load import find_body

        chosen = self.record.body
        return load_body(find_body(chosen.source, chosen.gender), gender=chosen.gender)

    def tracks(self) -> Iterator[MotionTrack]:
        """Yield the motion of every person in camera axes, at the frames of the video.

        Raises:
            InputError: a motion is damaged.
        """
        from pipeline.motion.library import read_track

        return (read_track(path) for path in self.files.motions())

    def joints(self, person: Person | int, joint_set: str = "smpl24") -> np.ndarray:
        """Return the joints (T, J, 3) float32 of a person in world axes, metres.

        Args:
            person: one of `people`, or a number.
            joint_set: a key of `dpmesh.body.JOINT_SETS`: "smpl24", "coco17", ...
        """
        person = self[person] if isinstance(person, int) else person
        return joint_positions(self.body, person.pose, person.betas, person.trans, joint_set)

    def vertices(self, person: Person | int) -> np.ndarray:
        """Return the mesh (T, V, 3) float32 of a person in world axes, metres; its triangles are `run.body.faces`."""
        person = self[person] if isinstance(person, int) else person
        return vertex_positions(self.body, person.pose, person.betas, person.trans)

    def to_dataframe(self, joint_set: str = "smpl24") -> "polars.DataFrame":
        """Return one row per person, sample and joint, in world axes: person, frame, time_s, joint, x_m, y_m, z_m.

        `frame` is the frame of the video that is nearest to the sample.

        `to_dataframe().to_pandas()` gives a pandas one, where pandas is installed.
        """
        import polars

        from dpmesh.body import JOINT_SETS

        if joint_set not in JOINT_SETS:
            raise ValueError(f"joint_set: got {joint_set!r}, expected one of {', '.join(JOINT_SETS)}")
        names, parts = list(JOINT_SETS[joint_set]), []
        for person in self:
            joints = self.joints(person, joint_set)
            count = len(names)
            columns = {
                "person": np.full(joints.shape[0] * count, person.id, np.int64),
                "frame": np.repeat(person.frame_index, count),
                "time_s": np.repeat(person.time_s, count),
                "joint": names * len(joints),
            }
            columns |= {name: joints[..., axis].ravel() for axis, name in enumerate(("x_m", "y_m", "z_m"))}
            parts.append(polars.DataFrame(columns))
        return polars.concat(parts) if parts else polars.DataFrame(schema=_SCHEMA)


_SCHEMA = {"person": int, "frame": int, "time_s": float, "joint": str, "x_m": float, "y_m": float, "z_m": float}
