"""The node `tables` of a capture: who was there and who saw them, and everybody's joints in the world."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.skeletons import SMPL24
from pipeline.flow.atomic import write_bytes
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import RunFolder
from pipeline.motion.library import read_track
from pipeline.motion.posing import Body, joint_positions, vertex_positions
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.types import MotionTrack

if TYPE_CHECKING:
    import polars


def write_tables(files: RunFolder, cameras: Sequence[str], body: Body, claim: Claim) -> Sequence[Path]:
    """Write `people.csv` with a row per person, and per person a Parquet file with a row per frame and joint.

    One person is in memory at a time.

    Args:
        cameras: names, in the order of `MotionTrack.seen_by`.
    """
    import polars

    sources = files.motions()
    paths = [files.joints_table(source) for source in sources]
    claim([*paths, files.people_table])
    people = []
    for source, path in zip(sources, paths, strict=True):
        track = read_track(source)
        write_bytes(path, _parquet(joints_table(track, body)))
        people.append(person_row(track, cameras, body))
    table = polars.DataFrame(people, schema=PEOPLE, orient="row")
    write_bytes(files.people_table, table.write_csv(float_precision=3).encode())
    return [*paths, files.people_table]


PEOPLE = {
    "person": int, "first_frame": int, "last_frame": int, "seconds": float, "camera_count": int, "cameras": str,
    "view_count_mean": float, "height_m": float,
}  # fmt: skip


def person_row(track: MotionTrack, cameras: Sequence[str], body: Body) -> tuple[int | float | str, ...]:
    """Return the row of `PEOPLE` of one person; the mean of views is over frames that were not filled in."""
    saw = [cameras[place] for place in np.flatnonzero(track.seen_by.sum(axis=0)).tolist()]
    seconds = float(track.time_s[-1] - track.time_s[0])
    rest = vertex_positions(body, np.zeros((1, 24, 3)), track.betas, np.zeros((1, 3)))[0]
    return (
        track.track_id, int(track.frame_index[0]), int(track.frame_index[-1]), seconds, len(saw), " ".join(saw),
        float(track.view_count[track.is_observed].mean()), float(np.ptp(rest[:, 1])),
    )  # fmt: skip


def joints_table(track: MotionTrack, body: Body) -> "polars.DataFrame":
    """Return one row per frame of the video and joint, in world metres."""
    import polars

    world = joint_positions(body, track.pose, track.betas, track.trans) @ WORLD_FROM_CAM[:3, :3].T
    frames, joints = len(world), len(SMPL24)
    each = {
        "person": (np.full(frames, track.track_id), polars.Int32),
        "frame": (track.frame_index, polars.Int32),
        "time_s": (track.time_s, polars.Float64),
        "view_count": (track.view_count, polars.Int32),
    }
    columns = {name: polars.Series(np.repeat(values, joints), dtype=kind) for name, (values, kind) in each.items()}
    columns["joint"] = polars.Series(list(SMPL24) * frames, dtype=polars.Enum(SMPL24))
    for axis, name in enumerate(("x_m", "y_m", "z_m")):
        columns[name] = polars.Series(world[..., axis].ravel().astype(np.float32))
    columns["confidence"] = polars.Series(track.joint_confidence.ravel().astype(np.float32))
    return polars.DataFrame(columns)


def _parquet(table: "polars.DataFrame") -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
