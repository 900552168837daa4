"""A folder of a run in which two people are in six frames, and links say who they are."""

from pathlib import Path

import numpy as np

from pipeline.flow.atomic import write_json
from pipeline.flow.outputs import RunFolder
from pipeline.flow.store import Journal, ObservationStore
from pipeline.nodes.links_file import LinkedRows, links_as_json
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, Chunk, Frame, Observations
from trackers.linking.links import Links


def linked_run(folder: Path, links: Links, scores: dict[tuple[int, int], float] | None = None) -> LinkedRows:
    """Write tracks 3 and 7, both in frames 0 to 5, with links."""
    places = [(frame, track) for frame in range(6) for track in (3, 7)]
    rows = {
        name: np.zeros((len(places), *shape), OBSERVATION_DTYPES.get(name, np.float32))
        for name, shape in OBSERVATION_SHAPES.items()
    }
    rows["frame_index"][:], rows["track_id"][:] = np.array(places).T
    rows["time_s"][:] = rows["frame_index"] / 25
    rows["betas"][:, 0] = rows["track_id"]
    rows["scores"][:] = [(scores or {}).get(place, 0.5) for place in places]
    frames = tuple(Frame(frame, frame / 25, np.zeros((2, 2, 3), np.uint8)) for frame in range(6))
    store = ObservationStore(RunFolder(folder).observations)
    store.commit(Journal("test"), Chunk(0, frames, observations=Observations(**rows)))
    write_json(RunFolder(folder).links, links_as_json(links))
    return LinkedRows.of(folder)
