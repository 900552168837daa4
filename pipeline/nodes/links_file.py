"""`links.json`: who every part of a track is, and every join and split with its score and reason."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError, RunError
from configs.json_files import read_json
from pipeline.flow.outputs import RunFolder
from pipeline.flow.store import ObservationStore
from pipeline.nodes.group import Shards
from pipeline.types import Observations
from trackers.linking.links import NOBODY, Links

BYTES_MAX = 2**28


def links_as_json(links: Links) -> dict[str, Any]:
    """Return what `links.json` holds."""
    decisions = [
        {
            "kind": made.kind,
            "tracks": list(made.tracks),
            "people": list(made.people),
            "frames": list(made.frames),
            "gap_s": round(made.gap_s, 3),
            "score": round(made.evidence.total, 2),
            "appearance": round(made.evidence.appearance, 2),
            "place": round(made.evidence.place, 2),
            "shape": round(made.evidence.shape, 2),
            "reason": made.reason,
        }
        for made in links.decisions
    ]
    assigned = [[part.track_id, part.first_frame, part.last_frame, part.person] for part in links.assigned]
    return {"decisions": decisions, "assigned": assigned, "columns": ["track", "first_frame", "last_frame", "person"]}


def count_nobody(folder: Path) -> int:
    """Return how many rows of a run are of people that linking left out."""
    rows, found = LinkedRows.of(folder), 0
    for shard in rows.store.read_shards():
        found += int((rows.people_of(shard) == NOBODY).sum())
    return found


@dataclass(slots=True)
class LinkedRows:
    """The rows of a video with the linked identity as `track_id`."""

    store: Shards
    _parts: dict[int, tuple[np.ndarray, np.ndarray]]  # of a track: first frames, rising, and people

    @classmethod
    def of(cls, folder: Path) -> "LinkedRows":
        """Return the rows of a run.

        Raises:
            RunError: its links cannot be read.
        """
        path = RunFolder(folder).links
        try:
            rows = read_json(path, bytes_max=BYTES_MAX)["assigned"]
            table = np.array(rows, np.int64).reshape(-1, 4)
            if len(table) != len(rows):
                raise ValueError("a part of a track has other than four numbers")
        except (InputError, OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{path}: cannot be read ({error}); delete it, and run the clip again") from error
        parts = {}
        for track_id in np.unique(table[:, 0]).tolist():
            mine = table[table[:, 0] == track_id]
            mine = mine[np.argsort(mine[:, 1], kind="stable")]
            parts[track_id] = (mine[:, 1], mine[:, 3])
        return cls(ObservationStore(RunFolder(folder).observations), parts)

    def people_of(self, shard: Observations) -> np.ndarray:
        """Return the people (R,) int64 of the rows of a shard; `NOBODY` is left out."""
        people = np.zeros_like(shard.track_id)
        for track_id in np.unique(shard.track_id).tolist():
            if track_id not in self._parts:
                raise RunError(f"track {track_id} is not in links.json; delete links.json, and run the clip again")
            rows, (starts, who) = shard.track_id == track_id, self._parts[track_id]
            people[rows] = who[np.searchsorted(starts, shard.frame_index[rows], side="right") - 1]
        return people

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        """Yield the shards from `first` to before `stop`, or all of them, without those who are left out.

        Raises:
            RunError: a track of the observations is not in the links.
        """
        for shard in self.store.read_shards(first, stop):
            people = self.people_of(shard)
            # Best first of everybody in a frame: whoever was found twice is kept once.
            order = np.lexsort((shard.track_id, -shard.scores, people, shard.frame_index))
            found = np.stack([shard.frame_index[order], people[order]], axis=1)
            is_first = np.append(True, (found[1:] != found[:-1]).any(axis=1))[: len(order)]
            yield replace(shard, track_id=people).take(order[is_first & (found[:, 1] != NOBODY)])
